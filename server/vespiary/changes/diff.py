"""The difference between two texts as edits, and what can be done with edits: apply, invert, show.

Pure functions on texts; knows nothing of files or editors. Offsets are code points.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from vespiary.changes.lines import split_lines
from vespiary.changes.match import hunks
from vespiary.model.edits import TextEdit
from vespiary.model.errors import VespiaryError

_ROWS = 1000
"""Lines of a changed stretch up to which each line gets an edit of its own."""


class EditsInvalid(VespiaryError):
    """Edits that cannot be applied: outside the text, out of order or overlapping."""

    code = "edit.invalid"


def diff(old: str, new: str) -> tuple[TextEdit, ...]:
    """Small edits that turn `old` into `new`: ascending, with text between them, never inside `\\r\\n` or a surrogate pair.

    Time is linear in the texts plus a bounded search in the stretch that differs. A stretch that is too different becomes one edit.
    """
    if old == new:
        return ()
    start, end, new_end = _middle(old, new)
    return tuple(_merged(_edits(old, new, start, end, new_end), old))


def apply_edits(text: str, edits: Sequence[TextEdit]) -> str:
    """The text with the edits applied. Raises `EditsInvalid`."""
    _check(text, edits)
    parts: list[str] = []
    at = 0
    for edit in edits:
        parts += (text[at : edit.start], edit.text)
        at = edit.end
    parts.append(text[at:])
    return "".join(parts)


def inverse(text: str, edits: Sequence[TextEdit]) -> tuple[TextEdit, ...]:
    """The edits that take `apply_edits(text, edits)` back to `text`. Raises `EditsInvalid`."""
    _check(text, edits)
    found: list[TextEdit] = []
    shift = 0
    for edit in edits:
        start = edit.start + shift
        found.append(TextEdit(start, start + len(edit.text), text[edit.start : edit.end]))
        shift += len(edit.text) - (edit.end - edit.start)
    return tuple(found)


def _check(text: str, edits: Sequence[TextEdit]) -> None:
    for edit in edits:
        if not 0 <= edit.start <= edit.end <= len(text):
            raise EditsInvalid(f"An edit of {edit.start} to {edit.end} does not fit a text of {len(text)} characters.")
    for before, after in pairwise(edits):
        if after.start < before.end:
            raise EditsInvalid(f"The edits at {before.start} and {after.start} overlap or are out of order.")


def _edits(old: str, new: str, start: int, end: int, new_end: int) -> Iterator[TextEdit]:
    """The edits between two whole-line stretches, `old[start:end]` and `new[start:new_end]`."""
    old_lines, new_lines = split_lines(old[start:end]), split_lines(new[start:new_end])
    at = new_at = start
    done = new_done = 0
    for i1, i2, j1, j2 in hunks(old_lines, new_lines):
        at += sum(map(len, old_lines[done:i1]))
        new_at += sum(map(len, new_lines[new_done:j1]))
        rows = [(i1, i2, j1, j2)]
        if i2 - i1 == j2 - j1 <= _ROWS:
            # As many lines as before: each is compared with its own successor, which keeps edits and cursors apart.
            rows = [(i, i + 1, i - i1 + j1, i - i1 + j1 + 1) for i in range(i1, i2)]
        for r1, r2, c1, c2 in rows:
            stop = at + sum(map(len, old_lines[r1:r2]))
            new_stop = new_at + sum(map(len, new_lines[c1:c2]))
            yield _trimmed(old, at, stop, new, new_at, new_stop)
            at, new_at = stop, new_stop
        done, new_done = i2, j2


def _trimmed(old: str, at: int, stop: int, new: str, new_at: int, new_stop: int) -> TextEdit:
    """The replacement of a stretch, without what is the same at its begin and end."""
    begin = _common_prefix(old[at:stop], new[new_at:new_stop])
    while begin and (_inseparable(old, at + begin) or _inseparable(new, new_at + begin)):
        begin -= 1
    at, new_at = at + begin, new_at + begin
    tail = _common_prefix(old[at:stop][::-1], new[new_at:new_stop][::-1])
    while tail and (_inseparable(old, stop - tail) or _inseparable(new, new_stop - tail)):
        tail -= 1
    return TextEdit(at, stop - tail, new[new_at : new_stop - tail])


def _inseparable(text: str, at: int) -> bool:
    """Whether the characters before and after `at` belong together: `\\r\\n`, or the halves of a surrogate pair."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    return (before == "\r" and after == "\n") or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")


def _merged(edits: Iterator[TextEdit], old: str) -> Iterator[TextEdit]:
    """Edits that touch, joined; edits that change nothing, left out."""
    held: TextEdit | None = None
    for edit in edits:
        if edit.text == old[edit.start : edit.end]:
            continue
        if held is not None and edit.start <= held.end:
            held = TextEdit(held.start, edit.end, held.text + edit.text)
            continue
        if held is not None:
            yield held
        held = edit
    if held is not None:
        yield held


def _middle(old: str, new: str) -> tuple[int, int, int]:
    """Where the texts differ, in whole lines: the begin in both, and the end in each."""
    start = _common_prefix(old, new)
    # Back to a line's begin. An ending right before the difference counts only if nothing of it can be to the right.
    start = max(old.rfind("\n", 0, start), old.rfind("\r", 0, start - 1 if start else 0)) + 1
    if start and (_inseparable(old, start) or _inseparable(new, start)):
        start = max(old.rfind("\n", 0, start - 1), old.rfind("\r", 0, start - 1)) + 1
    room = min(len(old), len(new)) - start
    tail = _common_suffix(old, new, room)
    first = min((at for ending in "\r\n" if (at := old.find(ending, len(old) - tail)) >= 0), default=len(old)) + 1
    if _inseparable(old, first):
        first += 1
    tail = max(0, len(old) - first)
    return start, len(old) - tail, len(new) - tail


def _common_prefix(a: str, b: str) -> int:
    """The number of characters that both begin with, by halving: comparing slices is far faster than comparing characters."""
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    step = 64
    while low + step < high and a[low : low + step] == b[low : low + step]:
        low += step
        step *= 2
    high = min(high, low + step)
    while low < high:
        half = (low + high + 1) // 2
        if a[low:half] == b[low:half]:
            low = half
        else:
            high = half - 1
    return low


def _common_suffix(a: str, b: str, most: int) -> int:
    """The number of characters, at most `most`, that both end with."""
    low, high, step = 0, most, 64
    while low + step < high and _same_end(a, b, low, low + step):
        low += step
        step *= 2
    high = min(high, low + step)
    while low < high:
        half = (low + high + 1) // 2
        if _same_end(a, b, low, half):
            low = half
        else:
            high = half - 1
    return low


def _same_end(a: str, b: str, low: int, high: int) -> bool:
    return a[len(a) - high : len(a) - low] == b[len(b) - high : len(b) - low]
