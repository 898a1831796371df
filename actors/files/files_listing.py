"""Listings and search results as they are shown to a model: bounded, and saying so when something is left out. Pure."""

from collections.abc import Iterable

from vespiary_sdk.workspace import Listing, Matches

ENTRIES = 500
"""Entries that a listing shows."""
DEPTH = 3
"""Folders that a listing goes down when neither a depth nor a glob is given."""
MATCHES = 200
"""Lines that a search shows."""
_WIDTH = 300
"""Characters of a line that a search shows."""
_ROOM = 32_000
"""Characters of a listing or a search."""


def render_entries(path: str, listing: Listing) -> str:
    """A path a line; folders end with `/`."""
    lines = [f"{entry.path}/" if entry.kind == "folder" else entry.path for entry in listing.entries]
    if not lines:
        return f"Nothing found in `{path}`."
    return _bounded(lines, listing.truncated, "narrow it with path, glob or depth")


def render_matches(pattern: str, matches: Matches) -> str:
    """`path:line:text`, a match a line."""
    lines = [f"{match.path}:{match.line}:{_cut(match.text)}" for match in matches.matches]
    if not lines:
        shown = pattern if len(pattern) <= 100 else pattern[:97] + "..."
        return f"No line matches {shown!r}."
    return _bounded(lines, matches.truncated, "narrow it with path, glob or a longer pattern")


def _cut(text: str) -> str:
    text = text.rstrip("\r\n")
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]} [...]"


def _bounded(lines: Iterable[str], truncated: bool, advice: str) -> str:
    shown: list[str] = []
    room = _ROOM
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            truncated = True
            break
        shown.append(line)
    if truncated:
        shown.append(f"[truncated: there is more; {advice}]")
    return "\n".join(shown)
