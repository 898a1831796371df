"""Where a path that an actor gives leads, and whether it may go there.

Knows the workspace's root, the forms in which paths try to leave it, and what in it is not for agents. Follows symbolic links to
see where they lead; opens nothing (`safe_files` does).
"""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from vespiary.model.errors import RequestRefused

LONGEST = 4096
"""Characters that a path may have."""

_DRIVE = re.compile(r"[A-Za-z]:")
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])(\.|:|\Z)", re.IGNORECASE)
_WINDOWS_FORBIDDEN = re.compile(r'[<>:"|?*]')
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_SHORT_NAME = re.compile(r"(git|vespia)~[0-9]+\Z")
# Code points that some file systems skip when they compare names.
_SKIPPED = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_OWNERS = {".git": "git", ".vespiary": "Vespiary"}


@dataclass(frozen=True, slots=True)
class Located:
    """A path that stays inside the workspace."""

    path: str
    """As it was asked for, normalised: relative, with `/`; `.` is the workspace itself."""
    real: tuple[str, ...]
    """Where it leads once every symbolic link is followed, relative to the root; nothing there need exist."""
    entry: tuple[str, ...]
    """The same, but with the last component as it was asked for: the link itself, if it is one."""

    @property
    def real_path(self) -> str:
        """`real` as a path."""
        return "/".join(self.real) or "."

    @property
    def key(self) -> str:
        """What two names of one file have in common, for locks: neither the case of letters nor how accents are composed counts."""
        return unicodedata.normalize("NFC", "/".join(self.real).casefold())


def protected(name: str) -> str | None:
    """Whose folder a component names, if it is one that agents keep out of: in any case and any disguise."""
    plain = _SKIPPED.sub("", name).partition(":")[0].rstrip(". ").casefold()
    if short := _SHORT_NAME.match(plain):
        return "git" if short[1] == "git" else "Vespiary"
    return _OWNERS.get(plain)


def parts_of(path: str, *, windows: bool = os.name == "nt") -> tuple[str, ...]:
    """The components of a path, checked by their form alone. Raises `RequestRefused` with `workspace.path`."""
    if not path or path.isspace():
        raise _refused(path, "it is empty", "Name a file relative to the workspace; `.` is the workspace itself.")
    if len(path) > LONGEST:
        raise _refused(path, f"it is longer than {LONGEST} characters")
    if _CONTROL.search(path):
        raise _refused(path, "it holds a control character")
    path = path.replace("\\", "/")
    if path.startswith("/") or _DRIVE.match(path):
        raise _refused(path, "it is absolute", "Name the file relative to the workspace, such as `src/main.py`.")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    for part in parts:
        if part == "..":
            raise _refused(path, "it holds `..`", "Name the file relative to the workspace, without `..`.")
        if owner := protected(part):
            raise _refused(path, f"{part!r} belongs to {owner}")
        if windows and (_RESERVED.match(part) or _WINDOWS_FORBIDDEN.search(part) or part.endswith((".", " "))):
            raise _refused(path, f"{part!r} is no name for a file on Windows")
    return parts


class Paths:
    """Resolves paths within one workspace. Every method blocks on the file system; call it in a thread."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.realpath(root))
        """The workspace with all its own links followed."""

    def locate(self, path: str) -> Located:
        """Where a path leads. Raises `RequestRefused` with `workspace.path`, saying why it may not be used."""
        parts = parts_of(path)
        if not parts:
            return Located(".", (), ())
        folder = self._inside(path, parts[:-1])
        return Located("/".join(parts), self._inside(path, parts), (*folder, parts[-1]))

    def _inside(self, path: str, parts: tuple[str, ...]) -> tuple[str, ...]:
        try:
            real = Path(os.path.realpath(self.root.joinpath(*parts)))
            inner = real.relative_to(self.root).parts
        except ValueError:
            raise _refused(path, "a symbolic link in it leaves the workspace") from None
        except OSError as error:
            raise _refused(path, f"the file system says: {error.strerror}") from None
        for part in inner:
            if owner := protected(part):
                raise _refused(path, f"it leads to {part!r}, which belongs to {owner}")
        return inner


def inside(root: Path, path: str) -> Path:
    """The file that a path of the workspace `root` leads to. Blocks; raises `RequestRefused` with `workspace.path`."""
    paths = Paths(root)
    return paths.root.joinpath(*paths.locate(path).real)


def _refused(path: str, why: str, hint: str | None = None) -> RequestRefused:
    shown = path if len(path) <= 200 else path[:197] + "..."
    return RequestRefused(f"The path {shown!r} cannot be used: {why}.", hint=hint, code="workspace.path")
