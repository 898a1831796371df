"""Makes the objects in the snapshot of a component immortal: the builder's half of `vespiary_component/immortal.py`.

The guest leaves a list of its objects in memory, behind a mark. Here the count of references of each is set in the component's data
segments, and the list is emptied. Knows WebAssembly's binary format and the first fields of a Python object in 32 bits; imports
the standard library only, as `build.py` does.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator

MARK = b"vespiary: the objects of the snapshot"

_REFCOUNT = 5 << 28
"""What CPython 3.14 gives immortal objects in 32 bits, in the middle of the range that counts as immortal."""

_LIMIT = 1 << 30
_CUSTOM, _CORE_MODULE, _COMPONENT = 0, 1, 4
_DATA = 11
_MEMORY_SEGMENT = 0
_I32_CONST = 0x41
_END = 0x0B


class SnapshotError(Exception):
    """The component's memory is not what it is taken for."""


class Memory:
    """The linear memory that a component starts with, written in place within the bytes of the component.

    Zeros may be left out of the data; they read as zeros and cannot be written.
    """

    def __init__(self, content: bytearray) -> None:
        self._content = content
        self._segments = sorted(_segments(content))
        self._starts = [at for at, _, _ in self._segments]

    def _place(self, address: int) -> int | None:
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        start, place, length = self._segments[index]
        return place + address - start if address < start + length else None

    def word(self, address: int) -> int:
        """The word of 32 bits at an address."""
        return sum(
            self._content[place] << shift
            for at, shift in zip(range(address, address + 4), (0, 8, 16, 24), strict=True)
            if (place := self._place(at)) is not None
        )

    def set_byte(self, address: int, value: int) -> bool:
        """Write a byte. Gives false if it is none of the data."""
        place = self._place(address)
        if place is not None:
            self._content[place] = value
        return place is not None


def make_immortal(content: bytearray) -> int:
    """Change the component in place. Gives how many objects became immortal. Raises `SnapshotError`."""
    marks = {
        (int(found[1], 16), int(found[2], 16))
        for found in re.finditer(re.escape(MARK) + rb" ([0-9a-f]{8}) ([0-9a-f]{8})\0", content)
    }
    if len(marks) != 1:
        raise SnapshotError(f"{len(marks)} lists of objects were left in memory instead of one")
    ((at, count),) = marks
    memory = Memory(content)
    size, items = memory.word(at + 8), memory.word(at + 12)
    if size != count:
        raise SnapshotError(f"the list at {at} has {size} items instead of {count}")
    done = 0
    for item in range(items, items + 4 * count, 4):
        address = memory.word(item)
        if not 0 < memory.word(address) < _LIMIT or not memory.word(address + 4):
            raise SnapshotError(f"there is no object at {address}")
        done += memory.set_byte(address + 3, _REFCOUNT >> 24)
        for byte in range(4):
            memory.set_byte(item + byte, 0)
    for byte in range(at + 8, at + 20):
        memory.set_byte(byte, 0)
    return done


def _segments(content: bytearray) -> Iterator[tuple[int, int, int]]:
    """Address, place in the file, and length of the data of the one memory of the component."""
    for start, end in _modules(content, 0, len(content)):
        for kind, at, _ in _sections(content, start + 8, end):
            if kind != _DATA:
                continue
            count, at = _number(content, at)
            for _ in range(count):
                flags, at = _number(content, at)
                if flags != _MEMORY_SEGMENT or content[at] != _I32_CONST:
                    raise SnapshotError("a data segment has no fixed place")
                address, at = _number(content, at + 1)
                if content[at] != _END:
                    raise SnapshotError("a data segment has no fixed place")
                length, at = _number(content, at + 1)
                yield address, at, length
                at += length


def _modules(content: bytearray, start: int, end: int) -> Iterator[tuple[int, int]]:
    for kind, at, until in _sections(content, start + 8, end):
        if kind == _CORE_MODULE:
            yield at, until
        elif kind == _COMPONENT:
            yield from _modules(content, at, until)


def _sections(content: bytearray, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    while at < end:
        kind = content[at]
        length, at = _number(content, at + 1)
        yield kind, at, at + length
        at += length


def _number(content: bytearray, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number and where it ends. (Addresses below 2 GiB, which are signed, read the same but for the sign.)"""
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at
