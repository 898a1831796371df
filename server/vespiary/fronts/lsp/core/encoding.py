"""Columns: between what the editor counts (UTF-8, UTF-16 or UTF-32 code units) and what Python counts (code points).

Pure functions on one line. A column past the end is the end; a column inside a character is its beginning.
"""

from typing import Literal

Encoding = Literal["utf-8", "utf-16", "utf-32"]
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")


def to_points(line: str, units: int, encoding: Encoding) -> int:
    """The code points before the column `units`."""
    if units <= 0:
        return 0
    if encoding == "utf-32" or line.isascii():
        return min(units, len(line))
    if encoding == "utf-16" and max(line[:units]) <= "\uffff":
        return min(units, len(line))
    try:
        raw = line.encode("utf-8" if encoding == "utf-8" else "utf-16-le")
    except UnicodeEncodeError:  # A lone surrogate, which only a broken client can send.
        return _count(line, units, encoding)
    if encoding == "utf-8":
        return len(raw[:units].decode("utf-8", "ignore"))
    return len(raw[: 2 * units].decode("utf-16-le", "ignore"))


def to_units(line: str, points: int, encoding: Encoding) -> int:
    """The column of the code point at index `points`."""
    head = line[: max(points, 0)]
    if encoding == "utf-32" or head.isascii():
        return len(head)
    if encoding == "utf-8":
        return len(head.encode("utf-8", "surrogatepass"))
    return len(head.encode("utf-16-le", "surrogatepass")) // 2


def _count(line: str, units: int, encoding: Encoding) -> int:
    for index, char in enumerate(line):
        units -= to_units(char, 1, encoding)
        if units < 0:
            return index
    return len(line)
