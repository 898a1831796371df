"""Searching the files of a workspace, line by line.

One blocking function, used in a thread for plain text and in a process of its own (`search_process`) for regular expressions, which
come from models and may run for ever. Texts of open buffers stand in for their files. Knows nothing of requests or grants.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vespiary.capabilities.globs import compiled
from vespiary.capabilities.texts import MAX_BYTES, decode
from vespiary.capabilities.walk import Walk
from vespiary.changes.lines import split_lines, without_ending
from vespiary.model.errors import RequestRefused

LINE = 500
"""Characters of a line that are given back."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for, and where. Paths are relative to the root; `start` is a folder, or a file, that exists."""

    root: str
    pattern: str
    regex: bool = False
    ignore_case: bool = False
    start: str = ""
    glob: str | None = None
    limit: int = 200
    seconds: float = 8.0
    buffers: dict[str, str] = field(default_factory=dict[str, str])
    """The texts of unsaved documents."""


@dataclass(frozen=True, slots=True)
class Match:
    """A line that matches; `line` counts from 1."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """`truncated`: there may be more than these."""

    matches: list[Match]
    truncated: bool


def search(wish: Search, stopped: Callable[[], bool] = lambda: False) -> Found:
    """Look through the files. Ends at the limit, when the time is over, or when `stopped` says so.

    Raises `re.error` for a pattern that is no regular expression, `GlobInvalid` for a bad glob.
    """
    end = time.monotonic() + wish.seconds

    def over() -> bool:
        return stopped() or time.monotonic() > end

    matching = _matcher(wish)
    found: list[Match] = []
    walk = Walk(Path(wish.root), wish.start, stopped=over)
    for path in _paths(wish, walk):
        if over():
            return Found(found, truncated=True)
        text = _text(wish, path)
        if text is None:
            continue
        for number, line in matching(text):
            if len(found) == wish.limit:
                return Found(found, truncated=True)
            found.append(Match(path, number, _shortened(line)))
    return Found(found, truncated=walk.stopped_early)


def _paths(wish: Search, walk: Walk) -> Iterator[str]:
    """The files to look into. Unsaved documents that no file backs come last."""
    glob = compiled(wish.glob) if wish.glob else None
    if wish.start and (wish.start in wish.buffers or Path(wish.root, wish.start).is_file()):
        yield wish.start
        return
    prefix = f"{wish.start}/" if wish.start else ""

    def wanted(path: str) -> bool:
        return glob is None or any(glob.fullmatch(form) for form in (path, path[len(prefix) :]))

    seen: set[str] = set()
    for entry in walk:
        if entry.kind == "file" and wanted(entry.path):
            seen.add(entry.path)
            yield entry.path
    for path in sorted(wish.buffers):
        if path not in seen and path.startswith(prefix) and wanted(path) and not Path(wish.root, path).exists():
            yield path


def _text(wish: Search, path: str) -> str | None:
    if path in wish.buffers:
        return wish.buffers[path]
    try:
        with Path(wish.root, path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        return decode(data, path)[0] if len(data) <= MAX_BYTES else None
    except (OSError, RequestRefused):
        return None


def _matcher(wish: Search) -> Callable[[str], Iterator[tuple[int, str]]]:
    """The lines of a text that match, with their numbers."""
    if wish.regex:
        expression = re.compile(wish.pattern, re.IGNORECASE if wish.ignore_case else 0)
        return lambda text: _by_line(text, lambda line: expression.search(line) is not None)
    if wish.ignore_case:
        folded = wish.pattern.casefold()
        return lambda text: (
            _by_line(text, lambda line: folded in line.casefold()) if folded in text.casefold() else iter(())
        )
    return lambda text: _by_line(text, lambda line: wish.pattern in line) if wish.pattern in text else iter(())


def _by_line(text: str, fits: Callable[[str], bool]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(split_lines(text), 1):
        plain = without_ending(line)
        if fits(plain):
            yield number, plain


def _shortened(line: str) -> str:
    # Open documents may hold halves of surrogate pairs, which no answer can carry.
    line = line.encode("utf-8", "replace").decode("utf-8")
    return line if len(line) <= LINE else line[:LINE] + "…"


def as_data(found: Found) -> dict[str, Any]:
    """The result as plain JSON data."""
    matches = [{"path": match.path, "line": match.line, "text": match.text} for match in found.matches]
    return {"matches": matches, "truncated": found.truncated}
