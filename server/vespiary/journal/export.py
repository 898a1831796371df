"""A run for people and other programs: one JSON-able mapping after another, and how much a journal holds."""

import base64
import dataclasses
import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from vespiary.journal.records import Stats


def plain(value: Any) -> Any:
    """The value with nothing in it that JSON has not: bytes become `{"base64": ...}`, infinite numbers texts."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in cast("dict[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("list[Any]", value)]
    return value


def record(kind: str, value: Any) -> dict[str, Any]:
    """A record as a mapping that says its kind. Whether a dead letter was a message or an answer is its `letter`."""
    values: dict[str, Any] = plain(dataclasses.asdict(value))
    if "kind" in values:
        values["letter"] = values.pop("kind")
    return {"kind": kind, **values}


def events(found: Iterator[tuple[int, bytes]]) -> Iterator[dict[str, Any]]:
    """Events as mappings, read as the JSON that they usually are."""
    for seq, data in found:
        try:
            content = json.loads(data)
        except ValueError:
            content = plain(data)
        yield {"kind": "event", "seq": seq, "event": content}


def stats(connection: sqlite3.Connection, path: Path) -> Stats:
    """Sizes and counts."""

    def number(statement: str) -> int:
        return int(connection.execute(statement).fetchone()[0] or 0)

    frames, entries, size = connection.execute(
        "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(length(data)), 0) FROM frames"
    ).fetchone()
    return Stats(
        file_bytes=_size(path),
        wal_bytes=_size(path.with_name(path.name + "-wal")),
        free_bytes=number("PRAGMA freelist_count") * number("PRAGMA page_size"),
        runs=dict(connection.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall()),
        frames=frames,
        entries=entries,
        entry_bytes=size,
        events=number("SELECT sum(count) FROM events"),
        usage=number("SELECT count(*) FROM usage"),
        dead=number("SELECT count(*) FROM dead"),
        sessions=number("SELECT count(*) FROM sessions"),
        specs=number("SELECT count(*) FROM specs"),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
