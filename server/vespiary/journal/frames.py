"""Entries as the bytes of a frame, and back.

A frame holds consecutive entries of one run. Its first byte says whether the rest is compressed. Knows nothing of SQLite.
"""

import zlib
from collections.abc import Sequence
from typing import Any, cast

import ormsgpack

from vespiary.journal.errors import JournalError

ENTRIES = 256
"""A frame holds at most so many: reading one entry unpacks its frame."""

_PLAIN, _DEFLATED = b"\0", b"\1"
_LENGTH = 8
"""Bytes that say how long a compressed frame was."""
_COMPRESS_FROM = 16 * 1024
_LEVEL = 1


def pack(value: Any) -> bytes:
    """Plain data as bytes. Texts with lone surrogates, which have no UTF-8, get replacement characters instead.

    Raises `JournalError` for what is no plain data.
    """
    try:
        return ormsgpack.packb(value)
    except (TypeError, ValueError):
        pass
    try:
        return ormsgpack.packb(_writable(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise JournalError(f"This cannot be kept in the journal: {error}.", code="journal.entry") from error


def unpack(data: bytes) -> Any:
    """What `pack` was given; tuples are lists. Raises `ValueError` for other bytes."""
    return ormsgpack.unpackb(data)


def encode(entries: Sequence[Any]) -> bytes:
    """The bytes of a frame."""
    data = pack(entries)
    if len(data) >= _COMPRESS_FROM:
        smaller = zlib.compress(data, _LEVEL)
        if len(smaller) < len(data) * 0.9:
            return _DEFLATED + len(data).to_bytes(_LENGTH, "big") + smaller
    return _PLAIN + data


def unpacked_size(data: bytes) -> int:
    """How many bytes a frame has when it is not compressed."""
    return int.from_bytes(data[1 : 1 + _LENGTH], "big") if data[:1] == _DEFLATED else len(data)


def decode(data: bytes) -> list[Any]:
    """The entries of a frame whose seal was found right. Raises `ValueError` for other bytes."""
    view = memoryview(data)
    if data[:1] == _DEFLATED:
        try:
            return ormsgpack.unpackb(zlib.decompress(view[1 + _LENGTH :], bufsize=max(1, unpacked_size(data))))
        except zlib.error as error:
            raise ValueError(str(error)) from error
    return ormsgpack.unpackb(view[1:])


def shrink(data: bytes) -> bytes:
    """Bytes of any kind, compressed if that helps."""
    smaller = zlib.compress(data, _LEVEL) if len(data) >= 512 else data
    return _DEFLATED + smaller if len(smaller) < len(data) * 0.9 else _PLAIN + data


def grow(data: bytes) -> bytes:
    """What `shrink` was given. Raises `ValueError` for other bytes."""
    try:
        return zlib.decompress(data[1:]) if data[:1] == _DEFLATED else data[1:]
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        # Halves that belong together become one character again.
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        return {_writable(key): _writable(each) for key, each in pairs}
    if isinstance(value, list | tuple):
        return [_writable(each) for each in cast("list[Any]", value)]
    return value
