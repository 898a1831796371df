"""The documents that are open in the editor, kept as lines that are spliced in place.

Typing one character costs the same in a small document and in a large one. Lines end where LSP says (`\\n`, `\\r\\n`, `\\r`) and
nowhere else. Knows LSP's document notifications as plain dicts; knows nothing of transport, files or agents. Used on the loop's
thread only.
"""

import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from vespiary.fronts.lsp.core.encoding import Encoding, to_points, to_units

_DRIVE = re.compile(r"file:///([A-Za-z]):")


def split(text: str) -> list[str]:
    """The lines with their ends. Never empty: after a final line end comes an empty line."""
    lines = io.StringIO(text, newline="").readlines()
    if not lines or lines[-1][-1] in "\r\n":
        lines.append("")
    return lines


def key_of(uri: str) -> str:
    """The same for two spellings of one URI: escapes and the case of a drive letter do not matter."""
    return _DRIVE.sub(lambda match: f"file:///{match[1].lower()}:", unquote(uri), count=1)


class Document:
    """One open document. `lines` is for reading: all but the last end with a line end."""

    __slots__ = ("_hash", "_text", "encoding", "language_id", "lines", "uri", "version")

    def __init__(self, uri: str, text: str, version: int, language_id: str, encoding: Encoding) -> None:
        self.uri = uri
        self.version = version
        self.language_id = language_id
        self.encoding: Encoding = encoding
        self.lines = split(text)
        self._text: str | None = text
        self._hash: str | None = None

    @property
    def text(self) -> str:
        """The whole text. Joined anew after a change, so prefer `lines` where a part will do."""
        if self._text is None:
            self._text = "".join(self.lines)
        return self._text

    @property
    def hash(self) -> str:
        """`content_hash` of the text."""
        if self._hash is None:
            from vespiary.model.edits import content_hash  # Its values cost milliseconds that the start does not need.

            self._hash = content_hash(self.text)
        return self._hash

    def line(self, number: int) -> str:
        """A line without its end; empty past the last one."""
        return self.lines[number].rstrip("\r\n") if 0 <= number < len(self.lines) else ""

    def offset_at(self, line: int, character: int) -> int:
        """The code points before a position of the client. Past the end is the end."""
        row, column = self._place(line, character)
        return sum(map(len, self.lines[:row])) + column

    def position_at(self, offset: int) -> tuple[int, int]:
        """The client's line and character of the code point at `offset`. Inside a line end is the end of the line."""
        for number, line in enumerate(self.lines):
            if offset < len(line) or number == len(self.lines) - 1:
                return number, to_units(line.rstrip("\r\n"), offset, self.encoding)
            offset -= len(line)
        raise AssertionError("a document has at least one line")

    def replace(self, text: str) -> None:
        """The whole text is another one."""
        self.lines = split(text)
        self._text = text
        self._hash = None

    def splice(self, start: tuple[int, int], end: tuple[int, int], text: str) -> None:
        """Replace what lies between two positions of the client."""
        first, left = self._place(*start)
        last, right = self._place(*end)
        if (last, right) < (first, left):
            first, left, last, right = last, right, first, left
        lines = self.lines
        new = lines[first][:left] + text + lines[last][right:]
        if left == 0 and first > 0 and new[:1] == "\n" and lines[first - 1].endswith("\r"):
            first -= 1  # The two characters have become one line end.
            new = lines[first] + new
        parts = io.StringIO(new, newline="").readlines()
        if last == len(lines) - 1 and (not parts or parts[-1][-1] in "\r\n"):
            parts.append("")
        lines[first : last + 1] = parts
        self._text = self._hash = None

    def _place(self, line: int, character: int) -> tuple[int, int]:
        if line >= len(self.lines):
            return len(self.lines) - 1, len(self.lines[-1])
        if line < 0:
            return 0, 0
        return line, to_points(self.lines[line].rstrip("\r\n"), character, self.encoding)


class Documents:
    """All open documents. The hooks are called after the fact, in order, on the loop's thread; they must not raise."""

    def __init__(self) -> None:
        self.encoding: Encoding = "utf-16"
        self.on_open: list[Callable[[Document], None]] = []
        self.on_change: list[Callable[[Document], None]] = []
        self.on_close: list[Callable[[Document], None]] = []
        self._open: dict[str, Document] = {}
        self._keys: dict[str, str] = {}

    def __iter__(self) -> Iterator[Document]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, uri: str) -> bool:
        return self.get(uri) is not None

    def get(self, uri: str) -> Document | None:
        """The open document, however its URI is spelt; none if it is not open."""
        return self._open.get(self._keys.get(uri) or key_of(uri))

    def text(self, uri: str) -> str | None:
        """The text of an open document; none if it is not open."""
        document = self.get(uri)
        return None if document is None else document.text

    def uris(self) -> list[str]:
        """The URIs of the open documents as the client spells them."""
        return [document.uri for document in self._open.values()]

    def did_open(self, params: Any) -> None:
        """`textDocument/didOpen`. Raises KeyError, TypeError or ValueError for params that are not what LSP says."""
        item = params["textDocument"]
        uri, text, version = item["uri"], item["text"], item["version"]
        if not isinstance(uri, str) or not isinstance(text, str) or not isinstance(version, int):
            raise TypeError("`uri` and `text` must be strings and `version` a number")
        document = Document(uri, text, version, str(item.get("languageId", "")), self.encoding)
        key = key_of(uri)
        self._open[key] = document
        self._keys[uri] = key
        self._tell(self.on_open, document)

    def did_change(self, params: Any) -> None:
        """`textDocument/didChange`. Raises as `did_open`; then the document is forgotten, since its text is no longer known."""
        identifier = params["textDocument"]
        document = self.get(identifier["uri"])
        if document is None:
            raise KeyError(f"{identifier['uri']} is not open")
        try:
            for change in params["contentChanges"]:
                text = change["text"]
                if not isinstance(text, str):
                    raise TypeError("`text` must be a string")
                where = change.get("range")
                if where is None:
                    document.replace(text)
                else:
                    document.splice(_position(where["start"]), _position(where["end"]), text)
            version = identifier.get("version")
            if isinstance(version, int):
                document.version = version
        except Exception:
            self._forget(document)
            raise
        self._tell(self.on_change, document)

    def did_close(self, params: Any) -> None:
        """`textDocument/didClose`. Closing what is not open is nothing."""
        document = self.get(params["textDocument"]["uri"])
        if document is not None:
            self._forget(document)

    def _forget(self, document: Document) -> None:
        key = key_of(document.uri)
        self._open.pop(key, None)
        self._keys = {uri: other for uri, other in self._keys.items() if other != key}
        self._tell(self.on_close, document)

    @staticmethod
    def _tell(hooks: list[Callable[[Document], None]], document: Document) -> None:
        for hook in hooks:
            hook(document)


def _position(value: Any) -> tuple[int, int]:
    line, character = value["line"], value["character"]
    if not isinstance(line, int) or not isinstance(character, int):
        raise TypeError("`line` and `character` must be whole numbers")
    return line, character
