"""Randomness that a step's seed decides: streams of bytes that are the same whenever the step is repeated.

Knows nothing of guests. Different labels give independent streams, so that what one consumer draws does not shift another's.
"""

import hashlib

_BLOCK = 64


class SeededBytes:
    """An endless stream of bytes derived from a seed and a label (BLAKE2b in counter mode)."""

    __slots__ = ("_counter", "_key", "_rest")

    def __init__(self, seed: int, label: bytes) -> None:
        # The seed is any integer; its sign and length are part of the key.
        material = seed.to_bytes((seed.bit_length() + 8) // 8, "big", signed=True)
        self._key = hashlib.blake2b(material, digest_size=32, person=label[:16]).digest()
        self._counter = 0
        self._rest = b""

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        parts = [self._rest]
        have = len(self._rest)
        while have < count:
            block = hashlib.blake2b(self._counter.to_bytes(8, "big"), key=self._key, digest_size=_BLOCK).digest()
            self._counter += 1
            parts.append(block)
            have += _BLOCK
        data = b"".join(parts)
        self._rest = data[count:]
        return data[:count]

    def take_u64(self) -> int:
        """The next eight bytes as an unsigned number."""
        return int.from_bytes(self.take(8), "big")
