"""The component's snapshot: objects that all instances share, and the file format that they are found in."""

import json
import struct
import sys
from pathlib import Path

import pytest
from ledger import requirement
from support.sandbox import Sandbox, lines
from vespiary.model.steps import Limits
from vespiary.wasm.immortal import MARK, Memory, SnapshotError, make_immortal

COUNT = 20
MOST = 1.5 * 2**20
"""About 0.9 MiB when it works, 2.4 when the objects of the snapshot are written to."""

BASE = 70_000
LIST, ITEMS, OBJECT, KIND = BASE, BASE + 64, BASE + 128, BASE + 192


def number(value: int) -> bytes:
    """Unsigned LEB128."""
    head = bytes([value & 0x7F | (0x80 if value > 0x7F else 0)])
    return head + (number(value >> 7) if value > 0x7F else b"")


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + number(len(content)) + content


def component(segments: dict[int, bytes], *, nested: bool = False) -> bytearray:
    """A component with one module that has these bytes in its memory."""
    data = b"".join(b"\0\x41" + number(at) + b"\x0b" + number(len(text)) + text for at, text in segments.items())
    module = b"\0asm\x01\0\0\0" + section(0, b"\x04name") + section(11, number(len(segments)) + data)
    made = b"\0asm\x0d\0\x01\0" + section(1, module)
    return bytearray(b"\0asm\x0d\0\x01\0" + section(4, made) if nested else made)


def snapshot(*, refcount: int = 3, size: int = 1, mark: bytes = MARK) -> dict[int, bytes]:
    """A list of one object."""
    return {
        LIST: struct.pack("<5I", 2, KIND, size, ITEMS, 8),
        ITEMS: struct.pack("<I", OBJECT),
        OBJECT: struct.pack("<2I", refcount, KIND),
        KIND + 64: b"%s %08x %08x\0" % (mark, LIST, 1),
    }


@requirement("wasm:shared-pages")
@pytest.mark.parametrize("nested", [False, True])
def test_listed_objects_become_immortal_and_the_list_is_emptied(nested: bool) -> None:
    made = component(snapshot(), nested=nested)
    before = len(made)
    assert make_immortal(made) == 1
    memory = Memory(made)
    assert 5 << 28 <= memory.word(OBJECT) < 6 << 28
    assert memory.word(OBJECT + 4) == KIND
    assert [memory.word(LIST + at) for at in (8, 12, 16)] == [0, 0, 0]
    assert memory.word(ITEMS) == 0
    assert len(made) == before


@requirement("wasm:shared-pages")
@pytest.mark.parametrize(
    "segments",
    [snapshot(size=2), snapshot(refcount=0), snapshot(refcount=5 << 28), snapshot(mark=b"something else"), {}],
)
def test_a_snapshot_that_is_not_as_expected_is_refused(segments: dict[int, bytes]) -> None:
    with pytest.raises(SnapshotError):
        make_immortal(component(segments))


def test_zeros_that_the_file_leaves_out_are_read_as_zeros() -> None:
    memory = Memory(component({BASE: b"\x01\x02"}))
    assert memory.word(BASE) == 0x0201
    assert memory.word(BASE - 1) == 0x020100
    assert memory.word(BASE + 2) == memory.word(0) == 0
    assert not memory.set_byte(BASE + 2, 1)


SOURCE = """
import collections, json, sys, typing
from vespiary_sdk import Actor, on

class Counts(Actor):
    @on("test.go")
    def go(self, message):
        code = json.loads.__code__
        old = [json, json.loads, code, code.co_names, typing.Any, collections.OrderedDict, sys.modules, Actor, Actor.__name__]
        print({sys.getrefcount(thing) >= 1 << 30 for thing in old}, sys.getrefcount(message) < 100)
"""


@requirement("wasm:shared-pages")
def test_what_was_there_at_the_start_is_not_counted_any_more(python: Sandbox) -> None:
    assert python.python(SOURCE).failure is None
    assert lines(python.deliver()) == ["{True} True"]


@requirement("wasm:shared-pages")
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's own account of memory")
def test_an_actor_owns_few_pages(python: Sandbox) -> None:
    config = json.dumps({"name": "files", "config": {}, "code": {"preloaded": "files"}})
    assert python.make("python", "first", config=config, limits=Limits()).failure is None
    before = private_bytes()
    for number in range(COUNT):
        assert python.make("python", f"actor{number}", config=config, limits=Limits()).failure is None
    assert (private_bytes() - before) / COUNT < MOST


def private_bytes() -> int:
    """What this process shares with nobody."""
    fields = (line.split() for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:])
    return sum(int(field[1]) * 1024 for field in fields if field[0] in ("Private_Clean:", "Private_Dirty:"))
