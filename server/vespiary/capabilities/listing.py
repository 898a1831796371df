"""Listing what is in a folder of the workspace. One blocking function; knows nothing of requests or grants."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from vespiary.capabilities.globs import compiled
from vespiary.capabilities.walk import Entry, Walk


def listing(
    root: Path,
    start: str,
    *,
    glob: str | None = None,
    depth: int | None = None,
    limit: int = 1000,
    seconds: float = 8.0,
    unsaved: Iterable[str] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> tuple[list[Entry], bool]:
    """The entries below the folder `start` that fit the glob, and whether there may be more of them.

    `unsaved` are documents that may have no file yet. Ends at the limit, when the time is over, or when `stopped` says so.
    """
    end = time.monotonic() + seconds
    walk = Walk(root, start, depth=depth, stopped=lambda: stopped() or time.monotonic() > end)
    prefix = f"{start}/" if start else ""
    fits = compiled(glob).fullmatch if glob else None

    def wanted(path: str) -> bool:
        return fits is None or fits(path) is not None or fits(path[len(prefix) :]) is not None

    found: list[Entry] = []
    for entry in walk:
        if wanted(entry.path):
            if len(found) == limit:
                return found, True
            found.append(entry)
    for path in sorted(unsaved):
        near = path.startswith(prefix) and (depth is None or path.count("/", len(prefix)) < depth)
        if near and wanted(path) and not (root / path).exists():
            if len(found) == limit:
                return found, True
            found.append(Entry(path, "file"))
    return found, walk.stopped_early
