"""URIs of documents and paths within the workspace, on every system. Pure; knows no documents and does no IO."""

import os
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit


def path_of(uri: str) -> Path | None:
    """The file that a `file:` URI names; none for any other URI. Reads what editors write (`file:///c%3A/a%20b`)."""
    try:
        parts = urlsplit(uri)
    except ValueError:  # `scheme://[...`: extensions name what they show as they like.
        return None
    if parts.scheme != "file":
        return None
    path = unquote(parts.path)
    if parts.netloc and parts.netloc != "localhost":
        path = f"//{parts.netloc}{path}"
    elif os.name == "nt" and len(path) > 2 and path[0] == "/" and path[2] == ":":
        path = path[1:]
    return Path(path) if "\0" not in path else None


class Places:
    """The workspace's folder as the client names it and as the file system does; either may be behind a symbolic link."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._roots = tuple(
            dict.fromkeys(os.path.normcase(folder) for folder in (os.path.normpath(root.absolute()), self.root))
        )

    def relative(self, uri: str) -> str | None:
        """The workspace-relative path, with `/`, of a document; none when it is not a file within the workspace."""
        path = path_of(uri)
        if path is None:
            return None
        # `normpath` takes `..` away without following links, so that the name stays the editor's.
        plain = os.path.normpath(path)
        folded = os.path.normcase(plain)
        for root in self._roots:
            if folded.startswith(root.rstrip(os.sep) + os.sep):
                return PurePath(plain[len(root.rstrip(os.sep)) + 1 :]).as_posix()
        return None

    def uri(self, path: str) -> str:
        """The URI of a workspace-relative path."""
        return (self.root / path).as_uri()
