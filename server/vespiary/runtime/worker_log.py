"""What a worker process writes to its stderr, as lines of this process's log: bounded, whatever it writes.

Knows bytes and lines. Called on one thread.
"""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

MAX_LINE = 2_000
"""Characters of a line; the rest of it is left out."""
LINES = 200
"""Lines in each span of `SPAN` seconds; the rest are counted."""
SPAN = 10.0


class WorkerLog:
    """Takes the output of one process as it comes."""

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._clock = clock
        self._rest = b""
        self._cut = False
        self._since = clock()
        self._lines = 0
        self._left_out = 0
        self.last = ""
        """The last line that was not empty: what it died of, often."""

    def feed(self, data: bytes) -> None:
        """Log the lines that are complete now."""
        if self._lines >= LINES and self._clock() - self._since < SPAN:
            self._left_out += data.count(b"\n")  # a flood costs next to nothing
            data = data[-MAX_LINE:]
            if b"\n" in data:
                *lines, self._rest = data.split(b"\n")
                self.last = _text(lines[-1]) or self.last
            return
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._line(self._rest + line)
            self._rest, self._cut = b"", False
        if not self._cut:
            self._rest += rest[:MAX_LINE]
        if len(self._rest) >= MAX_LINE:
            self._cut = True  # the line goes on: no more of it is kept

    def end(self) -> None:
        """Log what is left."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        self._tell_left_out()

    def _line(self, line: bytes) -> None:
        text = _text(line)
        if not text:
            return
        self.last = text
        now = self._clock()
        if now - self._since >= SPAN:
            self._tell_left_out()
            self._since, self._lines = now, 0
        if self._lines >= LINES:
            self._left_out += 1
            return
        self._lines += 1
        logger.warning("Worker process %d: %s", self._pid, text)

    def _tell_left_out(self) -> None:
        if self._left_out:
            logger.warning("Worker process %d: %d more lines were left out.", self._pid, self._left_out)
            self._left_out = 0


def _text(line: bytes) -> str:
    text = line[:MAX_LINE].decode(errors="replace").rstrip()
    return "".join(char if char.isprintable() else " " for char in text)
