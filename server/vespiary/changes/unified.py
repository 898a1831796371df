"""Unified diffs: what people read and `git apply` takes.

Pure functions on texts. Lines end with `\\n` here, as they do for git and patch; a carriage return is part of its line.
"""

from collections.abc import Sequence

from vespiary.changes.match import Hunk, hunks


def unified(path: str, old: str | None, new: str | None, context: int = 3, *, to: str | None = None) -> str:
    """The change of a file as a unified diff with `context` lines around each hunk; empty when nothing changed.

    `old` is none for a new file, `new` for a deleted one. `to` is the new path of a renamed file. A missing newline at the end is
    shown in the way of git and patch.
    """
    renamed = to is not None and to != path
    if old == new and not renamed:
        return ""
    head: list[str] = []
    if renamed:
        head += [f"diff --git {_name('a/', path)} {_name('b/', to)}\n", f"rename from {_name('', path)}\n"]
        head += [f"rename to {_name('', to)}\n"]
    elif old is None or new is None:
        kind = "new file mode 100644" if old is None else "deleted file mode 100644"
        head += [f"diff --git {_name('a/', path)} {_name('b/', path)}\n", f"{kind}\n"]
    before, after = _lines(old or ""), _lines(new or "")
    changed = hunks(before, after)
    if not changed:
        return "".join(head)
    head.append(f"--- {_label('a/', path) if old is not None else '/dev/null'}\n")
    head.append(f"+++ {_label('b/', to or path) if new is not None else '/dev/null'}\n")
    body = [_group(group, before, after, context) for group in _groups(changed, context)]
    return "".join(head) + "".join(body)


def shortened(text: str, most: int) -> str:
    """A diff cut at a line's end to about `most` characters, with a last line that says so."""
    if len(text) <= most:
        return text
    cut = text.rfind("\n", 0, most) + 1 or most
    left = text.count("\n", cut)
    return f"{text[:cut]}... {left} more lines of this diff are left out ...\n"


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    last = parts.pop()
    lines = [part + "\n" for part in parts]
    return [*lines, last] if last else lines


def _groups(changed: Sequence[Hunk], context: int) -> list[list[Hunk]]:
    """Hunks whose context meets are shown as one."""
    groups: list[list[Hunk]] = []
    for hunk in changed:
        if groups and hunk[0] - groups[-1][-1][1] <= 2 * context:
            groups[-1].append(hunk)
        else:
            groups.append([hunk])
    return groups


def _group(group: Sequence[Hunk], before: Sequence[str], after: Sequence[str], context: int) -> str:
    first, last = group[0], group[-1]
    lead = min(context, first[0])
    i1, j1 = first[0] - lead, first[2] - lead
    trail = min(context, len(before) - last[1])
    i2, j2 = last[1] + trail, last[3] + trail
    out = [f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n"]
    at = i1
    for h1, h2, k1, k2 in group:
        out += [_line(" ", line) for line in before[at:h1]]
        out += [_line("-", line) for line in before[h1:h2]]
        out += [_line("+", line) for line in after[k1:k2]]
        at = h2
    out += [_line(" ", line) for line in before[at:i2]]
    return "".join(out)


def _line(sign: str, line: str) -> str:
    return f"{sign}{line}" if line.endswith("\n") else f"{sign}{line}\n\\ No newline at end of file\n"


def _range(start: int, stop: int) -> str:
    count = stop - start
    if count == 1:
        return str(start + 1)
    return f"{start + 1 if count else start},{count}"


def _name(prefix: str, path: str | None) -> str:
    """A path as git writes it: quoted when it holds what would break the line."""
    text = prefix + (path or "")
    if not any(char in '"\\' or ord(char) < 0x20 or ord(char) == 0x7F for char in text):
        return text
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _label(prefix: str, path: str) -> str:
    # A tab after a name with spaces ends it, for patch and git alike.
    name = _name(prefix, path)
    return f"{name}\t" if " " in name and not name.startswith('"') else name


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return f"\\{ord(char):03o}" if ord(char) < 0x20 or ord(char) == 0x7F else char
