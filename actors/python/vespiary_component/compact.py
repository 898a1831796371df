"""Fills the holes in the snapshot's memory, so that what an instance allocates lies together in fresh pages.

Each instance copies a page of the snapshot when it first writes to it. The allocators would put new objects into the free places
that the build left all over the heap, and an actor of a few hundred objects would own hundreds of pages. Knows CPython's allocator
for small objects (up to 512 bytes, in steps of 8 in WebAssembly) and takes the rest as the C library's.
"""

import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

_BYTES_HEAD = 17
"""Bytes of a bytes object before its content and with its final zero."""

_SMALL = 512
_STEP = 8
_PROBE = 1 << 20
_PROBES = 4
"""So many blocks of this size in a row are not in a hole."""


_fillers: list[Any] = []


def compact() -> None:
    """Take every hole. The fillers are zeros, and stay. Ends with some free memory in one piece."""
    gc.collect()  # empties the interpreter's lists of free objects
    top = _top()
    for size in (*_large_sizes(), *range(_SMALL, 2 * _STEP, -_STEP)):
        _fill(partial(bytes, size - _BYTES_HEAD), top)
    # The two smallest sizes, which no bytes have.
    _fill(partial(float, "0.0"), top)
    _fill(object, top)


def _fill(make: Callable[[], Any], top: int) -> None:
    while id(filler := make()) < top:
        _fillers.append(filler)


def _top() -> int:
    """Where memory ends, as far as it is in use: there large blocks lie side by side."""
    blocks: list[bytes] = []
    first = last = row = 0
    while row < _PROBES:
        block = bytes(_PROBE)
        blocks.append(block)
        at = id(block)
        row = row + 1 if 0 < at - last < _PROBE + 256 else 0
        first = first if row else at
        last = at
    return first


def _large_sizes() -> Iterator[int]:
    size = _PROBE
    while size > 4096:
        yield size
        size -= size >> 3
    yield from range(4096, _SMALL, -64)
    yield _SMALL + _STEP
