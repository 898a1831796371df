"""What a person does with agents in a real Neovim, without a plugin: code actions, commands, progress, cancelling."""

import json
from pathlib import Path

from ledger import requirement
from support.nvim import drive


@requirement("lsp:ask-action")
def test_a_selection_offers_to_ask_the_agent_which_gets_the_selected_place(project: Path) -> None:
    seen = drive(
        """
        local v = vespiary
        v.edit('a.txt')
        vim.lsp.buf.code_action({
          range = { start = { 1, 1 }, ['end'] = { 1, 4 } },
          apply = true,
          filter = function(action) v.title = action.title; return true end,
        })
        local message = v.wait('the answer', function() return v.messages[1] end)
        return { title = v.title, message = message }
        """,
        project,
    )
    assert seen["title"] == "Ask coder ..."
    name, _, task = seen["message"]["message"].partition(": ")
    assert name == "coder"
    context = json.loads(task)["context"]
    assert context["path"] == "a.txt"
    assert context["range"]["start"] == {"line": 0, "character": 1}


@requirement("lsp:fix-action")
def test_a_diagnostic_offers_to_be_fixed_and_the_agent_gets_it(project: Path) -> None:
    (project / "a.txt").write_text("🐝🐝 hello\nworld\n", encoding="utf-8", newline="")
    seen = drive(
        """
        local v = vespiary
        local buffer = v.edit('a.txt')
        local space = vim.api.nvim_create_namespace('check')
        vim.diagnostic.set(space, buffer, { {
          lnum = 0, col = 9, end_lnum = 0, end_col = 14, message = 'no greeting', severity = vim.diagnostic.severity.WARN,
          source = 'check', code = 'W1',
          user_data = { lsp = { code = 'W1', source = 'check', severity = 2, message = 'no greeting', range =
            { start = { line = 0, character = 5 }, ['end'] = { line = 0, character = 10 } } } },
        } })
        vim.api.nvim_win_set_cursor(0, { 1, 10 })
        vim.lsp.buf.code_action({
          context = { only = { 'quickfix' }, diagnostics = { vim.diagnostic.get(buffer)[1].user_data.lsp } },
          apply = true,
          filter = function(action) v.title = action.title; return true end,
        })
        local message = v.wait('the answer', function() return v.messages[1] end)
        return { title = v.title, message = message.message }
        """,
        project,
    )
    assert seen["title"] == "Fix with coder"
    (diagnostic,) = json.loads(seen["message"].partition(": ")[2])["context"]["diagnostics"]
    assert diagnostic["message"] == "no greeting"
    assert diagnostic["severity"] == "warning"
    assert diagnostic["code"] == "W1"


@requirement("lsp:commands")
def test_a_command_runs_a_task_and_answers_at_once(project: Path) -> None:
    seen = drive(
        """
        local v = vespiary
        v.edit('a.txt')
        v.client:exec_cmd({ title = 'Ask', command = 'vespiary.run', arguments = { { prompt = '[["say", "hi"]]' } } }, {},
          function(_, result) v.result = result end)
        v.wait('the result', function() return v.result end)
        local message = v.wait('the answer', function() return v.messages[1] end)
        return { run = v.result.runId, finished = v.finished(v.result.runId).outcome, message = message.message }
        """,
        project,
    )
    assert len(seen["run"]) == 12
    assert seen["finished"] == "done"
    assert seen["message"] == "coder: hi"


@requirement("lsp:progress")
def test_a_run_is_a_progress_that_can_be_cancelled(project: Path) -> None:
    seen = drive(
        """
        local v = vespiary
        v.edit('a.txt')
        local seen = {}
        vim.api.nvim_create_autocmd('LspProgress', { callback = function(args)
          table.insert(seen, args.data.params)
        end })
        local run = v.start({{'hang'}})
        local begin = v.wait('progress', function() return seen[1] end)
        v.client:notify('window/workDoneProgress/cancel', { token = begin.token })
        local finished = v.finished(run)
        v.wait('its end', function() return seen[#seen].value.kind == 'end' end)
        return { outcome = finished.outcome, first = seen[1].value, last = seen[#seen].value }
        """,
        project,
    )
    assert seen["outcome"] == "cancelled"
    assert seen["first"]["title"] == "coder"
    assert seen["first"]["cancellable"] is True
    assert seen["last"]["message"] == "cancelled"
