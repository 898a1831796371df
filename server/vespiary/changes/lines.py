"""Lines and places in a text, as the language server protocol counts them.

Knows the three line endings (`\\n`, `\\r\\n`, `\\r`) and the units of the three position encodings. Knows nothing of documents,
editors or the protocol's own types.
"""

import io
from bisect import bisect_right
from itertools import accumulate
from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]
"""What `character` counts: bytes of UTF-8, units of UTF-16, or code points."""


def split_lines(text: str) -> list[str]:
    """The lines of a text with their endings; joined they are the text. An empty text has none.

    Unlike `str.splitlines`, form feeds and Unicode separators end no line.
    """
    return io.StringIO(text, newline="").readlines()


def without_ending(line: str) -> str:
    """A line without its ending."""
    if line.endswith("\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(("\n", "\r")) else line


def units(text: str, encoding: Encoding) -> int:
    """The length of a text in the units of an encoding."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def code_points(text: str, count: int, encoding: Encoding) -> int:
    """How many code points the first `count` units of a text are. Inside a character it is that character's begin."""
    if count <= 0:
        return 0
    if encoding == "utf-32" or text.isascii():
        return min(count, len(text))
    seen = 0
    for index, char in enumerate(text):
        seen += units(char, encoding)
        if seen > count:
            return index
    return len(text)


class LineIndex:
    """Offsets (code points) to (line, character) and back, for one text. Lines and characters count from zero."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = split_lines(text)
        self._starts = [0, *accumulate(len(line) for line in self._lines)]
        if self._lines and without_ending(self._lines[-1]) == self._lines[-1]:
            # The last line has no ending, so no empty line follows it.
            self._starts.pop()

    @property
    def count(self) -> int:
        """The number of lines: one more than the number of line endings."""
        return len(self._starts)

    def line(self, line: int) -> str:
        """The text of a line, without its ending; empty beyond the end."""
        return without_ending(self._lines[line]) if 0 <= line < len(self._lines) else ""

    def position(self, offset: int, encoding: Encoding = "utf-32") -> tuple[int, int]:
        """The line and character of an offset. Offsets outside the text are cut to it, those inside `\\r\\n` to before it."""
        offset = max(0, min(offset, len(self._text)))
        line = bisect_right(self._starts, offset) - 1
        return line, units(self.line(line)[: offset - self._starts[line]], encoding)

    def offset(self, line: int, character: int, encoding: Encoding = "utf-32") -> int:
        """The offset of a line and character. What lies beyond a line or the text is cut to its end."""
        if line < 0:
            return 0
        if line >= len(self._starts):
            return len(self._text)
        return self._starts[line] + code_points(self.line(line), character, encoding)
