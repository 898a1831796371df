"""Bytes of a file to text and back.

Knows that text is UTF-8 and that a byte order mark belongs to the file, not to the text: it is taken off when a file is read and
put back when it is written, as editors do. Line endings are never touched.
"""

from vespiary.model.errors import RequestRefused

MAX_BYTES = 10 * 1024 * 1024
"""The largest text file that is read or written."""

_BOM = b"\xef\xbb\xbf"


def decode(data: bytes, path: str) -> tuple[str, bool]:
    """The text, and whether the file begins with a byte order mark. Raises `RequestRefused` with `workspace.binary`."""
    if b"\x00" in data:
        raise RequestRefused(
            f"{path!r} is a binary file.", code="workspace.binary", hint="Only text files can be used."
        )
    marked = data.startswith(_BOM)
    try:
        return (data[len(_BOM) :] if marked else data).decode("utf-8"), marked
    except UnicodeDecodeError as error:
        raise RequestRefused(
            f"{path!r} is not UTF-8 text: byte {error.start} is wrong.",
            code="workspace.binary",
            hint="Only text files in UTF-8 can be used.",
        ) from None


def encode(text: str, path: str, *, marked: bool = False) -> bytes:
    """The bytes of a text. Raises `RequestRefused` when it could not be read again: NUL characters, lone surrogates, too large."""
    if "\x00" in text:
        raise RequestRefused(f"The text for {path!r} holds a NUL character.", code="workspace.binary")
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        raise RequestRefused(f"The text for {path!r} holds half a surrogate pair.", code="workspace.binary") from None
    data = _BOM + data.removeprefix(_BOM) if marked else data
    if len(data) > MAX_BYTES:
        raise too_large(path, len(data))
    return data


def plain(text: str) -> str:
    """A text as it will be read back: without a byte order mark."""
    return text.removeprefix("\ufeff")


def too_large(path: str, size: int) -> RequestRefused:
    """The refusal of a file of `size` bytes."""
    return RequestRefused(
        f"{path!r} has {size:,} bytes; the limit is {MAX_BYTES:,}.",
        code="workspace.too-large",
        hint="Use a command to work on parts of it.",
    )
