"""The client as an editor: open documents with versions and an undo stack, and edits applied to them as LSP describes.

Positions are utf-32, so a character is a code point. Pure but for files that are not open; knows nothing of the connection.
"""

import io
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

Json = dict[str, Any]


class EditRefused(Exception):
    """An edit cannot be applied; nothing was changed. The text says why."""


@dataclass(slots=True)
class Buffer:
    """An open document. `undo` holds the former texts, newest last: one entry per change, whoever made it."""

    uri: str
    text: str
    version: int = 1
    undo: list[str] = field(default_factory=list[str])

    def set(self, text: str) -> None:
        """Replace the text as one undo step."""
        self.undo.append(self.text)
        self.text = text
        self.version += 1

    def undo_last(self) -> bool:
        """Take the last change back; false when there is none."""
        if not self.undo:
            return False
        self.text = self.undo.pop()
        self.version += 1
        return True


def path_of(uri: str) -> Path:
    """The file that a `file:` URI names, on this system."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise EditRefused(f"{uri} is not a file.")
    path = unquote(parts.path)
    if parts.netloc and parts.netloc != "localhost":
        path = f"//{parts.netloc}{path}"
    elif os.name == "nt" and len(path) > 2 and path[0] == "/" and path[2] == ":":
        path = path[1:]
    return Path(path)


def changed(text: str, edits: list[Json]) -> str:
    """The text after all edits, whose ranges are about the text before any of them."""
    lines = io.StringIO(text, newline="").readlines()
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))

    def offset(position: Json) -> int:
        line: int = position["line"]
        character: int = position["character"]
        if line >= len(lines):
            return len(text)
        return starts[line] + min(character, len(lines[line].rstrip("\r\n")))

    spans = [(offset(edit["range"]["start"]), offset(edit["range"]["end"]), edit["newText"]) for edit in edits]
    # Edits at one place keep the order in which they are listed; the sort is stable.
    spans.sort(key=lambda span: (span[0], span[1]))
    parts: list[str] = []
    at = 0
    for start, end, new in spans:
        if start < at or end < start:
            raise EditRefused("The edits overlap.")
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


def plan(edit: Json, buffers: dict[str, Buffer]) -> dict[str, str]:
    """What every document that a `WorkspaceEdit` names will read, by URI. Raises `EditRefused` when any part cannot be done."""
    result: dict[str, str] = {}
    unversioned: dict[str, list[Json]] = edit.get("changes") or {}
    changes: list[Json] = edit.get("documentChanges") or [
        {"textDocument": {"uri": uri, "version": None}, "edits": edits} for uri, edits in unversioned.items()
    ]
    for change in changes:
        if "kind" in change:
            raise EditRefused(f"This client does not {change['kind']} files.")
        uri, version = change["textDocument"]["uri"], change["textDocument"].get("version")
        buffer = buffers.get(uri)
        if version is not None and (buffer is None or buffer.version != version):
            now = f"at version {buffer.version}" if buffer is not None else "not open"
            raise EditRefused(f"The edit is for version {version} of {uri}, which is {now}.")
        before = result.get(uri)
        if before is None:
            before = buffer.text if buffer is not None else read(path_of(uri))
        result[uri] = changed(before, change["edits"])
    return result


def read(path: Path) -> str:
    """The text of a file, its line endings as they are. Raises `EditRefused`."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EditRefused(f"{path} cannot be read: {error}.") from error


def write(path: Path, text: str) -> None:
    """Replace a file at once or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
        if path.exists():
            Path(name).chmod(path.stat().st_mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
