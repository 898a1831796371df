"""A workspace in memory that answers like the host's, as far as an actor can tell. No files, no editor."""

import difflib
import fnmatch
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from vespiary_sdk.errors import CapabilityError


def content_hash(text: str) -> str:
    """The identity that the host gives a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class FakeWorkspace:
    """Texts by path. `files` may be changed by a test at any time, as a person types; `modified` names unsaved buffers."""

    def __init__(self, files: Mapping[str, str] | None = None) -> None:
        self.files: dict[str, str] = dict(files or {})
        self.modified: set[str] = set()

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Do one request. Raises `CapabilityError` as the host would refuse it."""
        handler = getattr(self, f"_{request.get('op')}", None)
        if handler is None:
            raise CapabilityError("request.malformed", f"The workspace has no operation {request.get('op')!r}.")
        for key in ("path", "to"):
            if key in request:
                self._check(str(request[key]))
        return handler(request)

    def _check(self, path: str) -> None:
        if path.startswith(("/", "\\")) or ".." in path.split("/") or re.match(r"[A-Za-z]:", path):
            raise CapabilityError(
                "workspace.path", f"{path} is outside of the workspace.", "Use a path relative to it, without `..`."
            )

    def _text(self, path: str) -> str:
        if path not in self.files:
            raise CapabilityError("workspace.missing", f"There is no file {path}.")
        return self.files[path]

    def _based(self, request: Mapping[str, Any]) -> tuple[str, str]:
        path = str(request["path"])
        text = self._text(path)
        if content_hash(text) != request.get("base"):
            raise CapabilityError(
                "workspace.stale", f"{path} has changed since it was read.", "Read it again, then repeat the change."
            )
        return path, text

    def _absent(self, path: str) -> None:
        if path in self.files:
            raise CapabilityError("workspace.exists", f"{path} exists already.")

    def _read(self, request: Mapping[str, Any]) -> dict[str, Any]:
        path = str(request["path"])
        text = self._text(path)
        size = len(text.encode())
        return {"path": path, "text": text, "hash": content_hash(text), "size": size, "modified": path in self.modified}

    def _stat(self, request: Mapping[str, Any]) -> dict[str, Any]:
        path = str(request["path"])
        if path in self.files:
            text = self.files[path]
            return {"path": path, "kind": "file", "size": len(text.encode()), "hash": content_hash(text)}
        return {"path": path, "kind": "folder" if path in self._folders() else "missing"}

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        root = str(request.get("path", "."))
        limit, depth, glob = request.get("limit", 1000), request.get("depth"), request.get("glob")
        if root not in self._folders():
            raise CapabilityError("workspace.missing", f"There is no folder {root}.")
        entries: list[dict[str, Any]] = []
        for path in sorted(self._folders() - {"."} | set(self.files)):
            inside = _below(root, path)
            if inside is None or (depth is not None and inside.count("/") >= depth):
                continue
            if glob is not None and not _matches(inside, str(glob)):
                continue
            if path in self.files:
                entries.append({"path": path, "kind": "file", "size": len(self.files[path].encode())})
            elif glob is None:
                entries.append({"path": path, "kind": "folder"})
        return {"entries": entries[:limit], "truncated": len(entries) > limit}

    def _search(self, request: Mapping[str, Any]) -> dict[str, Any]:
        pattern = str(request["pattern"])
        flags = re.IGNORECASE if request.get("ignore_case") else 0
        try:
            wanted = re.compile(pattern if request.get("regex") else re.escape(pattern), flags)
        except re.error as error:
            raise CapabilityError("workspace.request", f"The pattern is no regular expression: {error}.") from error
        root, limit, glob = str(request.get("path", ".")), request.get("limit", 200), request.get("glob")
        matches = [
            {"path": path, "line": number, "text": line}
            for path, text in sorted(self.files.items())
            if (path == root or _below(root, path) is not None) and (glob is None or _matches(path, str(glob)))
            for number, line in enumerate(text.splitlines(), 1)
            if wanted.search(line)
        ]
        return {"matches": matches[:limit], "truncated": len(matches) > limit}

    def _write(self, request: Mapping[str, Any]) -> dict[str, Any]:
        path, before = self._based(request)
        return self._put(path, before, str(request["text"]))

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        path = str(request["path"])
        self._absent(path)
        return self._put(path, "", str(request["text"]))

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        path, before = self._based(request)
        del self.files[path]
        return {"state": "applied", "diff": _diff(path, before, "")}

    def _rename(self, request: Mapping[str, Any]) -> dict[str, Any]:
        path, text = self._based(request)
        to = str(request["to"])
        self._absent(to)
        del self.files[path]
        self.files[to] = text
        return {"state": "applied", "hash": content_hash(text), "diff": f"rename from {path}\nrename to {to}\n"}

    def _put(self, path: str, before: str, after: str) -> dict[str, Any]:
        self.files[path] = after
        return {"state": "applied", "hash": content_hash(after), "diff": _diff(path, before, after)}

    def _folders(self) -> set[str]:
        found = {"."}
        for path in self.files:
            parts = path.split("/")[:-1]
            found |= {"/".join(parts[: end + 1]) for end in range(len(parts))}
        return found


def _below(root: str, path: str) -> str | None:
    """The path as seen from the folder `root`, or none if it is not below it."""
    if root in (".", ""):
        return path
    prefix = root.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def _matches(path: str, glob: str) -> bool:
    target = path if "/" in glob else path.rpartition("/")[2]
    return fnmatch.fnmatchcase(target, glob) or (glob.startswith("**/") and fnmatch.fnmatchcase(target, glob[3:]))


def _diff(path: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
