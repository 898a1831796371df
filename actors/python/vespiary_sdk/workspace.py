"""The workspace as the editor sees it: open buffers first, files otherwise. Paths are relative to it, with `/`.

A text is identified by its `hash`; whoever changes a file says which text was seen (`base`), and is refused with the code
`workspace.stale` when it is no longer that one. Every function raises `CapabilityError` when the host refuses.
"""

from dataclasses import dataclass
from typing import Any, Literal

from vespiary_sdk._runtime import request

Kind = Literal["file", "folder", "missing"]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text. `size` is in bytes; `modified`: an open buffer that is not saved."""

    path: str
    text: str
    hash: str
    size: int
    modified: bool = False


@dataclass(frozen=True, slots=True)
class Stat:
    """What is at a path."""

    path: str
    kind: Kind
    size: int | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a listing."""

    path: str
    kind: Kind
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What `list` found. `truncated`: there was more than the limit."""

    entries: tuple[Entry, ...]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """A line that matched; `line` counts from 1."""

    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Matches:
    """What `search` found. `truncated`: there was more than the limit."""

    matches: tuple[Match, ...]
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was made. `hash` is that of the new text, `diff` a unified diff."""

    state: str
    diff: str
    hash: str | None = None


async def read(path: str) -> TextFile:
    """The text at `path`. Refused for what is missing, binary or too large."""
    answer = await request("workspace", op="read", path=path)
    return TextFile(
        answer["path"], answer["text"], answer["hash"], answer.get("size", 0), bool(answer.get("modified", False))
    )


async def stat(path: str) -> Stat:
    """What is at `path`; a missing file is an answer, not an error."""
    answer = await request("workspace", op="stat", path=path)
    return Stat(answer["path"], answer["kind"], answer.get("size"), answer.get("hash"))


async def list(
    path: str = ".", *, glob: str | None = None, depth: int | None = None, limit: int | None = None
) -> Listing:
    """Files and folders below `path`, without ignored ones. `limit` counts entries (the host's default is 1000)."""
    answer = await request("workspace", op="list", path=path, glob=glob, depth=depth, limit=limit)
    entries = tuple(Entry(entry["path"], entry["kind"], entry.get("size")) for entry in answer["entries"])
    return Listing(entries, bool(answer.get("truncated", False)))


async def search(
    pattern: str,
    *,
    regex: bool = False,
    ignore_case: bool = False,
    path: str | None = None,
    glob: str | None = None,
    limit: int | None = None,
) -> Matches:
    """Lines that contain `pattern`, or match it as a regular expression. `limit` counts lines (the host's default is 200)."""
    answer = await request(
        "workspace",
        op="search",
        pattern=pattern,
        regex=regex,
        ignore_case=ignore_case,
        path=path,
        glob=glob,
        limit=limit,
    )
    matches = tuple(Match(match["path"], match["line"], match["text"]) for match in answer["matches"])
    return Matches(matches, bool(answer.get("truncated", False)))


async def write(path: str, base: str, text: str) -> Change:
    """Give the file whose text hashes to `base` a new text."""
    return _change(await request("workspace", op="write", path=path, base=base, text=text))


async def create(path: str, text: str) -> Change:
    """Make a file that does not exist yet."""
    return _change(await request("workspace", op="create", path=path, text=text))


async def delete(path: str, base: str) -> Change:
    """Remove the file whose text hashes to `base`."""
    return _change(await request("workspace", op="delete", path=path, base=base))


async def rename(path: str, to: str, base: str) -> Change:
    """Move the file whose text hashes to `base`; nothing is at `to` yet."""
    return _change(await request("workspace", op="rename", path=path, to=to, base=base))


def _change(answer: dict[str, Any]) -> Change:
    return Change(answer.get("state", "applied"), answer.get("diff", ""), answer.get("hash"))
