"""The editor behind the language server, as the port that capabilities use.

What is open is read from the synchronised documents and changed through `workspace/applyEdit`, so that the change lands in the
editor's own undo, as one step. What is not open is changed on disk, atomically: an editor that edits a file it has not opened may
keep it as an unsaved hidden buffer that it tells nobody about (Neovim does), and neither agents nor commands would see the change.
Deleting and renaming an open document is the editor's work if it says that it can, and the disk's otherwise.

The client's word is never taken for a change: editors answer `applied: true` for edits that they dropped (Neovim, for a stale
version). A change has happened when the document reads as expected. Every wait is bounded; knows nothing of agents or runs.
"""

import logging
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread

from vespiary.capabilities.ports import Buffer
from vespiary.capabilities.texts import MAX_BYTES
from vespiary.changes.diff import EditsInvalid, apply_edits
from vespiary.changes.lines import LineIndex
from vespiary.fronts.lsp.confirm import Confirmation
from vespiary.fronts.lsp.places import Places
from vespiary.model.edits import (
    ApplyResult,
    ApplyState,
    CreateFile,
    DeleteFile,
    FileChange,
    RenameFile,
    ReplaceText,
    content_hash,
)
from vespiary.model.errors import VespiaryError

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core import Document, Documents

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Client(Protocol):
    """What is needed of the connection."""

    @property
    def documents(self) -> "Documents":
        """The open documents."""
        ...

    async def request(self, method: str, params: Any) -> Any:
        """Ask the client."""
        ...


class Disk(Protocol):
    """Who changes files that are not open."""

    async def apply(self, change: FileChange, label: str) -> ApplyResult:
        """Apply a change on disk."""
        ...


class LspEditor:
    """Implements `EditorPort`. `capabilities` is what the client said of itself, as plain data; `name` is its name."""

    def __init__(self, client: Client, places: Places, disk: Disk, capabilities: Json, name: str | None = None) -> None:
        self._client = client
        self._documents = client.documents
        self._places = places
        self._disk = disk
        workspace = _object(capabilities, "workspace")
        edits = _object(workspace, "workspaceEdit")
        self._can_apply = workspace.get("applyEdit") is True
        said: Any = edits.get("resourceOperations")
        self._operations = frozenset(name for name in FILE_OPERATIONS if isinstance(said, list) and name in said)
        # File operations exist only within `documentChanges`: who has them reads that, whether it says so or not (Neovim does not).
        self._versioned = edits.get("documentChanges") is True or bool(self._operations)
        # Neovim gives a document the version 0 until it changes, and takes an edit of version 0 for one of any version: it would
        # apply it to whatever the person has typed since. Version 1 is older than every changed document and newer than that.
        self._least_version = 1 if name == "Neovim" else 0
        self._by_path: dict[str, Document] = {}
        self._saved: dict[str, int | None] = {}
        """The version of each document that is known to be on disk; none where no version is."""
        self._locks: dict[str, tuple[anyio.Lock, int]] = {}
        self._documents.on_open.append(self._opened)
        self._documents.on_close.append(self._closed)
        for document in self._documents:
            self._opened(document)

    # Reading

    def buffer(self, path: str) -> Buffer | None:
        """The open document at `path`; none if it is not open."""
        document = self._by_path.get(path)
        if document is None:
            return None
        if path not in self._saved:
            # Editors open documents with what was unsaved when they were closed, so opening proves nothing.
            same = _reads(self._places.root / path, document.text)
            self._saved[path] = document.version if same else None
        return Buffer(document.text, document.version != self._saved[path])

    def buffers(self) -> Iterable[str]:
        """The paths of all open documents within the workspace."""
        return tuple(self._by_path)

    def saved(self, uri: str) -> None:
        """The client wrote a document to disk."""
        document = self._documents.get(uri)
        path = self._places.relative(uri)
        if document is not None and path is not None:
            self._saved[path] = document.version

    def _opened(self, document: "Document") -> None:
        path = self._places.relative(document.uri)
        if path is not None:
            self._by_path[path] = document
            self._saved.pop(path, None)

    def _closed(self, document: "Document") -> None:
        path = self._places.relative(document.uri)
        if path is not None and self._by_path.get(path) is document:
            del self._by_path[path]
            self._saved.pop(path, None)

    # Changing

    async def apply(self, change: FileChange, label: str) -> ApplyResult:
        """Apply a change as one undo step named `label`. Changes of one file wait for one another."""
        lock, users = self._locks.get(change.path, (anyio.Lock(), 0))
        self._locks[change.path] = lock, users + 1
        try:
            async with lock:
                return await self._apply(change, label)
        finally:
            users = self._locks[change.path][1] - 1
            if users:
                self._locks[change.path] = lock, users
            else:
                del self._locks[change.path]

    async def _apply(self, change: FileChange, label: str) -> ApplyResult:
        document = self._by_path.get(change.path)
        if isinstance(change, CreateFile):
            if document is not None:
                return _refused(f"{change.path!r} is open in the editor already, though not on disk.")
            return await self._disk.apply(change, label)
        if isinstance(change, RenameFile) and change.to in self._by_path:
            return _refused(f"{change.to!r} is open in the editor already.")
        if document is None:
            return await self._disk.apply(change, label)
        if document.hash != change.base:
            return _stale(f"{change.path!r} has changed in the editor.")
        match change:
            case ReplaceText():
                if self._can_apply:
                    return await self._replace(document, change, label)
            case DeleteFile():
                if self._can_apply and "delete" in self._operations:
                    operation: Json = {"kind": "delete", "uri": document.uri}
                    return await self._operate(operation, label, lambda: _gone(self._places.root / change.path))
            case RenameFile():
                if self._can_apply and "rename" in self._operations:
                    operation = {"kind": "rename", "oldUri": document.uri, "newUri": self._places.uri(change.to)}
                    source, target = self._places.root / change.path, self._places.root / change.to
                    await anyio.Path(target.parent).mkdir(parents=True, exist_ok=True)
                    return await self._operate(operation, label, lambda: _gone(source) and target.exists())
        return await self._beside(change, label)

    async def _beside(self, change: DeleteFile | RenameFile | ReplaceText, label: str) -> ApplyResult:
        """Change the file of an open document on disk: sound as long as the editor holds nothing that the file does not."""
        result = await self._disk.apply(change, label)
        if result.state is ApplyState.STALE:
            return _refused(
                f"{change.path!r} has unsaved changes, and this editor cannot do it. It has to be saved first."
            )
        return result

    async def _replace(self, document: "Document", change: ReplaceText, label: str) -> ApplyResult:
        text = document.text
        try:
            expected = apply_edits(text, change.edits)
        except EditsInvalid as error:
            return _refused(str(error))
        if content_hash(expected) != change.after:
            return _refused(f"The edits to {change.path!r} do not give the text that they promise.")
        if expected == text:
            return ApplyResult(ApplyState.APPLIED)
        edits = _wire_edits(LineIndex(text), change, document)
        edit: Json
        if self._versioned:
            identifier = {"uri": document.uri, "version": max(document.version, self._least_version)}
            edit = {"documentChanges": [{"textDocument": identifier, "edits": edits}]}
        else:
            edit = {"changes": {document.uri: edits}}
        confirmation = Confirmation(self._documents, document, expected)
        return await confirmation.watch(self._ask(edit, label))

    def _ask(self, edit: Json, label: str) -> Callable[[], Awaitable[Any]]:
        params = {"label": label, "edit": edit}
        return lambda: self._client.request("workspace/applyEdit", params)

    async def _operate(self, operation: Json, label: str, done: Callable[[], bool]) -> ApplyResult:
        """A file operation by the editor, confirmed by the disk."""
        reason: str | None = None
        with anyio.move_on_after(REPLY_SECONDS):
            try:
                reply: Any = await self._ask({"documentChanges": [operation]}, label)()
                reason = _object({"reply": reply}, "reply").get("failureReason")
            except VespiaryError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - an error answer of the client, whose class belongs to the transport
                reason = str(error)
        with anyio.move_on_after(FILE_SECONDS):
            # Editors do file operations in the background, and tell nobody when they are done.
            while not await anyio.to_thread.run_sync(done):  # noqa: ASYNC110
                await anyio.sleep(0.02)
            return ApplyResult(ApplyState.APPLIED)
        said = f": {reason}" if isinstance(reason, str) and reason else "."
        return _refused(f"The editor did not {operation['kind']} the file{said}")


FILE_OPERATIONS = ("create", "delete", "rename")
"""What editors may say that they can do."""
REPLY_SECONDS = 20.0
"""How long the client may take to answer `workspace/applyEdit`."""
FILE_SECONDS = 2.0
"""How long a file operation may take after the client's answer."""


def _wire_edits(lines: LineIndex, change: ReplaceText, document: "Document") -> list[Json]:
    def position(offset: int) -> Json:
        line, character = lines.position(offset, document.encoding)
        return {"line": line, "character": character}

    return [
        {"range": {"start": position(edit.start), "end": position(edit.end)}, "newText": edit.text}
        for edit in change.edits
    ]


def _reads(path: Path, text: str) -> bool:
    """Whether a file holds just this text, as editors read it: some show the byte order mark, some know one line ending."""
    try:
        # Reading what is no regular file (a pipe) could wait for ever.
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return False
        held = path.read_bytes().removeprefix(BOM_UTF8).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    text = text.removeprefix("\ufeff")
    return held == text or ("\r" not in text and held.replace("\r\n", "\n") == text)


def _gone(path: Path) -> bool:
    return not path.exists()


def _object(values: Json, key: str) -> Json:
    value = values.get(key)
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _stale(reason: str) -> ApplyResult:
    return ApplyResult(ApplyState.STALE, reason)


def _refused(reason: str) -> ApplyResult:
    return ApplyResult(ApplyState.REFUSED, reason)
