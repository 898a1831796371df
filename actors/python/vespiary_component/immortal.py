"""Finds every object of the snapshot, so that the build can make them immortal.

All instances of the component share the pages of its snapshot until they write to them, and a count of references is a write: an
actor that does nothing but read would get copies of hundreds of pages. An immortal object's count is never written. Python has no
function for that, so the list of objects is left in memory, where `immortal.py` of the builder finds it by its mark, sets the
counts, and empties the list.
"""

import gc
import sys
from types import CodeType, FrameType
from typing import Any, cast

MARK = "vespiary: the objects of the snapshot"
"""Before the address and the length of the list, as ASCII characters; the builder looks for it."""

_PYTHON = (3, 14)
_IMMORTAL = 1 << 30
"""Counts from here on are never written, as with `None`."""

_BATCH = 64
_MEMORY = 1 << 27
"""Bytes of memory that are looked at; the build needs a third of it."""


_left: list[Any] = []


def leave_list() -> None:
    """List all that can be reached now. What is listed stays alive, so that no count is set in memory that was freed.

    Raises `RuntimeError` in a Python whose objects may look otherwise.
    """
    if sys.version_info[:2] != _PYTHON or sys.maxsize != 2**31 - 1:
        raise RuntimeError("Look at how this Python counts references, then at both files called immortal.py.")
    found: list[Any] = []
    # A bit for each eight bytes of memory: a set of addresses would leave megabytes of garbage in the snapshot.
    seen = bytearray(_MEMORY >> 6)
    own = {id(found), id(seen), id(_left)}
    _add(_running(sys._getframe(1)), found, seen, own)
    _add(gc.get_objects(), found, seen, own)
    start = 0
    while start < len(found):
        batch = found[start : start + _BATCH]
        start += len(batch)
        _add(gc.get_referents(*batch), found, seen, own)
        for thing in batch:
            _add(_hidden(thing), found, seen, own)
    seen[:] = bytes(len(seen))
    _left.append(found)
    _left.append(b"%s %08x %08x" % (MARK.encode(), id(found), len(found)))


def _add(things: list[Any], found: list[Any], seen: bytearray, own: set[int]) -> None:
    for thing in things:
        at = id(thing)
        place, bit = at >> 6, 1 << (at >> 3 & 7)
        if at >= _MEMORY or seen[place] & bit:
            continue
        seen[place] |= bit
        # Frames end, and so do the lists that are made here.
        if at in own or thing is things or isinstance(thing, FrameType):
            continue
        if sys.getrefcount(thing) < _IMMORTAL:
            found.append(thing)


def _running(frame: FrameType | None) -> list[Any]:
    """What the calls under way work with: the module that is being imported, and who imports it."""
    things: list[Any] = []
    while frame is not None:
        things += [frame.f_code, *frame.f_locals.values()]
        frame = frame.f_back
    return things


def _hidden(thing: Any) -> list[Any]:
    """What `gc.get_referents` does not tell."""
    kind = cast("type[Any]", type(thing))
    if kind is dict:
        return list(thing)
    if kind is CodeType:
        return [
            thing.co_consts,
            thing.co_names,
            thing.co_filename,
            thing.co_name,
            thing.co_qualname,
            thing.co_linetable,
            thing.co_exceptiontable,
        ]
    if isinstance(thing, type):
        return [type.__dict__["__name__"].__get__(thing), type.__dict__["__qualname__"].__get__(thing)]
    return []
