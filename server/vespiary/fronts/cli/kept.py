"""What the commands about kept things share: finding the journal, ages, times and sizes in words, tables."""

import re
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vespiary.app.kept import Kept, open_kept
from vespiary.fronts.cli.errors import say
from vespiary.fronts.cli.terminal import output, plain, write_json
from vespiary.model.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

NONE_YET = "Nothing is kept in this workspace yet: no run has been journalled here."

_AGE = re.compile(r"\s*(\d{1,6})\s*([smhdw])\s*\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@contextmanager
def kept(folder: Path, *, write: bool = False) -> Generator[Kept]:
    """The journal of a workspace. Raises `UsageError` where there is none. What it has to say to people is said at the end."""
    with open_kept(folder.resolve(), write=write) as found:
        if found is None:
            raise UsageError(NONE_YET, hint='`vespiary run "..."` makes a start.', code="journal.none")
        try:
            yield found
        finally:
            for notice in found.notices:
                say(f"vespiary: {notice}")


def since(age: str, *, now: float | None = None) -> int:
    """The time so long ago, in nanoseconds since the epoch. Raises `UsageError` for what is no age."""
    found = _AGE.match(age)
    if found is None:
        raise UsageError(
            f"{age!r} is no age.", hint="Write a number and s, m, h, d or w: 30d is thirty days.", code="usage.age"
        )
    now = time.time() if now is None else now
    return max(0, int((now - int(found[1]) * _SECONDS[found[2]]) * 1e9))


def when(seconds: float) -> str:
    """A time of this machine's zone: `2026-01-31 14:05`."""
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "?"


def size(count: int) -> str:
    """Bytes in words: `812 B`, `40.9 kB`, `1.2 MB`."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000 or unit == "GB":
            return f"{amount:.1f} {unit}"
    return ""


def line(text: str, most: int = 80) -> str:
    """The text as one line, cut to so many characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 run`, `1,200 runs`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def print_json(data: Any) -> None:
    """Data as JSON for other programs, indented."""
    import orjson

    write_json(orjson.dumps(data, option=orjson.OPT_INDENT_2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table: laid out for a person at a terminal, columns split by tabs for other programs."""
    cells = [[plain(cell).replace("\t", " ").replace("\n", " ") for cell in row] for row in rows]
    console = _terminal()
    if console is None:
        write_lines("\t".join(row) for row in [list(headings), *cells])
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        last = number == len(headings) - 1
        table.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            # Only the last one gives way on a narrow terminal.
            min_width=None if last else max([len(heading), *(len(row[number]) for row in cells)]),
        )
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table, soft_wrap=False)


def write_lines(lines: Iterable[str]) -> None:
    """Lines to standard output; they are plain already."""
    out = output()
    for each in lines:
        out.write(each + "\n")
    out.flush()


def _terminal() -> "Console | None":
    """The console, if a person looks at it. Asked first: what draws tables takes time to load."""
    if not output().isatty():
        return None
    from vespiary.fronts.cli.render import terminal

    return terminal()
