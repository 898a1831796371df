"""In a real Neovim: the offer to resume an interrupted run, as the editor's own handler shows it."""

from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.fake_openai import FakeOpenAI
from support.nvim import REAL_SERVER, drive
from support.serving import AFTERWARDS, RealServer, hanging_at, texts, turns, workspace

SCENARIO = """
local v = vespiary
local seen = {}
vim.ui.select = function(items, options, choose)
  seen.kind, seen.prompt = options.kind, options.prompt
  seen.items = vim.tbl_map(options.format_item or tostring, items)
  vim.schedule(function() choose(items[CHOICE]) end)
end
v.edit('a.txt', { init_options = { trusted = true } })
v.wait('the question', function() return seen.prompt end)
"""


def begun(root: Path, model: FakeOpenAI) -> str:
    """A run of a server that was killed while its second model call was under way."""
    workspace(root, model)
    with RealServer(root) as server:
        run = server.begin("Do it all.")
        model.wait_for(lambda model: model.calls == 2, 60)
        server.kill()
    return run


@requirement("lsp:resume")
def test_a_person_resumes_a_run_from_the_editors_own_question(project: Path) -> None:
    with FakeOpenAI(hanging_at(1)) as model:
        run = begun(project, model)
        seen = drive(
            f"local CHOICE = 1\n{SCENARIO}\n"
            f"local run = '{run}'\n"
            """
            local finished = v.finished(run, 60000)
            local message = v.wait('the answer', function() return v.messages[1] end)
            return { seen = seen, outcome = finished.outcome, message = message.message, text = v.text() }
            """,
            project,
            server=REAL_SERVER,
        )
        assert turns(model) == [0, 1, 1, 2, 3]
    assert seen["outcome"] == "done"
    assert seen["message"] == "coder: All is done."
    assert seen["seen"]["items"] == ["Resume", "Discard", "Later"]
    assert "coder was interrupted: Do it all." in seen["seen"]["prompt"]
    assert seen["text"] == "HELLO\nworld"  # in the buffer, which is not saved
    assert texts(project) == AFTERWARDS | {"a.txt": "hello\nworld\n"}


@requirement("lsp:offer-refused")
@pytest.mark.parametrize("choice", ["3", "99"], ids=["later", "dismissed"])
def test_a_person_who_does_not_want_to_be_bothered_finds_the_run_again(project: Path, choice: str) -> None:
    with FakeOpenAI(hanging_at(1)) as model:
        run = begun(project, model)
        seen: Any = drive(
            f"local CHOICE = {choice}\n{SCENARIO}\n"
            """
            return { v.request('vespiary/run/interrupted').runs[1].runId, #v.events }
            """,
            project,
            server=REAL_SERVER,
        )
        assert seen == [run, 0]
        assert turns(model) == [0, 1]
