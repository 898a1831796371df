"""What Python prints, logs and warns about, as lines of the actor's log."""

import io
import logging
import sys
from typing import Any

from vespiary_sdk._port import Level, Port
from vespiary_sdk._runtime import clean

MAX_LINE = 64_000
"""Characters of a line; a longer one is broken up, so that output without line ends does not pile up."""


class LogStream(io.TextIOBase):
    """A text stream whose lines go to the log. An unfinished line waits for its end, or for the end of the step."""

    def __init__(self, port: Port, level: Level, name: str) -> None:
        self._port = port
        self._level: Level = level
        self._name = name
        self._parts: list[str] = []
        self._size = 0

    @property
    def name(self) -> str:
        """`<stdout>` or `<stderr>`."""
        return self._name

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What a text stream is asked for; nothing is encoded here."""
        return "utf-8"

    def writable(self) -> bool:
        """Yes."""
        return True

    def isatty(self) -> bool:
        """No."""
        return False

    def write(self, text: str, /) -> int:
        """Add text; each full line is logged at once."""
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - authors pass bytes
            raise TypeError(f"write() takes a str, not {type(text).__name__}")
        *lines, rest = text.split("\n")
        for line in lines:
            self._parts.append(line)
            self.finish()
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > MAX_LINE:
                self.finish()
        return len(text)

    def finish(self) -> None:
        """End the line, if one was begun."""
        if not self._parts:
            return
        line = "".join(self._parts)
        self._parts.clear()
        self._size = 0
        for start in range(0, len(line), MAX_LINE):
            self._port.log(self._level, clean(line[start : start + MAX_LINE]))

    @property
    def buffer(self) -> "_Bytes":
        """The same stream for bytes."""
        return _Bytes(self)

    def flush(self) -> None:
        """Nothing: a flushed piece of a line is not a line."""


class _Bytes(io.RawIOBase):
    """Bytes written to a text stream."""

    def __init__(self, stream: LogStream) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        raw = bytes(data)
        self._stream.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)


class LogHandler(logging.Handler):
    """`logging` records as log lines."""

    def __init__(self, port: Port) -> None:
        super().__init__()
        self._port = port
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        try:
            text = self.format(record)
        except Exception as error:  # noqa: BLE001 - a broken log call must not fail a handler
            text = f"{record.name}: {record.msg!r} (the log call is broken: {error})"
        self._port.log(_level(record.levelno), clean(text))


def _level(number: int) -> Level:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warn"
    return "info" if number >= logging.INFO else "debug"


class NoInput(io.TextIOBase):
    """A standard input that is at its end."""

    def readable(self) -> bool:
        """Yes: there is just nothing in it."""
        return True

    def read(self, size: int | None = -1, /) -> str:
        """Nothing."""
        return ""

    def readline(self, size: int = -1, /) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Nothing."""
        return ""


class Streams:
    """All of them. Made while the component is built, put in place when it starts, so that the build can still print."""

    def __init__(self, port: Port) -> None:
        self._out = LogStream(port, "info", "<stdout>")
        self._err = LogStream(port, "warn", "<stderr>")
        self._in = NoInput()
        logging.lastResort = None
        root = logging.getLogger()
        root.handlers[:] = [LogHandler(port)]
        root.setLevel(logging.DEBUG)

    def install(self) -> None:
        """Redirect what Python prints."""
        sys.stdout = sys.__stdout__ = self._out  # pyright: ignore[reportAttributeAccessIssue]
        sys.stderr = sys.__stderr__ = self._err  # pyright: ignore[reportAttributeAccessIssue]
        sys.stdin = sys.__stdin__ = self._in  # pyright: ignore[reportAttributeAccessIssue]

    def finish(self) -> None:
        """The step is over: log what was begun."""
        self._out.finish()
        self._err.finish()
