"""A model's edits applied to a text: exact, in order, all or none.

Pure: knows nothing of paths, hashes or the workspace. A model sees and writes lines that end with a plain newline; the text
keeps the line endings that it has, even where they are mixed, and a new line takes the ending of its neighbour.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Protocol

from files_nearest import explain_missing
from files_view import FILE_LIMIT
from vespiary_sdk import ToolError

_ENDING = re.compile(r"\r\n|\r|\n")
_LISTED = 10
"""Line numbers that an ambiguity names."""
_COUNTED = 1000
"""Matches that an ambiguity counts before it gives up."""
_FITTED = 5
"""Stale edits that are explained."""


class EditLike(Protocol):
    """What `apply_edits` reads of an edit."""

    @property
    def old_string(self) -> str:
        """The text to find."""
        ...

    @property
    def new_string(self) -> str:
        """What it becomes."""
        ...

    @property
    def replace_all(self) -> bool:
        """Whether every place is meant."""
        ...


def apply_edits(text: str, edits: Iterable[EditLike]) -> str:
    """The text after all edits, each seeing what the ones before it did. Raises `ToolError` naming the edit that does not fit."""
    edits = list(edits)
    normal, endings = split_endings(text)
    for number, edit in enumerate(edits, 1):
        where = f"Edit {number} of {len(edits)}: " if len(edits) > 1 else ""
        rest = " None of the edits was made." if len(edits) > 1 else " Nothing was changed."
        try:
            normal, endings = _apply(normal, endings, plain(edit.old_string), plain(edit.new_string), edit.replace_all)
        except ToolError as error:
            raise ToolError(f"{where}{error}\n{rest.strip()}") from None
    after = join_endings(normal, endings)
    if after == text:
        raise ToolError("The edits leave the file as it is. Nothing was changed.")
    return after


def fit(text: str, edits: Sequence[EditLike]) -> str:
    """How edits made against an older text stand to this one: a help for whoever has to make them anew. Bounded."""
    normal = plain(text)
    told: list[str] = []
    for number, edit in enumerate(edits[:_FITTED], 1):
        old = plain(edit.old_string)
        places = _places(normal, old, limit=_COUNTED) if old else []
        if places:
            told.append(f"Edit {number}: old_string is there now at {_at(normal, places)}.")
        elif old:
            told.append(f"Edit {number}: {explain_missing(normal, old)}")
    if len(edits) > _FITTED:
        told.append(f"[... {len(edits) - _FITTED} more edits ...]")
    return "\n".join(told)


def plain(text: str) -> str:
    """The text with every line ending a plain newline."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def split_endings(text: str) -> tuple[str, list[str] | None]:
    """The text with plain newlines, and the endings that stood there; none when all were plain."""
    if "\r" not in text:
        return text, None
    normal = plain(text)
    pairs = text.count("\r\n")
    if pairs == normal.count("\n"):  # by far the most frequent case, and findall is slow
        return normal, ["\r\n"] * pairs
    return normal, _ENDING.findall(text)


def join_endings(normal: str, endings: list[str] | None) -> str:
    """The inverse of `split_endings`, also for a text that was edited meanwhile."""
    if endings is None:
        return normal
    if endings.count("\r\n") == len(endings):
        return normal.replace("\n", "\r\n")
    lines = normal.split("\n")
    if "\r" in endings:
        # A lone `\r` that came to stand before a lone `\n` would make one ending of two.
        endings = list(endings)
        for at in range(len(endings) - 2, -1, -1):
            if endings[at] == "\r" and endings[at + 1] == "\n" and not lines[at + 1]:
                endings[at] = "\n"
    return "".join(chain.from_iterable(zip(lines, [*endings, ""], strict=True)))


def _apply(
    normal: str, endings: list[str] | None, old: str, new: str, everywhere: bool
) -> tuple[str, list[str] | None]:
    if not old:
        if normal:
            raise ToolError("old_string is empty, but the file has text. Give the text that new_string replaces.")
        return new, None
    if old == new:
        raise ToolError("old_string and new_string are the same.")
    places = _places(normal, old, limit=2 if everywhere else _COUNTED)
    if not places:
        raise ToolError(explain_missing(normal, old))
    if len(places) > 1 and not everywhere:
        raise ToolError(_ambiguous(normal, places))
    if everywhere and len(normal) + normal.count(old) * (len(new) - len(old)) > FILE_LIMIT:
        raise ToolError(f"The file would become larger than {FILE_LIMIT:,} bytes.")
    if endings is None:
        return normal.replace(old, new) if everywhere else normal.replace(old, new, 1), None
    return _replace_keeping(normal, endings, old, new, None if everywhere else 1)


def _places(text: str, old: str, limit: int) -> list[int]:
    # Overlapping places count: `}\n}` stands twice in `}\n}\n}`, and which one is meant cannot be known.
    places: list[int] = []
    at = text.find(old)
    while at >= 0 and len(places) < limit:
        places.append(at)
        at = text.find(old, at + 1)
    return places


def _ambiguous(text: str, places: list[int]) -> str:
    count = f"{len(places)}" if len(places) < _COUNTED else f"at least {_COUNTED}"
    return (
        f"old_string stands {count} times in the file ({_at(text, places)}). "
        "Add lines around it until it is unique, or set replace_all."
    )


def _at(text: str, places: list[int]) -> str:
    lines: list[int] = []
    line, seen = 1, 0
    for place in places[:_LISTED]:
        line += text.count("\n", seen, place)
        seen = place
        lines.append(line)
    more = ", ..." if len(places) > _LISTED else ""
    return f"line{'' if len(places) == 1 else 's'} {', '.join(map(str, lines))}{more}"


def _replace_keeping(normal: str, endings: list[str], old: str, new: str, count: int | None) -> tuple[str, list[str]]:
    if "\n" not in old and "\n" not in new:
        return normal.replace(old, new, -1 if count is None else count), endings
    taken, given = old.count("\n"), new.count("\n")
    parts: list[str] = []
    kept: list[str] = []
    done = line = 0
    while count is None or count > 0:
        at = normal.find(old, done)
        if at < 0:
            break
        first = line + normal.count("\n", done, at)
        parts += (normal[done:at], new)
        kept += endings[line:first]
        region = endings[first : first + taken]
        # More new lines than old ones: they follow the last of the region, or the line that they stand in.
        filler = (region or endings[first : first + 1] or endings[first - 1 : first] or ["\n"])[-1]
        kept += (region + [filler] * (given - taken))[:given]
        done, line = at + len(old), first + taken
        if count is not None:
            count -= 1
    parts.append(normal[done:])
    kept += endings[line:]
    return "".join(parts), kept
