"""From bytes to messages: the base protocol of LSP (`Content-Length: N`, an empty line, N bytes), read piecewise.

Knows headers and bytes; does not know what a body means, nor where the bytes come from. Never looks twice at a body that is not
complete. A broken header is told once, and reading goes on at the next thing that looks like a header: inside valid JSON none can,
because JSON text has no raw line break within a string.
"""

import re
from collections.abc import Iterator

MAX_BODY = 256 * 1024 * 1024
"""Bytes. A longer message is refused: no editor sends one, and its length alone must not make the server allocate."""
MAX_HEADER = 4096
"""Bytes, from the start of a header to its empty line."""

_LENGTH = re.compile(rb"content-length:", re.IGNORECASE)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n]*)")
_KNOWN = (b"content-length", b"content-type")


class FramingError(Exception):
    """Bytes that are no message. `fatal`: the reader was told not to look for the next one."""

    def __init__(self, message: str, *, fatal: bool) -> None:
        super().__init__(message)
        self.fatal = fatal


class Framer:
    """Feed it bytes, get bodies and errors in the order in which they came.

    `strict` is for transports that a stranger can reach (a web page can send HTTP to a loopback port): any header field besides
    `Content-Length` and `Content-Type`, or any broken header, is fatal and nothing after it is read.
    """

    def __init__(self, *, strict: bool = False, max_body: int = MAX_BODY) -> None:
        self._buffer = bytearray()
        self._need = -1  # Bytes of the body that is being read; -1 while reading a header.
        self._lost = False
        self._dead = False
        self._strict = strict
        self._max_body = max_body

    def feed(self, data: bytes) -> Iterator[bytes | FramingError]:
        """What became complete with these bytes."""
        if self._dead:
            return
        buffer = self._buffer
        buffer += data
        while True:
            if self._need < 0:
                if self._lost and not self._find():
                    return
                error = self._header()
                if error is not None:
                    yield error
                    if self._dead:
                        return
                    continue
                if self._need < 0:
                    return
            if len(buffer) < self._need:
                return
            body = bytes(memoryview(buffer)[: self._need])
            del buffer[: self._need]
            self._need = -1
            yield body

    def _find(self) -> bool:
        """Drop bytes up to the next header, if there is one."""
        match = _LENGTH.search(self._buffer)
        if match is None:
            del self._buffer[: max(0, len(self._buffer) - len("content-length:") + 1)]
            return False
        del self._buffer[: match.start()]
        self._lost = False
        return True

    def _header(self) -> FramingError | None:
        """Read a header if it is complete."""
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEADER)
        if end < 0:
            return self._broken("A header has no end.") if len(self._buffer) >= MAX_HEADER else None
        length = -1
        for line in bytes(memoryview(self._buffer)[:end]).split(b"\r\n"):
            field = _FIELD.fullmatch(line)
            if field is None:
                return self._broken("A header is not made of `Name: value` lines.")
            name = field[1].lower()
            if self._strict and name not in _KNOWN:
                return self._broken("A header has a field that does not belong to the protocol.")
            if name == b"content-length":
                if length >= 0:
                    return self._broken("A header has two `Content-Length`s.", skip=end + 4)
                if not field[2].isdigit() or len(field[2]) > 18:
                    return self._broken("`Content-Length` must be a whole number.")
                length = int(field[2])
        if length < 0:
            return self._broken("A header has no `Content-Length`.")
        if length > self._max_body:
            return self._broken(
                f"A message of {length} bytes is longer than the {self._max_body} bytes that are allowed."
            )
        del self._buffer[: end + 4]
        self._need = length
        return None

    def _broken(self, message: str, skip: int = 1) -> FramingError:
        if self._strict:
            self._dead = True
            self._buffer.clear()
            return FramingError(message, fatal=True)
        del self._buffer[
            :skip
        ]  # Unless it is known better, the next header may begin anywhere after this one's first byte.
        self._lost = True
        return FramingError(message, fatal=False)


def frame(body: bytes) -> bytes:
    """A body as it goes on the wire."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
