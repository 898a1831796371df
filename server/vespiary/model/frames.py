"""What the server and its worker processes say to one another, as bytes: a length of four bytes, then a tuple in msgpack.

Knows the kinds of messages, how long a frame may be, and how frames are cut out of a stream. Does not know sockets or processes,
nor what a packed step means (`model/pack.py`).
"""

import struct
from collections.abc import Iterator
from typing import Any

import ormsgpack

from vespiary.model.pack import Packed

FORMAT = 1
"""Changes with anything that the two sides must agree on."""
MAX_FRAME = 64 * 2**20
"""Bytes that a frame may have without its length. What does not fit fails alone; batches are divided."""

RUN, INTERRUPT, LOAD, CLOSE = range(4)
"""From the server: (RUN, number, inputs), (INTERRUPT, number, actor), (LOAD, number, reference), (CLOSE,)."""
HELLO, RESULTS, LOADED, FAILED, PROGRESS = range(5)
"""From the worker: (HELLO, format, version), (RESULTS, number, results, more), (LOADED, number, identity),
(FAILED, number, code, message, hint), (PROGRESS, text). All numbers are of the server's choice, each used once."""

LENGTH = struct.Struct(">I")
"""What stands before each frame."""
TOKEN_BYTES = 32
"""Where there are no socket pairs, a worker shows a token of this size first of all."""
TOKEN_VARIABLE = "VESPIARY_WORKER_TOKEN"
"""The variable of its environment that holds the token, in hexadecimal digits."""


class TooLarge(ValueError):
    """A message does not fit into a frame."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size / 2**20:.1f} MiB are more than the {MAX_FRAME // 2**20} MiB that can cross")


def pack(message: Packed) -> bytes:
    """A message without its length. Raises `TooLarge`, and `ValueError` for what has no form in msgpack."""
    try:
        data = ormsgpack.packb(message)
    except TypeError as error:
        raise ValueError(str(error)) from None
    if len(data) > MAX_FRAME:
        raise TooLarge(len(data))
    return data


def frame(message: Packed) -> bytes:
    """A message with its length. Raises as `pack` does."""
    data = pack(message)
    return LENGTH.pack(len(data)) + data


class Splitter:
    """Cuts a stream into messages. After a `ValueError` the stream cannot be read any further."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[list[Any]]:
        """The messages that are complete now. Raises `ValueError` for what is no frame."""
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= LENGTH.size:
                (size,) = LENGTH.unpack_from(buffer, at)
                if size > MAX_FRAME:
                    raise TooLarge(size)
                end = at + LENGTH.size + size
                if len(buffer) < end:
                    break
                with memoryview(buffer)[at + LENGTH.size : end] as view:
                    message = ormsgpack.unpackb(view)
                at = end
                if not isinstance(message, list) or not message:
                    raise ValueError("a message is a list")
                yield message
        finally:
            if at:
                del buffer[:at]
