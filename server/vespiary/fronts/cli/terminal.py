"""What may reach a person's terminal: text, and nothing that the terminal would obey.

What models, tools, files and actors say is untrusted. Knows streams and characters; knows nothing of events.
"""

import io
import logging
import re
import sys
from typing import IO, Any, cast

# Control characters beside tab and line feed (escape sequences begin with one), what reverses the order of reading, and halves of
# surrogate pairs, which no stream can encode.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text with everything that could control a terminal made visible, as `\\x1b`. Carriage returns are left out."""
    return _UNSAFE.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x0D:
        return ""
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def output() -> IO[str]:
    """Standard output that takes every text: what its encoding does not know is replaced. A closed one swallows all."""
    out = cast("IO[str] | None", sys.stdout)
    if out is None:  # so it is when the shell closed it
        return cast("IO[str]", _Nowhere())
    if isinstance(out, io.TextIOWrapper):
        cast("io.TextIOWrapper[Any]", out).reconfigure(errors="replace")
    return cast("IO[str]", out)


def write_json(line: bytes) -> None:
    """A line of JSON to standard output: UTF-8 and ended by a line feed, whatever the terminal's encoding and system."""
    out = output()
    if (raw := getattr(out, "buffer", None)) is not None:
        raw.write(line + b"\n")
    else:
        out.write(line.decode() + "\n")
    out.flush()


class _Nowhere(io.TextIOBase):
    """A stream that keeps nothing."""

    def write(self, s: str, /) -> int:
        return len(s)


class PlainFormatter(logging.Formatter):
    """Log records for a terminal: what they quote is untrusted too."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return plain(super().format(record))


def log_to_stderr() -> None:
    """Let warnings of Vespiary be told on stderr, made safe. Does nothing where somebody else set up logging."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(PlainFormatter("vespiary: %(message)s"))
    root.addHandler(handler)
