"""The whole product in a real Neovim: a configured agent, its actors, a model on loopback, the server and the editor."""

import threading
import time
from pathlib import Path

from ledger import requirement
from support.fake_openai import FakeOpenAI, call, hang, say
from support.nvim import REAL_SERVER, drive
from support.projects import project

TRUSTED = "{ init_options = { trusted = true } }"


def model(server: FakeOpenAI) -> str:
    return server.toml().partition("\n")[2]


def last_words(server: FakeOpenAI) -> str:
    """What the model was told last."""
    return str(server.requests[-1].messages[-1]["content"])


@requirement("lsp:unsaved-buffer", "lsp:edit-in-buffer", "lsp:one-undo-step")
def test_an_agent_reads_the_unsaved_buffer_and_edits_it_in_one_undo_step(tmp_path: Path) -> None:
    edits = [{"old_string": "unsaved", "new_string": "mended"}, {"old_string": "world", "new_string": "earth"}]
    replies = [
        call("read_file", {"path": "a.txt"}),
        call("edit_file", {"path": "a.txt", "edits": edits}),
        say("It is mended."),
    ]
    with FakeOpenAI(replies) as server:
        root = project(tmp_path / "project", {"a.txt": "hello\nworld\n"}, model=model(server))
        seen = drive(
            f"""
            local v = vespiary
            v.edit('a.txt', {TRUSTED})
            v.type('ccunsaved<Esc>')
            local finished = v.finished(v.start('Mend a.txt.'), 60000)
            local after = v.text()
            vim.cmd.undo()
            return {{ after = after, undone = v.text(), finished = finished }}
            """,
            root,
            server=REAL_SERVER,
        )
        told = str(server.requests[1].messages[-1]["content"])
    assert "1:unsaved" in told
    assert seen["finished"]["outcome"] == "done", seen
    assert seen["finished"]["text"] == "It is mended."
    assert seen["finished"]["files"] == [{"path": "a.txt", "change": "modified"}]
    assert seen["after"] == "mended\nearth"
    assert seen["undone"] == "unsaved\nworld"
    assert (root / "a.txt").read_text(encoding="utf-8") == "hello\nworld\n"


@requirement("lsp:stale-edit")
def test_an_agent_is_told_that_its_edit_came_too_late(tmp_path: Path) -> None:
    edit = {"old_string": "hello", "new_string": "HELLO"}
    replies = [
        call("read_file", {"path": "a.txt"}),
        call("edit_file", {"path": "a.txt", "edits": [edit]}),
        say("Too late."),
    ]
    with FakeOpenAI(replies) as server:
        root = project(tmp_path / "project", {"a.txt": "hello\nworld\n"}, model=model(server))
        seen = drive(
            f"""
            local v = vespiary
            v.edit('a.txt', {TRUSTED})
            local apply = vim.lsp.handlers['workspace/applyEdit']
            v.client.handlers['workspace/applyEdit'] = function(...)
              v.client.handlers['workspace/applyEdit'] = nil
              v.type('ggItyped <Esc>')
              return apply(...)
            end
            local run = v.start('Mend a.txt.')
            v.finished(run, 60000)
            return {{ text = v.text(), state = v.event(run, 'edit').state }}
            """,
            root,
            server=REAL_SERVER,
        )
        told = last_words(server)
    assert seen == {"text": "typed hello\nworld", "state": "stale"}
    assert "changed" in told


@requirement("lsp:cancel")
def test_cancelling_a_run_stops_its_model_request_within_a_second(tmp_path: Path) -> None:
    times: dict[str, float] = {}

    def watch(server: FakeOpenAI, root: Path) -> None:
        server.wait_for(lambda s: s.calls == 1, 60)
        (root / "asked").touch()
        server.wait_for(lambda s: s.disconnects == 1, 60)
        times["left"] = time.time()

    with FakeOpenAI([hang()]) as server:
        root = project(tmp_path / "project", {"a.txt": "hello\n"}, model=model(server))
        watcher = threading.Thread(target=watch, args=(server, root))
        watcher.start()
        seen = drive(
            f"""
            local v = vespiary
            v.edit('a.txt', {TRUSTED})
            local run = v.start('Think for ever.')
            v.wait('the model to be asked', function() return vim.uv.fs_stat(v.root .. '/asked') end, 60000)
            v.event(run, 'text.delta')
            local seconds, micros = vim.uv.gettimeofday()
            v.request('vespiary/run/cancel', {{ runId = run }})
            return {{ outcome = v.finished(run).outcome, at = seconds + micros / 1e6 }}
            """,
            root,
            server=REAL_SERVER,
        )
        watcher.join(60)
    assert seen["outcome"] == "cancelled"
    assert times["left"] - seen["at"] < 1
