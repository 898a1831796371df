"""Glob patterns as regular expressions that cannot be made to run long.

Patterns come from models and from files of the workspace, so a pattern such as `*a*a*a*a*b` must not cost exponential or high
polynomial time. As the first place where the piece after a star fits is always good enough, every such piece is matched atomically.
Knows patterns and paths with `/`; knows nothing of files.
"""

import re
from functools import lru_cache

LONGEST = 1000
"""Characters that a pattern may have."""
_ALTERNATIVES = 64
"""Patterns that the braces of one pattern may stand for."""


class GlobInvalid(ValueError):
    """A pattern that cannot be meant; the message says why."""


def expression(pattern: str) -> str:
    """The regular expression (for `fullmatch`) of a pattern: `*` and `?` stay within a component, `**` spans components."""
    if len(pattern) > LONGEST:
        raise GlobInvalid(f"it is longer than {LONGEST} characters")
    chunks: list[list[str]] = [[]]
    for part in _components(pattern):
        if part == "**":
            if chunks[-1] or len(chunks) == 1:
                chunks.append([])
        elif part:
            chunks[-1].append(_component(part))
    first, *rest = ["/".join(chunk) for chunk in chunks]
    if not rest:
        return first
    out = f"{first}/" if first else ""
    for middle in rest[:-1]:
        out += f"(?>(?:[^/]+/)*?{middle}/)"
    return out + (f"(?:[^/]+/)*{rest[-1]}" if rest[-1] else ".+")


def _components(pattern: str) -> list[str]:
    """The pattern at its slashes; one within brackets or after a backslash is none."""
    parts = [""]
    at = 0
    while at < len(pattern):
        end = at + 1
        if pattern[at] == "\\":
            end += 1
        elif pattern[at] == "[":
            end = _class(pattern, end)[1]
        elif pattern[at] == "/":
            parts.append("")
            at = end
            continue
        parts[-1] += pattern[at:end]
        at = end
    return parts


def _component(part: str) -> str:
    """One component: pieces between stars, each of a fixed length."""
    pieces = [""]
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            pieces.append("")
        elif char == "?":
            pieces[-1] += "[^/]"
        elif char == "[":
            found, at = _class(part, at)
            pieces[-1] += found
        elif char == "\\" and at < len(part):
            pieces[-1] += re.escape(part[at])
            at += 1
        else:
            pieces[-1] += re.escape(char)
    first, *rest = pieces
    if not rest:
        return first
    middles = "".join(f"(?>[^/]*?{piece})" for piece in rest[:-1] if piece)
    # The last piece ends the component, so the star before it can only end in one place.
    return f"{first}{middles}[^/]*{rest[-1]}(?=/|\\Z)" if rest[-1] else f"{first}{middles}[^/]*"


def _class(part: str, at: int) -> tuple[str, int]:
    """A bracket expression beginning after its `[`, and where it ends. One that is never closed is a plain bracket."""
    start = at
    negated = part[at : at + 1] in ("!", "^")
    at += negated
    items: list[str] = []
    while at < len(part) and (part[at] != "]" or not items):
        if part[at] == "\\" and at + 1 < len(part):
            at += 1
        low = part[at]
        at += 1
        if part[at : at + 1] == "-" and part[at + 1 : at + 2] not in ("", "]"):
            high = part[at + 1]
            at += 2
            if low <= high:
                items.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            items.append(re.escape(low))
    if at >= len(part):
        return re.escape("["), start
    if not items:
        return ("[^/]" if negated else "(?!)"), at + 1
    return f"(?!/)[{'^' if negated else ''}{''.join(items)}]", at + 1


def _expanded(pattern: str) -> list[str]:
    """The patterns that `{a,b}` stands for. Braces without a comma are plain."""
    done: list[str] = []
    todo = [pattern]
    while todo:
        current = todo.pop()
        braces = re.search(r"\{([^{}]*,[^{}]*)\}", current)
        if braces is None:
            done.append(current)
        else:
            todo += [current[: braces.start()] + word + current[braces.end() :] for word in braces[1].split(",")]
        if len(done) + len(todo) > _ALTERNATIVES:
            raise GlobInvalid(f"its braces stand for more than {_ALTERNATIVES} patterns")
    return done


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """A person's or model's glob: `*.py` matches in every folder, `src/*.py` from the top; `{a,b}` are alternatives.

    Raises `GlobInvalid`.
    """
    if len(pattern) > LONGEST:
        raise GlobInvalid(f"it is longer than {LONGEST} characters")
    parts: list[str] = []
    for one in _expanded(pattern.replace("\\", "/").removeprefix("./")):
        anchored = "/" in one.rstrip("/")
        parts.append(expression(one.strip("/") if anchored else f"**/{one.strip('/')}"))
    return re.compile("|".join(f"(?:{part})" for part in parts), re.DOTALL)
