"""What `docs/editors.md` tells people to write into their configuration."""

import os
import re
import shlex
from pathlib import Path

from ledger import requirement
from support.nvim import FAKE_SERVER, drive

GUIDE = Path(__file__).parents[2] / "docs" / "editors.md"


@requirement("lsp:commands")
def test_the_documented_set_up_works_as_it_stands(project: Path, tmp_path: Path) -> None:
    """In the guide's own words, with the tests' server under the name of the real one."""
    blocks = re.findall(r"```lua\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    (project / "vespiary.toml").touch()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "vespiary"
    program.write_text(f'#!/bin/sh\nshift\nexec {shlex.join(FAKE_SERVER)} "$@"\n', encoding="utf-8", newline="")
    program.chmod(0o755)
    seen = drive(
        "\n".join(blocks)
        + """
        local messages = {}
        vim.lsp.handlers['window/showMessage'] = function(_, message) table.insert(messages, message) end
        vim.cmd.edit(vespiary.root .. '/a.txt')
        vespiary.wait('the server', function() return vim.lsp.get_clients({ name = 'vespiary', bufnr = 0 })[1] end)
        vespiary.wait('its start', function() return vim.lsp.get_clients({ name = 'vespiary' })[1].initialized end)
        vim.cmd('Vespiary [["replace", "a.txt", "hello", "HELLO"]]')
        vespiary.wait('the answer', function() return messages[1] end)
        local after = vespiary.text()
        vim.cmd.normal('u')
        return { message = messages[1].message, after = after, undone = vespiary.text() }
        """,
        project,
        env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )
    assert seen == {"message": "coder: applied:", "after": "HELLO\nworld", "undone": "hello\nworld"}
