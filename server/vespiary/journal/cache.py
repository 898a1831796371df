"""The frames that were committed or read lately, so that a few entries can be had at once. Bounded in bytes; safe on any thread."""

import threading
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from vespiary.journal.frames import decode, unpacked_size


class _Kept:
    __slots__ = ("count", "data", "entries", "first", "size")

    def __init__(self, first: int, count: int, data: bytes) -> None:
        self.first = first
        self.count = count
        self.size = unpacked_size(data) + 64
        self.data: bytes | None = data
        self.entries: list[Any] | None = None


class FrameCache:
    """Frames by run and number, `most_bytes` of them as packed. Entries that it gives are shared: read, never changed."""

    def __init__(self, most_bytes: int = 4 << 20) -> None:
        self._most = most_bytes
        self._size = 0
        self._frames: OrderedDict[tuple[str, int], _Kept] = OrderedDict()
        self._firsts: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def put(self, run: str, first: int, count: int, data: bytes) -> None:
        """Keep a frame whose seal is right."""
        kept = _Kept(first, count, data)
        if kept.size * 4 > self._most:
            return
        with self._lock:
            if (run, first) in self._frames:
                return
            self._frames[run, first] = kept
            insort(self._firsts.setdefault(run, []), first)
            self._size += kept.size
            while self._size > self._most:
                (old, number), gone = self._frames.popitem(last=False)
                self._size -= gone.size
                self._drop(old, number)

    def get(self, run: str, number: int) -> Any | None:
        """An entry, or None if its frame is not here."""
        with self._lock:
            firsts = self._firsts.get(run)
            at = bisect_right(firsts, number) - 1 if firsts else -1
            if firsts is None or at < 0:
                return None
            kept = self._frames[run, firsts[at]]
            if number >= kept.first + kept.count:
                return None
            if kept.entries is None:
                kept.entries = decode(kept.data or b"")
                kept.data = None
            return kept.entries[number - kept.first]

    def all(self, run: str, numbers: Sequence[int]) -> list[Any] | None:
        """Several entries, or None if one is not here."""
        found: list[Any] = []
        for number in numbers:
            entry = self.get(run, number)
            if entry is None:
                return None
            found.append(entry)
        return found

    def forget(self, run: str, before: int | None = None) -> None:
        """Forget the frames of a run, or those that begin before an entry."""
        with self._lock:
            for first in list(self._firsts.get(run, ())):
                if before is None or first < before:
                    self._size -= self._frames.pop((run, first)).size
                    self._drop(run, first)

    def _drop(self, run: str, first: int) -> None:
        firsts = self._firsts[run]
        firsts.remove(first)
        if not firsts:
            del self._firsts[run]
