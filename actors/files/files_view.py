"""A text as it is shown to a model: numbered lines, a header, gaps that say how much they leave out.

Pure. Lines end where editors end them: at `\\n`, `\\r\\n` or `\\r`, and nowhere else.
"""

from vespiary_sdk import ToolError

FILE_LIMIT = 10 * 1024 * 1024
"""Bytes of a file beyond which it is not read at all."""
VIEW_LIMIT = 64 * 1024
"""Bytes of a file that is read whole, and characters that one view shows."""
WINDOW = 400
"""Lines that are shown when only the first is named."""


def lines_of(text: str) -> list[str]:
    """The lines without their endings. A final line ending does not begin another line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def view(path: str, text: str, size: int, modified: bool, start: int | None, end: int | None) -> str:
    """The lines `start` to `end`, counted from 1 and both included; all of them when neither is given.

    Raises `ToolError` for a range that means nothing and for more text than one view shows.
    """
    if size > FILE_LIMIT:
        raise ToolError(
            f"{path} has {size:,} bytes; files above {FILE_LIMIT:,} bytes are not read. Use search_files to find what you need."
        )
    lines = lines_of(text)
    header = _header(path, lines, text, modified)
    if start is None and end is None:
        if size > VIEW_LIMIT:
            raise ToolError(_too_large(path, lines, size))
        return f"{header}\n{_numbered(lines, 1, len(lines))}" if lines else f"{header}\n[the file is empty]"
    first, last = _range(path, len(lines), start, end)
    return f"{header}\n{_window(lines, first, last)}"


def _header(path: str, lines: list[str], text: str, modified: bool) -> str:
    facts = ["1 line" if len(lines) == 1 else f"{len(lines):,} lines"]
    if "\r\n" in text:
        facts.append("CRLF line endings")
    if modified:
        facts.append("unsaved in the editor")
    return f"{path} ({', '.join(facts)})"


def _too_large(path: str, lines: list[str], size: int) -> str:
    fits = max(1, min(len(lines), VIEW_LIMIT * len(lines) // size // 100 * 100 or VIEW_LIMIT * len(lines) // size))
    return (
        f"{path} has {size:,} bytes in {len(lines):,} lines, too much to read at once (the limit is {VIEW_LIMIT:,} bytes). "
        f"Read a part of it with start_line and end_line (about {fits:,} lines fit), or find the place with search_files."
    )


def _range(path: str, total: int, start: int | None, end: int | None) -> tuple[int, int]:
    first = 1 if start is None else start
    last = first + WINDOW - 1 if end is None else end
    if first < 1 or last < 1:
        raise ToolError("Lines are counted from 1.")
    if last < first:
        raise ToolError(f"end_line ({last}) is before start_line ({first}).")
    if first > total:
        raise ToolError(f"start_line is {first}, but {path} has {total:,} line{'' if total == 1 else 's'}.")
    return first, min(last, total)


def _numbered(lines: list[str], first: int, last: int) -> str:
    return "\n".join(f"{number}:{line}" for number, line in enumerate(lines[first - 1 : last], first))


def _window(lines: list[str], first: int, last: int) -> str:
    shown: list[str] = []
    room = VIEW_LIMIT
    at = first
    while at <= last:
        line = f"{at}:{lines[at - 1]}"
        if len(line) + 1 > room:
            break
        shown.append(line)
        room -= len(line) + 1
        at += 1
    if at == first:
        line = lines[first - 1]
        shown.append(
            f"{first}:{line[:VIEW_LIMIT]} [... {len(line) - VIEW_LIMIT:,} characters of this line omitted ...]"
        )
        at += 1
    if first > 1:
        shown.insert(0, _gap(first - 1))
    if at <= len(lines):
        cut = f"; the view is full, go on with start_line {at}" if at <= last else ""
        shown.append(_gap(len(lines) - at + 1, cut))
    return "\n".join(shown)


def _gap(count: int, more: str = "") -> str:
    return f"[... {count:,} line{'' if count == 1 else 's'} omitted{more} ...]"
