"""Edits over the wire: what is sent, and what is believed of the answers."""

from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.rawlsp import SILENT, RawServer

VERSIONED = {"workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}}}


class Editor:
    """Answers `workspace/applyEdit` as told: `then` gets the server and the params, and gives the answer."""

    def __init__(self, then: Any) -> None:
        self.then = then
        self.server: RawServer | None = None
        self.asked: list[Any] = []

    def __call__(self, method: str, params: Any) -> Any:
        if method != "workspace/applyEdit":
            return None
        self.asked.append(params)
        return self.then(self.server, params)


def talk(root: Path, then: Any, *program: list[str], text: str = "hello\nworld\n", **more: Any) -> tuple[Any, Editor]:
    """Open a.txt, run the program; gives the last event and what the editor was asked."""
    editor = Editor(then)
    with RawServer(answer=editor) as server:
        editor.server = server
        server.initialize(root, **({"capabilities": VERSIONED} | more))
        server.open((root / "a.txt").as_uri(), text, version=7)
        return server.finished(server.run(*program)), editor


def becomes(text: str, answer: Any) -> Any:
    """An editor whose document reads `text` afterwards, whatever it was asked."""

    def then(server: RawServer, params: Any) -> Any:
        change = params["edit"]["documentChanges"][0]
        server.change(change["textDocument"]["uri"], text, 8)
        return answer

    return then


@requirement("lsp:edit-in-buffer")
def test_an_edit_is_for_the_version_that_was_read_in_the_negotiated_encoding(root: Path) -> None:
    finished, editor = talk(
        root, becomes("🐝 HELLO\n", {"applied": True}), ["replace", "a.txt", "hello", "HELLO"], text="🐝 hello\n"
    )
    assert finished["text"] == "applied: "
    (asked,) = editor.asked
    (change,) = asked["edit"]["documentChanges"]
    assert asked["label"] == "coder: a.txt"
    assert change["textDocument"] == {"uri": (root / "a.txt").as_uri(), "version": 7}
    assert change["edits"][0]["range"]["start"] == {"line": 0, "character": 3}
    assert set(asked) == {"label", "edit"}, "nothing that the client did not advertise"
    assert (root / "a.txt").read_bytes() == b"hello\nworld\n"


@requirement("lsp:edit-in-buffer")
def test_a_client_without_versions_gets_plain_changes(root: Path) -> None:
    def then(server: RawServer, params: Any) -> Any:
        (uri,) = params["edit"]["changes"]
        server.change(uri, "HELLO\nworld\n", 8)
        return {"applied": True}

    capabilities = {"workspace": {"applyEdit": True}}
    finished, _ = talk(root, then, ["replace", "a.txt", "hello", "HELLO"], capabilities=capabilities)
    assert finished["text"] == "applied: "


def answers(answer: Any) -> Any:
    """An editor that changes nothing and says this."""

    def then(server: RawServer, params: Any) -> Any:
        return answer

    return then


VERDICTS: list[tuple[Any, str, str]] = [
    (becomes("HELLO\nworld\n", {"applied": False}), "applied", ""),
    (becomes("HELLO\nworld\n", ValueError("lost")), "applied", ""),
    (becomes("HELLO\r\nworld", {"applied": True}), "applied", ""),
    (becomes("typed hello\nworld\n", {"applied": True}), "stale", "at the same moment"),
    (becomes("typed hello\nworld\n", {"applied": False}), "stale", "at the same moment"),
    (answers({"applied": False, "failureReason": "read-only"}), "refused", "read-only"),
    (answers(ValueError("stale version")), "refused", "stale version"),
    (answers(None), "refused", "refused the change"),
    (answers({"applied": True}), "refused", "as before"),
]


@requirement("lsp:confirmed")
@pytest.mark.parametrize(("then", "state", "why"), VERDICTS)
def test_what_the_document_says_counts_and_not_what_the_client_says(
    root: Path, then: Any, state: str, why: str
) -> None:
    finished, _ = talk(root, then, ["replace", "a.txt", "hello", "HELLO"])
    said, _, reason = finished["text"].partition(": ")
    assert said == state
    assert why in reason


@requirement("lsp:confirmed")
def test_a_document_that_is_closed_meanwhile_was_not_edited(root: Path) -> None:
    def then(server: RawServer, params: Any) -> Any:
        server.notify("textDocument/didClose", {"textDocument": {"uri": (root / "a.txt").as_uri()}})
        return {"applied": True}

    finished, _ = talk(root, then, ["replace", "a.txt", "hello", "HELLO"])
    assert finished["text"] == "refused: The document was closed in the editor."


@requirement("lsp:confirmed")
def test_cancelling_a_run_does_not_wait_for_an_editor_that_hangs(root: Path) -> None:
    with RawServer(answer=lambda method, params: SILENT) as server:
        server.initialize(root, capabilities=VERSIONED)
        server.open((root / "a.txt").as_uri(), "hello\n")
        run = server.run(["replace", "a.txt", "hello", "HELLO"])
        server.told("workspace/applyEdit")
        server.request("vespiary/run/cancel", {"runId": run})
        finished = server.finished(run)
        started = server.events(run)[0]
        assert finished["outcome"] == "cancelled"
        assert finished["time"] - started["time"] < 5
        assert server.shutdown() == 0


@requirement("lsp:confirmed")
def test_an_edit_that_happens_while_its_run_is_cancelled_is_still_counted(root: Path) -> None:
    with RawServer(answer=lambda method, params: SILENT) as server:
        server.initialize(root, capabilities=VERSIONED)
        server.open((root / "a.txt").as_uri(), "hello\n")
        run = server.run(["replace", "a.txt", "hello", "HELLO"], ["hang"])
        server.told("workspace/applyEdit")
        server.ask("vespiary/run/cancel", {"runId": run})
        server.change((root / "a.txt").as_uri(), "HELLO\n", 2)
        finished = server.finished(run)
        assert finished["outcome"] == "cancelled"
        assert finished["files"] == [{"path": "a.txt", "change": "modified"}]


@requirement("lsp:unopened-file")
def test_a_client_that_cannot_edit_has_its_saved_documents_changed_on_disk(root: Path) -> None:
    finished, editor = talk(root, None, ["replace", "a.txt", "hello", "HELLO"], capabilities={})
    assert finished["text"] == "applied: "
    assert (root / "a.txt").read_bytes() == b"HELLO\nworld\n"
    assert editor.asked == []


@requirement("lsp:open-file-operations")
@pytest.mark.parametrize(
    "step", [["delete", "a.txt"], ["rename", "a.txt", "b.txt"], ["replace", "a.txt", "typed", "x"]]
)
def test_what_is_unsaved_is_not_lost_when_the_editor_cannot_do_it(root: Path, step: list[str]) -> None:
    finished, _ = talk(root, None, step, text="typed\n", capabilities={})
    assert finished["text"].startswith("refused: ")
    assert "unsaved" in finished["text"]
    assert (root / "a.txt").read_bytes() == b"hello\nworld\n"


@requirement("lsp:open-file-operations")
def test_nothing_is_put_where_a_document_is_open(root: Path) -> None:
    (root / "b.txt").write_text("b", encoding="utf-8", newline="")
    (root / "a.txt").unlink()
    finished, _ = talk(root, None, ["create", "a.txt", "x"], ["rename", "b.txt", "a.txt"], text="new\n")
    assert [line.partition(":")[0] for line in finished["text"].split("\n")] == ["refused", "refused"]
    assert (root / "b.txt").exists()
    assert not (root / "a.txt").exists()


@requirement("lsp:unsaved-buffer")
def test_a_document_is_read_from_the_editor_until_it_is_closed(root: Path) -> None:
    uri = (root / "a.txt").as_uri().replace("/a.txt", "/%61.txt")
    with RawServer() as server:
        server.initialize(root)
        server.open(uri, "typed\n")
        assert server.finished(server.run(["read", "a.txt"]))["text"] == "typed\n"
        server.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert server.finished(server.run(["read", "a.txt"]))["text"] == "hello\nworld\n"
