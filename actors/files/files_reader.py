"""The tools that read files for a model. Keeps which texts the model has seen; the host keeps the texts.

Knows nothing of models, and of the workspace only what the SDK offers. Changing files is the matter of `files`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast
from weakref import WeakValueDictionary

from files_listing import DEPTH, ENTRIES, MATCHES, render_entries, render_matches
from files_view import view
from vespiary_sdk import Actor, ActorError, ToolError, tool, workspace


def _listing_title(path: str = ".", **_: object) -> str:
    return f"Listing {path:.80}"


def _search_title(pattern: str, **_: object) -> str:
    return f"Searching for {pattern:.80}"


class Reader(Actor):
    """The tools that only read."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._seen: dict[str, str] = {}
        """The hash of each text that the model has seen last."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def snapshot(self) -> Any:
        """Which texts the model has seen."""
        return {"version": 1, "seen": self._seen}

    def restore(self, state: Any) -> None:
        """Know again which texts the model has seen."""
        if not isinstance(state, dict) or cast("dict[str, Any]", state).get("version") != 1:
            raise ActorError("The files actor cannot read this state: it was written by another version.")
        self._seen = dict(cast("dict[str, Any]", state)["seen"])

    @tool(title="Reading {path}")
    async def read_file(self, path: str, start_line: int | None = None, end_line: int | None = None) -> str:
        """Read a text file as the editor shows it, unsaved changes included. Each line comes as `number:text`.

        A file above 64 KiB must be read in parts.

        Args:
            path: The file, relative to the project.
            start_line: The first line to show, counted from 1.
            end_line: The last line to show.
        """
        path = self._path(path)
        async with self._alone(path):
            file = await workspace.read(path)
            shown = view(file.path, file.text, file.size, file.modified, start_line, end_line)
            self._seen[path] = file.hash
            return shown

    @tool(title=_listing_title)
    async def list_files(self, path: str = ".", glob: str | None = None, depth: int | None = None) -> str:
        """List files and folders, without what git ignores. Folders end with `/`. Goes 3 levels deep unless glob or depth is given.

        Args:
            path: The folder to list, relative to the project.
            glob: Show only paths that match, for example `**/*.py`.
            depth: How many levels to go down; 1 is the folder itself.
        """
        path = self._path(path or ".")
        if depth is not None and depth < 1:
            raise ToolError("depth must be at least 1.")
        if depth is None and glob is None:
            depth = DEPTH
        listing = await workspace.list(path, glob=glob or None, depth=depth, limit=ENTRIES)
        return render_entries(path, listing)

    @tool(title=_search_title)
    async def search_files(
        self,
        pattern: str,
        path: str | None = None,
        glob: str | None = None,
        regex: bool = False,
        ignore_case: bool = False,
    ) -> str:
        """Find lines that contain a text. Each match comes as `path:line:text`.

        Args:
            pattern: The text to find, or a regular expression if regex is true.
            path: Search only in this file or folder.
            glob: Search only in paths that match, for example `*.py`.
            regex: Take pattern as a regular expression.
            ignore_case: Take upper and lower case as the same.
        """
        if not pattern:
            raise ToolError("pattern is empty. To see which files there are, use list_files.")
        matches = await workspace.search(
            pattern,
            regex=regex,
            ignore_case=ignore_case,
            path=self._path(path) if path else None,
            glob=glob or None,
            limit=MATCHES,
        )
        return render_matches(pattern, matches)

    def _path(self, path: str) -> str:
        """One spelling for each path. What leaves the workspace stays as it is, and the host refuses it."""
        if not path.strip():
            raise ToolError("The path is empty. Name a file relative to the project; `.` is the project itself.")
        path = path.replace("\\", "/")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        return ("/" if path.startswith("/") else "") + ("/".join(parts) or ".")

    @asynccontextmanager
    async def _alone(self, *paths: str) -> AsyncGenerator[None]:
        """Calls of one round run at the same time; those on the same file wait for one another, in the order of the calls."""
        locks = [self._locks.setdefault(path, asyncio.Lock()) for path in sorted(paths)]
        async with AsyncExitStack() as stack:
            for lock in locks:
                await stack.enter_async_context(lock)
            yield
