"""Where in a TOML text a key stands: tomllib gives no positions, and an error without a line is half an error.

A scanner of lines, not a parser: it knows headers, keys and multi-line strings. Where it is unsure it says nothing.
"""

import re

_BLANKS = re.compile(r"\s+")
_HEADER = re.compile(r"\s*\[\[?\s*(?P<path>[^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"""\s*(?P<path>(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'))*)\s*=(?P<value>.*)$"""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*'""")


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(text))


class Places:
    """The lines of one text's headers and keys."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        closing: str | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if closing is not None:
                if closing in line:
                    closing = None
                continue
            # Runs of blanks would cost the patterns the square of their length.
            line = _BLANKS.sub(" ", line)
            if header := _HEADER.match(line):
                table = _parts(header["path"])
                self._lines.setdefault(table, number)
            elif key := _KEY.match(line):
                self._lines.setdefault(table + _parts(key["path"]), number)
                closing = _opens(key["value"])

    def line(self, *path: str) -> int | None:
        """The line of the key, or of the nearest table that holds it (an inline table holds its keys on its own line)."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                return line
            # `[agents.coder.grants]` alone also makes `agents.coder`.
            inside = [line for known, line in self._lines.items() if known[:length] == path[:length]]
            if inside:
                return min(inside)
        return None


def _opens(value: str) -> str | None:
    """The quotes that end a multi-line string which begins in this value, if one does."""
    stripped = value.lstrip()
    for quotes in ('"""', "'''"):
        if stripped.startswith(quotes) and quotes not in stripped[3:]:
            return quotes
    return None
