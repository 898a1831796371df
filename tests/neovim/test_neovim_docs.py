"""What `docs/editors.md` tells people to write into their configuration."""

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.nvim import FAKE_SERVER, drive

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="puts a script of a POSIX shell on the path")

GUIDE = Path(__file__).parents[2] / "docs" / "editors.md"
README = Path(__file__).parents[2] / "README.md"

PRELUDE = """
vim.cmd.edit(vespiary.root .. '/a.txt')
vespiary.wait('the server', function() return vim.lsp.get_clients({ name = 'vespiary', bufnr = 0 })[1] end)
local messages = {}
vim.lsp.handlers['window/showMessage'] = function(_, message) table.insert(messages, message.message) end
vim.notify = function(text) table.insert(messages, text) end
local function heard()
  return vespiary.wait('a message', function() return table.remove(messages, 1) end)
end
"""


def documented(scenario: str, project: Path, tmp_path: Path, document: Path = GUIDE, count: int = 5) -> Any:
    """What a scenario returns in an editor set up in the guide's own words; the tests' server has the name of the real one."""
    blocks = re.findall(r"```lua\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == count
    (project / "vespiary.toml").touch()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "vespiary"
    program.write_text(f'#!/bin/sh\nshift\nexec {shlex.join(FAKE_SERVER)} "$@"\n', encoding="utf-8", newline="")
    program.chmod(0o755)
    return drive(
        "\n".join([*blocks, PRELUDE, scenario]),
        project,
        env={"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"},
    )


@requirement("lsp:commands")
def test_the_documented_set_up_works_as_it_stands(project: Path, tmp_path: Path) -> None:
    seen = documented(
        """
        vim.cmd('Vespiary [["replace", "a.txt", "hello", "HELLO"]]')
        local message, after = heard(), vespiary.text()
        vim.cmd.normal('u')
        return { message = message, after = after, undone = vespiary.text() }
        """,
        project,
        tmp_path,
    )
    assert seen == {"message": "coder: applied:", "after": "HELLO\nworld", "undone": "hello\nworld"}


def test_the_few_lines_of_the_readme_are_enough(project: Path, tmp_path: Path) -> None:
    assert documented("vim.cmd('Vespiary hello') return heard()", project, tmp_path, README, 1).startswith("coder: ")


def test_the_documented_commands_speak_of_the_selected_lines(project: Path, tmp_path: Path) -> None:
    seen = documented(
        """
        vim.cmd('2Vespiary what is this')
        local asked = heard()
        vim.ui.input = function(_, answer) answer('and this') end
        vim.cmd.normal({ 'ggVj', bang = true })
        vim.lsp.buf.code_action({ apply = true })
        return { asked, heard() }
        """,
        project,
        tmp_path,
    )
    tasks = [json.loads(text.removeprefix("coder: ")) for text in seen]
    assert [task["prompt"] for task in tasks] == ["what is this", "and this"]
    lines = [(task["context"]["range"]["start"]["line"], task["context"]["range"]["end"]["line"]) for task in tasks]
    assert lines[0] == (1, 2)
    assert lines[1][0] == 0


def test_the_documented_commands_fix_what_others_found(project: Path, tmp_path: Path) -> None:
    seen = documented(
        """
        vim.cmd('VespiaryFix')
        local nothing = heard()
        local found = { lnum = 1, col = 0, end_lnum = 1, end_col = 5, message = 'no such world', source = 'lint', severity = 1 }
        vim.diagnostic.set(vim.api.nvim_create_namespace('lint'), 0, { found })
        vim.cmd('2VespiaryFix')
        return { nothing, heard() }
        """,
        project,
        tmp_path,
    )
    assert seen[0] == "Nothing is wrong here."
    (problem,) = json.loads(seen[1].removeprefix("coder: "))["context"]["diagnostics"]
    assert (problem["message"], problem["source"], problem["severity"]) == ("no such world", "lint", "error")


def test_the_documented_status_line_shows_a_run_and_the_command_ends_it(project: Path, tmp_path: Path) -> None:
    seen = documented(
        """
        vim.cmd('Vespiary [["hang"]]')
        local shown = vespiary.wait('progress', function() return vim.g.vespiary and vim.g.vespiary ~= '' and vim.g.vespiary end)
        local line = vim.api.nvim_eval_statusline(vim.o.statusline, { maxwidth = 400 }).str
        vim.cmd('VespiaryCancel')
        vespiary.wait('the end', function() return vim.g.vespiary == '' end)
        return { shown = shown, line = line }
        """,
        project,
        tmp_path,
    )
    assert seen["shown"] in seen["line"]
