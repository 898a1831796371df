"""Interrupted runs over the wire, with the real server: offered, resumed, discarded, and their events read again."""

from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.fake_openai import FakeOpenAI
from support.serving import AFTERWARDS, TURNS, RealServer, hanging_at, interrupted, texts, turn, turns, workspace

RESUME, DISCARD, LATER = {"title": "Resume"}, {"title": "Discard"}, {"title": "Later"}


@requirement("lsp:resume", "lsp:kept-events")
def test_a_run_whose_server_was_killed_is_offered_and_goes_on_without_asking_a_model_twice(root: Path) -> None:
    with FakeOpenAI(hanging_at(2)) as model:
        workspace(root, model)
        with RealServer(root) as server:
            run = server.begin("Do\n  it all.")
            model.wait_for(lambda model: model.calls == 3, 60)
            server.wait(lambda message: message.get("params", {}).get("text", "").startswith("Let me"))
            kept = server.request("vespiary/run/events", {"runId": run})["events"]
            server.kill()
        assert (root / "a.txt").read_text(encoding="utf-8") == "HELLO\nworld\n"

        with RealServer(root, RESUME, window={"workDoneProgress": True}) as server:
            end = server.finished(run)
            assert (end["outcome"], end["text"]) == ("done", "All is done.")
            (question,) = server.asked()
            assert question["message"].startswith("coder was interrupted: Do it all. (begun 20")
            assert "2 model calls, 2 files changed" in question["message"]
            assert [action["title"] for action in question["actions"]] == ["Resume", "Discard", "Later"]
            after = server.events(run)
            assert after[0]["kind"] == "run.resumed"
            assert [event["seq"] for event in after] == list(range(after[0]["seq"], after[0]["seq"] + len(after)))
            assert after[0]["seq"] > kept[-1]["seq"]
            progress = [m["params"]["value"]["kind"] for m in server.seen if m.get("method") == "$/progress"]
            assert (progress[0], progress[-1]) == ("begin", "end")
            assert server.told("window/showMessage")["message"] == "coder: All is done."
            page = server.request("vespiary/run/events", {"runId": run})
            assert not page["more"]
            assert page["events"][: len(kept)] == kept
            kinds = [event["kind"] for event in page["events"]]
            assert (kinds[0], kinds.count("run.resumed"), kinds[-1]) == ("run.started", 1, "run.finished")
            assert page["events"][-1] == end
            assert server.request("vespiary/run/get", {"runId": run})["files"] == end["files"]
            assert server.request("vespiary/run/interrupted") == {"runs": []}
            assert server.shutdown() == 0
        assert turns(model) == [0, 1, 2, 2, 3]  # only what was never answered is asked for once more
    assert texts(root) == AFTERWARDS


@requirement("lsp:shutdown", "lsp:resume")
def test_shutting_down_interrupts_the_runs_which_can_be_resumed_by_a_command(root: Path) -> None:
    with FakeOpenAI(hanging_at(1)) as model:
        workspace(root, model)
        with RealServer(root) as server:
            run = server.begin("Do it all.")
            model.wait_for(lambda model: model.calls == 2, 60)
            assert server.shutdown() == 0
            assert server.finished(run)["outcome"] == "interrupted"
        with RealServer(root, LATER) as server:
            (info,) = server.request("vespiary/run/interrupted")["runs"]
            assert (info["runId"], info["outcome"]) == (run, "interrupted")
            assert info["usage"]["calls"] in (1, 2)  # one that was broken off counts, too
            assert info["files"] == [{"path": "one.txt", "change": "created"}]
            assert server.request("vespiary/run/get", {"runId": run}) == info
            assert server.command("vespiary.resumeRun", {"wait": True})["outcome"] == "done"
            error = server.error("vespiary/run/resume", {"runId": run})
            assert error["data"]["code"] == "run.not-interrupted"
            assert server.shutdown() == 0
        assert turns(model) == [0, 1, 1, 2, 3]


@requirement("lsp:resume")
def test_a_run_that_is_discarded_is_offered_no_more(root: Path) -> None:
    interrupted(root, run000000001="First.", run000000002="Second.")
    with RealServer(root, DISCARD) as server:
        server.wait(lambda _: len(server.asked()) == 2)
        assert ["Second." in question["message"] for question in server.asked()] == [True, False]
        assert all("nothing done yet" in question["message"] for question in server.asked())
        info = {"outcome": "running"}
        while info["outcome"] in ("running", "interrupted"):  # the answer is on its way
            info = server.request("vespiary/run/get", {"runId": "run000000001"})
        assert (info["outcome"], info["problem"]["code"]) == ("cancelled", "run.discarded")
        assert server.error("vespiary/run/discard", {"runId": "run000000001"})["data"]["code"] == "run.not-interrupted"
        assert server.shutdown() == 0
    with RealServer(root, DISCARD) as server:
        assert server.request("vespiary/run/interrupted") == {"runs": []}
        assert server.shutdown() == 0
        assert server.asked() == []


@requirement("lsp:offer-refused")
@pytest.mark.parametrize(
    "answer",
    [None, LATER, {"title": "Explode"}, {"title": ["Resume"]}, "Resume", [RESUME], 7, {}, RuntimeError("not here")],
    ids=repr,
)
def test_whatever_was_not_offered_changes_nothing(root: Path, answer: Any) -> None:
    interrupted(root, run000000001="First.", run000000002="Second.")
    with RealServer(root, answer) as server:
        server.told("window/showMessageRequest")
        runs = server.request("vespiary/run/interrupted")["runs"]
        assert [info["prompt"] for info in runs] == ["First.", "Second."]
        assert server.shutdown() == 0
        assert len(server.asked()) == 1  # it asks no more for now
        assert b"Traceback" not in server.log


@requirement("lsp:offer-refused")
def test_a_person_who_never_answers_holds_up_nothing(root: Path) -> None:
    interrupted(root, run000000001="First.")
    with FakeOpenAI(lambda asked: TURNS[turn(asked)]) as model:
        workspace(root, model)
        with RealServer(root) as server:
            server.told("window/showMessageRequest")
            assert server.finished(server.begin("Do it all."))["outcome"] == "done"
            assert server.shutdown() == 0
            assert b"Traceback" not in server.log


@requirement("lsp:offer-refused")
def test_a_client_that_dies_while_it_is_asked_leaves_the_run_as_it_is(root: Path) -> None:
    interrupted(root, run000000001="First.")
    with RealServer(root) as server:
        server.told("window/showMessageRequest")
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(30) == 1
        assert b"Traceback" not in server.log
    with RealServer(root) as server:
        server.told("window/showMessageRequest")
        assert len(server.request("vespiary/run/interrupted")["runs"]) == 1


@requirement("lsp:resume")
def test_a_run_whose_beginning_cannot_be_understood_is_told_and_can_be_discarded(root: Path) -> None:
    interrupted(root, run000000001="First.")  # without a header
    with RealServer(root, RESUME) as server:
        assert "cannot be understood" in server.told("window/showMessage")["message"]
        assert server.command("vespiary.discardRun", "run000000001")["outcome"] == "cancelled"
        assert server.shutdown() == 0


@requirement("lsp:no-journal")
def test_where_nothing_was_kept_there_are_answers_and_no_journal_is_made(root: Path) -> None:
    with RealServer(root) as server:
        assert server.request("vespiary/run/interrupted") == {"runs": []}
        assert server.request("vespiary/session/list") == {"sessions": []}
        for method, params, code in (
            ("run/events", {"runId": "nothing"}, "run.unknown"),
            ("run/get", {"runId": "nothing"}, "run.unknown"),
            ("run/resume", {"runId": "nothing"}, "run.not-interrupted"),
            ("run/discard", {"runId": "nothing"}, "run.not-interrupted"),
            ("run/start", {"prompt": "x", "session": "nothing"}, "session.unknown"),
            ("session/get", {"sessionId": "nothing"}, "session.unknown"),
            ("session/fork", {"sessionId": "nothing"}, "session.unknown"),
            ("session/delete", {"sessionId": "nothing"}, "session.unknown"),
        ):
            error = server.error(f"vespiary/{method}", params)
            assert (error["code"], error["data"]["code"]) == (-32602, code), method
        assert server.error("vespiary/run/events", {"runId": "x", "limit": 0})["data"]["code"] == "params.invalid"
        assert server.shutdown() == 0
        assert server.asked() == []
    assert not (root / ".vespiary").exists()


@requirement("lsp:kept-events")
def test_events_are_read_again_in_pages(root: Path) -> None:
    with FakeOpenAI(lambda asked: TURNS[turn(asked)]) as model:
        workspace(root, model)
        with RealServer(root) as server:
            run = server.begin("Do it all.")
            server.finished(run)
            told = server.events(run)
            whole = server.command("vespiary.getEvents", run)["events"]
            pages: list[Any] = []
            more = True
            while more:
                after = pages[-1]["seq"] if pages else 0
                page = server.request("vespiary/run/events", {"runId": run, "after": after, "limit": 3})
                assert len(page["events"]) <= 3
                pages += page["events"]
                more = page["more"]
            assert pages == whole
    assert text_of(whole) == text_of(told)
    assert [each for each in whole if "delta" not in each["kind"]] == [e for e in told if "delta" not in e["kind"]]


def text_of(events: list[Any]) -> str:
    return "".join(event["text"] for event in events if event["kind"] == "text.delta")
