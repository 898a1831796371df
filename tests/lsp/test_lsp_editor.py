"""The editor port in one process: real documents, and a client that is a few lines."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from ledger import requirement
from vespiary.app.disk import DiskEditor
from vespiary.fronts.lsp.core import Documents
from vespiary.fronts.lsp.editor import LspEditor
from vespiary.fronts.lsp.places import Places
from vespiary.model.edits import (
    ApplyResult,
    ApplyState,
    DeleteFile,
    RenameFile,
    ReplaceText,
    TextEdit,
    content_hash,
)

pytestmark = pytest.mark.anyio

ABLE: dict[str, Any] = {
    "workspace": {
        "applyEdit": True,
        "workspaceEdit": {"documentChanges": True, "resourceOperations": ["create", "rename", "delete"]},
    }
}


class Client:
    """A connection to an editor that does what `then` does."""

    def __init__(self, root: Path, capabilities: dict[str, Any] = ABLE, name: str | None = None) -> None:
        self.documents = Documents()
        self.documents.encoding = "utf-32"
        self.asked: list[Any] = []
        self.then: Callable[[Any], Awaitable[Any]] | None = None
        self.places = Places(root)
        self.editor = LspEditor(self, self.places, DiskEditor(root), capabilities, name)

    async def request(self, method: str, params: Any) -> Any:
        self.asked.append(params["edit"])
        assert self.then is not None
        return await self.then(params["edit"])

    def open(self, path: str, text: str, version: int = 1) -> None:
        item = {"uri": self.places.uri(path), "languageId": "x", "version": version, "text": text}
        self.documents.did_open({"textDocument": item})

    def change(self, path: str, text: str) -> None:
        document = self.documents.get(self.places.uri(path))
        assert document is not None
        identifier = {"uri": document.uri, "version": document.version + 1}
        self.documents.did_change({"textDocument": identifier, "contentChanges": [{"text": text}]})

    async def obey(self, edit: Any) -> Any:
        """Apply the edits, as an editor would."""
        for change in edit["documentChanges"]:
            document = self.documents.get(change["textDocument"]["uri"])
            assert document is not None
            text = document.text
            for one in reversed(change["edits"]):
                start, end = (document.offset_at(*one["range"][at].values()) for at in ("start", "end"))
                text = text[:start] + one["newText"] + text[end:]
            path = self.places.relative(document.uri)
            assert path is not None
            self.change(path, text)
        return {"applied": True}


def replacement(path: str, text: str, old: str, new: str) -> ReplaceText:
    at = text.index(old)
    edit = TextEdit(at, at + len(old), new)
    return ReplaceText(path, content_hash(text), (edit,), content_hash(text.replace(old, new, 1)))


@requirement("lsp:unsaved-buffer")
async def test_a_buffer_is_modified_from_a_change_until_it_is_saved(root: Path) -> None:
    client = Client(root)
    assert client.editor.buffer("a.txt") is None
    client.open("a.txt", "hello\nworld\n")
    assert list(client.editor.buffers()) == ["a.txt"]
    assert seen(client, "a.txt") == ("hello\nworld\n", False)
    client.change("a.txt", "typed\n")
    assert seen(client, "a.txt") == ("typed\n", True)
    client.editor.saved(client.places.uri("a.txt"))
    assert seen(client, "a.txt") == ("typed\n", False)


@requirement("lsp:unsaved-buffer")
@pytest.mark.parametrize(
    ("data", "text", "modified"),
    [
        (b"hello\n", "hello\n", False),
        (b"\xef\xbb\xbfhello\r\n", "hello\r\n", False),
        (b"\xef\xbb\xbfhello\n", "\ufeffhello\n", False),  # an editor that shows the mark
        (b"hello\r\nworld\r\n", "hello\nworld\n", False),  # an editor with one line ending inside: Emacs
        (b"hello\nworld\n", "hello\r\nworld\r\n", True),
        (b"hello\n", "restored\n", True),
        (b"\xff", "x", True),
        (None, "new\n", True),
    ],
)
async def test_a_document_may_be_unsaved_when_it_is_opened(
    root: Path, data: bytes | None, text: str, modified: bool
) -> None:
    if data is not None:
        (root / "b.txt").write_bytes(data)
    client = Client(root)
    client.open("b.txt", text)
    assert seen(client, "b.txt") == (text, modified)
    assert seen(client, "b.txt") == (text, modified)


@requirement("lsp:unsaved-buffer")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
async def test_a_document_over_a_pipe_is_unsaved_and_holds_up_nobody(root: Path) -> None:
    os.mkfifo(root / "pipe")
    client = Client(root)
    client.open("pipe", "")
    assert seen(client, "pipe") == ("", True)


@requirement("lsp:confirmed")
async def test_a_document_that_is_closed_during_an_edit_is_not_waited_for(root: Path) -> None:
    client = Client(root)
    client.open("a.txt", "hello\nworld\n")

    async def close(edit: Any) -> Any:
        client.documents.did_close({"textDocument": {"uri": client.places.uri("a.txt")}})
        await anyio.sleep_forever()

    client.then = close
    with anyio.fail_after(10):
        result = await client.editor.apply(replacement("a.txt", "hello\nworld\n", "hello", "HELLO"), "x")
    assert (result.state, result.reason) == (ApplyState.REFUSED, "The document was closed in the editor.")


@requirement("lsp:places")
async def test_a_client_that_names_odd_file_operations_has_none_of_them(root: Path) -> None:
    able = {"applyEdit": True, "workspaceEdit": {"resourceOperations": [{"kind": "delete"}, 7]}}
    client = Client(root, {"workspace": able})
    client.open("a.txt", "hello\nworld\n")
    result = await client.editor.apply(DeleteFile("a.txt", content_hash("hello\nworld\n")), "x")
    assert (result.state, client.asked) == (ApplyState.APPLIED, [])


def seen(client: Client, path: str) -> tuple[str, bool]:
    buffer = client.editor.buffer(path)
    assert buffer is not None
    return buffer.text, buffer.modified


@requirement("lsp:unsaved-buffer")
async def test_documents_outside_the_workspace_are_nobodys_business(root: Path) -> None:
    client = Client(root)
    client.documents.did_open({"textDocument": {"uri": "untitled:a.txt", "version": 1, "text": "x"}})
    client.documents.did_open({"textDocument": {"uri": "file:///elsewhere/a.txt", "version": 1, "text": "x"}})
    assert list(client.editor.buffers()) == []


@requirement("lsp:stale-edit")
async def test_an_edit_against_another_text_never_reaches_the_editor(root: Path) -> None:
    client = Client(root)
    client.open("a.txt", "typed\n")
    result = await client.editor.apply(replacement("a.txt", "hello\n", "hello", "x"), "label")
    assert result.state is ApplyState.STALE
    assert client.asked == []


@requirement("lsp:stale-edit")
async def test_of_two_edits_of_one_text_at_once_the_second_is_stale(root: Path) -> None:
    client = Client(root)
    client.open("a.txt", "hello world\n")
    client.then = client.obey
    results: list[ApplyResult] = []

    async def apply(old: str, new: str) -> None:
        results.append(await client.editor.apply(replacement("a.txt", "hello world\n", old, new), "label"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(apply, "hello", "HELLO")
        tasks.start_soon(apply, "world", "WORLD")
    assert [result.state for result in results] == [ApplyState.APPLIED, ApplyState.STALE]
    assert client.documents.text(client.places.uri("a.txt")) == "HELLO world\n"


@requirement("lsp:confirmed")
async def test_an_edit_that_promises_another_text_than_it_gives_is_refused(root: Path) -> None:
    client = Client(root)
    client.open("a.txt", "hello\n")
    change = ReplaceText("a.txt", content_hash("hello\n"), (TextEdit(0, 5, "x"),), content_hash("y\n"))
    assert (await client.editor.apply(change, "label")).state is ApplyState.REFUSED
    assert client.asked == []


@requirement("lsp:confirmed")
async def test_hooks_are_gone_after_an_edit(root: Path) -> None:
    client = Client(root)
    client.open("a.txt", "hello\n")
    client.then = client.obey
    before = len(client.documents.on_change), len(client.documents.on_close)
    await client.editor.apply(replacement("a.txt", "hello\n", "hello", "x"), "label")
    assert (len(client.documents.on_change), len(client.documents.on_close)) == before
    assert client.editor._locks == {}


@requirement("lsp:stale-edit")
@pytest.mark.parametrize(("name", "version", "sent"), [("Neovim", 0, 1), ("Neovim", 5, 5), ("Emacs", 0, 0)])
async def test_neovim_never_gets_the_version_that_it_takes_for_any(
    root: Path, name: str, version: int, sent: int
) -> None:
    client = Client(root, name=name)
    client.open("a.txt", "hello\n", version)
    client.then = client.obey
    await client.editor.apply(replacement("a.txt", "hello\n", "hello", "x"), "label")
    assert client.asked[0]["documentChanges"][0]["textDocument"]["version"] == sent


@requirement("lsp:open-file-operations")
async def test_an_able_editor_renames_and_deletes_what_is_open(root: Path) -> None:
    client = Client(root)
    client.open("a.txt", "hello\nworld\n")

    async def operate(edit: Any) -> Any:
        (operation,) = edit["documentChanges"]
        if operation["kind"] == "rename":
            (root / "a.txt").rename(root / "deep" / "b.txt")
        else:
            (root / "deep" / "b.txt").unlink()
        return {"applied": True}

    client.then = operate
    base = content_hash("hello\nworld\n")
    assert (await client.editor.apply(RenameFile("a.txt", "deep/b.txt", base), "label")).state is ApplyState.APPLIED
    client.open("deep/b.txt", "hello\nworld\n")
    assert (await client.editor.apply(DeleteFile("deep/b.txt", base), "label")).state is ApplyState.APPLIED
    assert [edit["documentChanges"][0]["kind"] for edit in client.asked] == ["rename", "delete"]


@requirement("lsp:open-file-operations")
async def test_an_editor_that_only_says_that_it_deleted_is_not_believed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vespiary.fronts.lsp.editor.FILE_SECONDS", 0.1)
    client = Client(root)
    client.open("a.txt", "hello\nworld\n")

    async def lie(edit: Any) -> Any:
        return {"applied": True, "failureReason": "busy"}

    client.then = lie
    result = await client.editor.apply(DeleteFile("a.txt", content_hash("hello\nworld\n")), "label")
    assert result.state is ApplyState.REFUSED
    assert result.reason is not None
    assert "busy" in result.reason
    assert (root / "a.txt").exists()


@requirement("lsp:confirmed")
async def test_an_editor_that_never_answers_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vespiary.fronts.lsp.confirm.REPLY_SECONDS", 0.1)
    client = Client(root)
    client.open("a.txt", "hello\n")

    async def hang(edit: Any) -> Any:
        await anyio.sleep_forever()

    client.then = hang
    result = await client.editor.apply(replacement("a.txt", "hello\n", "hello", "x"), "label")
    assert result.state is ApplyState.REFUSED
    assert result.reason is not None
    assert "did not answer" in result.reason
