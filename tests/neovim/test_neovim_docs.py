"""What `docs/editors.md` tells people to write into their configuration."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.fake_openai import Asked, FakeOpenAI, Reply, say
from support.nvim import FAKE_SERVER, REAL_SERVER, drive
from support.serving import RealServer, hanging_at, workspace

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


def documented(
    scenario: str,
    project: Path,
    tmp_path: Path,
    document: Path = GUIDE,
    count: int = 7,
    server: list[str] = FAKE_SERVER,
    before: str = "",
) -> Any:
    """What a scenario returns in an editor set up in the guide's own words; the tests' server has the name of the real one."""
    blocks = re.findall(r"```lua\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == count
    (project / "vespiary.toml").touch()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "vespiary"
    program.write_text(f'#!/bin/sh\nshift\nexec {shlex.join(server)} "$@"\n', encoding="utf-8", newline="")
    program.chmod(0o755)
    return drive(
        "\n".join([*blocks, before, PRELUDE, scenario]),
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


def trusted(root: Path) -> Path:
    """The workspace, trusted as a person would do it."""
    subprocess.run([sys.executable, "-m", "vespiary", "trust", str(root)], check=True, capture_output=True)
    return root


def remembering(asked: Asked) -> Reply:
    """Says what it was told so far."""
    said = [message["content"] for message in asked.messages if message["role"] == "user"]
    return say(" / ".join(line.splitlines()[0] for line in said))


@requirement("lsp:sessions")
def test_the_documented_commands_go_on_with_a_conversation(project: Path, tmp_path: Path) -> None:
    with FakeOpenAI(remembering) as model:
        seen = documented(
            """
            vim.cmd('VespiaryMore too early')
            local answers = { heard() }
            vim.cmd('Vespiary one')
            table.insert(answers, heard())
            vim.cmd('Vespiary other')
            table.insert(answers, heard())
            vim.cmd('VespiaryMore more')
            table.insert(answers, heard())
            local lines
            vim.ui.select = function(items, options, choose)
              lines = vim.tbl_map(options.format_item, items)
              choose(items[2])
            end
            vim.ui.input = function(_, answer) answer('two') end
            vim.cmd('VespiarySessions')
            table.insert(answers, heard())
            return { answers = answers, lines = lines }
            """,
            trusted(workspace(project, model)),
            tmp_path,
            server=REAL_SERVER,
        )
    assert seen["answers"] == [
        "There is no conversation yet.",
        "coder: one",
        "coder: other",
        "coder: other / more",
        "coder: one / two",
    ]
    assert seen["lines"] == ["coder: other (2 tasks)", "coder: one (1 tasks)"]


@requirement("lsp:resume")
def test_the_documented_command_resumes_what_was_left_for_later(project: Path, tmp_path: Path) -> None:
    with FakeOpenAI(hanging_at(1)) as model:
        workspace(project, model)
        with RealServer(project) as server:
            server.begin("Do it all.")
            model.wait_for(lambda model: model.calls == 2, 60)
            server.kill()
        seen = documented(
            """
            vim.cmd('VespiaryResume')
            local answer = heard()
            vim.cmd('VespiaryResume')
            return { lines, answer, heard() }
            """,
            trusted(project),
            tmp_path,
            server=REAL_SERVER,
            before="""
            local lines
            vim.ui.select = function(items, options, choose)
              if options.kind == 'lsp_message' then return vim.schedule(function() choose(nil) end) end
              lines = vim.tbl_map(options.format_item, items)
              choose(items[1])
            end
            """,
        )
    assert seen == [["coder: Do it all."], "coder: All is done.", "No run was interrupted."]
