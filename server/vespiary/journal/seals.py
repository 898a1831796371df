"""Keyed checksums: that a row is as this user's Vespiary wrote it, and that a run's frames follow one another.

Knows bytes and plain values. Does not know tables.
"""

import hmac
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import ormsgpack

SIZE = 16
START = bytes(SIZE)
"""What the first frame of a run follows."""


def journal_key(user_key: bytes, journal: bytes) -> bytes:
    """The key of one journal: rows of another journal of the same user are not valid in it."""
    return blake2b(journal, key=user_key, person=b"vespiary.journal", digest_size=32).digest()


def journal_seal(user_key: bytes, journal: bytes) -> bytes:
    """What shows that this user made the journal."""
    return blake2b(journal, key=user_key, person=b"vespiary.made_by", digest_size=SIZE).digest()


def matches(one: object, other: bytes) -> bool:
    """Whether two seals are the same; anything may come out of a damaged file."""
    return isinstance(one, bytes) and hmac.compare_digest(one, other)


class Seals:
    """The seals of one journal."""

    def __init__(self, key: bytes) -> None:
        self._row = blake2b(key=key, person=b"vespiary.row", digest_size=SIZE)
        self._frame = blake2b(key=key, person=b"vespiary.frame", digest_size=SIZE)

    def row(self, table: str, values: Sequence[Any]) -> bytes:
        """The seal of a row: numbers, texts, bytes and nulls, in the order of its columns."""
        state = self._row.copy()
        state.update(ormsgpack.packb((table, *values)))
        return state.digest()

    def frame(self, before: bytes, run: str, first: int, count: int, data: bytes) -> bytes:
        """The seal of a frame that follows the one with the seal `before`."""
        state = self._frame.copy()
        # What packs ends where it says, so no two frames give the same bytes.
        state.update(ormsgpack.packb((before, run, first, count)))
        state.update(data)
        return state.digest()

    def holds(self, table: str, values: Sequence[Any], seal: object) -> bool:
        """Whether a row is as it was written."""
        try:
            return matches(seal, self.row(table, values))
        except (TypeError, ValueError):
            return False
