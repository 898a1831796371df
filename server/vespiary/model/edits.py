"""Changes to the workspace, as values.

Paths are workspace-relative with `/`, whatever the system. Offsets count code points. A proposal carries the hash of the
text that it was made against, so that it is applied to that text or not at all, and never twice.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


def content_hash(text: str) -> str:
    """The identity of a text: 16 hexadecimal digits of the BLAKE2b of its UTF-8 form."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Replace the code points `start` to `end` (exclusive) by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class ReplaceText:
    """Change a file that exists. `edits` ascend and do not overlap; applied to the text hashing to `base` they give `after`."""

    path: str
    base: str
    edits: tuple[TextEdit, ...]
    after: str
    """Hash of the text that results: what success is confirmed by."""


@dataclass(frozen=True, slots=True)
class CreateFile:
    """Make a file that does not exist yet, and the folders above it."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove a file that hashes to `base`."""

    path: str
    base: str


@dataclass(frozen=True, slots=True)
class RenameFile:
    """Move a file that hashes to `base`; the target does not exist yet."""

    path: str
    to: str
    base: str


FileChange = ReplaceText | CreateFile | DeleteFile | RenameFile


class ApplyState(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    """Done, and confirmed by the content."""
    STALE = "stale"
    """The text is no longer the one that the change was made against. Nothing was changed."""
    REFUSED = "refused"
    """The editor or the file system said no. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The outcome of applying one change. `reason` is for people and models."""

    state: ApplyState
    reason: str | None = None
