"""Why a text was not found, in words that help a model to find it: what in the file comes nearest.

Pure. Bounded in work and in words, however large the file and whatever the model wrote.
"""

import heapq
import re
from difflib import SequenceMatcher

_NUMBERED = re.compile(r"^\s*\d+:", re.MULTILINE)
_WORD = re.compile(r"\w{3,}")
_SHOWN = 12
"""Lines of the file that are shown."""
_WIDTH = 200
"""Characters of a line that are compared and shown."""
_SCANNED = 50_000
"""Lines of the file that are looked at."""
_COMPARED = 1_500
"""Lines whose characters are counted, which is quick."""
_MEASURED = 40
"""Lines that are compared in full, which is slow: those that promise most."""
_LONG = 2_000
"""Characters of a line that are compared without its white space."""
_ALIGNED = 200
"""Lines of the wanted text that are looked for with other white space."""
_SIMILAR = 0.6

_MISSING = "old_string was not found in the file."


def explain_missing(text: str, wanted: str) -> str:
    """One sentence that `wanted` is not in `text`, and the best advice that can be given. Both have plain newlines."""
    if _all_numbered(wanted) and _NUMBERED.sub("", wanted) in text:
        return f"{_MISSING} Leave out the line numbers (`12:`): they are not part of the file."
    unescaped = wanted.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
    if unescaped != wanted and unescaped in text:
        return f"{_MISSING} It is escaped once too often: it holds a backslash and a letter where the file has the character."
    trimmed = wanted.strip("\n")
    if trimmed and trimmed != wanted and trimmed in text:
        return f"{_MISSING} It stands there without the line breaks that old_string has at its beginning or end."
    lines = text.split("\n")[:_SCANNED]
    asked = trimmed.split("\n")
    at = _spaced_otherwise(lines, asked)
    if at is not None:
        return f"{_MISSING} The same words stand there with other white space:\n{_show(lines, at, len(asked))}"
    at = _similar(lines, asked)
    if at is not None:
        return f"{_MISSING} The nearest lines are:\n{_show(lines, at, len(asked))}"
    return f"{_MISSING} Nothing in the file is like it. Read the file again."


def _all_numbered(wanted: str) -> bool:
    return all(_NUMBERED.match(line) for line in wanted.split("\n") if line.strip())


def _spaced_otherwise(lines: list[str], asked: list[str]) -> int | None:
    bare = [_bare(line) for line in asked[:_ALIGNED]]
    if not any(bare):
        return None
    have = [_bare(line) for line in lines]
    start = -1
    while True:
        try:
            start = have.index(bare[0], start + 1)
        except ValueError:
            return None
        if have[start : start + len(bare)] == bare:
            return start


def _bare(line: str) -> str:
    return " ".join(line[:_LONG].split())


def _similar(lines: list[str], asked: list[str]) -> int | None:
    """The line where the text that looks most like `asked` begins, judged by the longest line of it."""
    anchor_at = max(range(len(asked)), key=lambda index: len(asked[index].strip()))
    anchor = asked[anchor_at].strip()[:_WIDTH]
    if len(anchor) < 3:
        return None
    words = sorted(set(_WORD.findall(anchor)), key=lambda word: (-len(word), word))[:8]
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(anchor)
    for narrow in (True, False) if words else (False,):
        likely: list[tuple[float, int]] = []
        compared = 0
        for at, line in enumerate(lines):
            if narrow and not any(word in line for word in words):
                continue
            candidate = line.strip()[:_WIDTH]
            shorter, longer = sorted((len(candidate), len(anchor)))
            if 2 * shorter < _SIMILAR * (shorter + longer):
                continue
            compared += 1
            if compared > _COMPARED:
                break
            matcher.set_seq1(candidate)
            if (upper := matcher.quick_ratio()) > _SIMILAR:
                likely.append((-upper, at))
        best, best_at = _SIMILAR, None
        for upper, at in heapq.nsmallest(_MEASURED, likely):
            if -upper <= best:
                break
            matcher.set_seq1(lines[at].strip()[:_WIDTH])
            if (ratio := matcher.ratio()) > best:
                best, best_at = ratio, at
        if best_at is not None:
            return max(0, best_at - anchor_at)
    return None


def _show(lines: list[str], at: int, count: int) -> str:
    end = min(len(lines), at + min(count, _SHOWN))
    shown = [f"{number}:{line[:_WIDTH]}" for number, line in enumerate(lines[at:end], at + 1)]
    if count > _SHOWN:
        shown.append("[...]")
    return "\n".join(shown)
