"""The workspace capability: what actors may see of the files, and what they may propose to change.

Reads requests and decides by grants and mode; `view` reads, `search` searches, `proposals` changes. Knows nothing of which front is
attached.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from vespiary.capabilities.globs import GlobInvalid, compiled
from vespiary.capabilities.listing import listing
from vespiary.capabilities.paths import Located
from vespiary.capabilities.ports import EditorPort, Policy, RunPort
from vespiary.capabilities.proposals import Proposals
from vespiary.capabilities.requests import Fields
from vespiary.capabilities.search import Search, as_data, search
from vespiary.capabilities.search_process import search_apart
from vespiary.capabilities.view import View
from vespiary.capabilities.walk import Entry
from vespiary.model.errors import RequestRefused
from vespiary.model.grants import Grant
from vespiary.model.runs import Mode
from vespiary.model.steps import Caller
from vespiary.model.wire import to_json

T = TypeVar("T")

AREA = "workspace"
READS = ("read", "stat", "list", "search")
WRITES = ("write", "create", "delete", "rename")

_MOST_ENTRIES = 10_000
_MOST_MATCHES = 2_000


class WorkspaceCapability:
    """Implements `runtime.capability.Capability` for the workspace in the folder `root`."""

    def __init__(self, root: Path, editor: EditorPort, run: RunPort) -> None:
        self._view = View(root, editor)
        self._proposals = Proposals(self._view, run)
        self._run = run
        self._limiter = anyio.CapacityLimiter(2)

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Answer one request as `wit/workspace.wit` says."""
        fields = Fields.parse(AREA, payload)
        op = fields.choice("op", (*READS, *WRITES))
        policy = self._run.policy(caller.scope)
        self._permit(op, policy)
        if op in WRITES:
            return to_json(await self._proposals.propose(caller, policy, op, fields))
        match op:
            case "read":
                answer = await self._read(fields)
            case "stat":
                answer = await self._stat(fields)
            case "list":
                answer = await self._list(fields)
            case _:
                answer = await self._search(fields)
        return to_json(answer)

    def repeatable(self, payload: str) -> bool:
        """All are: a change finds its own result and does nothing, or finds the text that it was made against."""
        return True

    @staticmethod
    def _permit(op: str, policy: Policy) -> None:
        """Grants before mode: what an agent may never do is said first."""
        name = "read" if op in READS else "write"
        grant = policy.grants.read if op in READS else policy.grants.write
        if grant is not Grant.ALLOW:
            raise RequestRefused(
                f"The agent {policy.agent!r} may not {name} files: its grant `{name}` is {grant.value}.",
                code="workspace.denied",
                hint=f'Set `[agents.{policy.agent}.grants] {name} = "allow"` in vespiary.toml to permit it.',
            )
        if op in WRITES and policy.mode is Mode.PLAN:
            raise RequestRefused(
                "This run is a plan: nothing is written.",
                code="workspace.plan",
                hint="Say what you would change instead.",
            )

    async def _read(self, fields: Fields) -> dict[str, Any]:
        path = fields.text("path")
        fields.done()
        located = await self._view.locate(path)
        snapshot = await self._view.snapshot(located)
        answer = {"path": located.path, "text": snapshot.text, "hash": snapshot.hash, "size": snapshot.size}
        return {**answer, "modified": True} if snapshot.modified else answer

    async def _stat(self, fields: Fields) -> dict[str, Any]:
        path = fields.text("path")
        fields.done()
        located = await self._view.locate(path)
        kind, size = await self._view.kind(located)
        answer: dict[str, Any] = {"path": located.path, "kind": kind}
        if kind == "file":
            answer["size"] = size
            # Binary or too large: there is a file, and no text in it to identify.
            with suppress(RequestRefused):
                answer["hash"] = (await self._view.snapshot(located)).hash
        return answer

    async def _list(self, fields: Fields) -> dict[str, Any]:
        path, glob = fields.text("path", "."), self._glob(fields)
        depth = fields.maybe_integer("depth", least=1, most=1000)
        limit = fields.integer("limit", 1000, least=1, most=_MOST_ENTRIES)
        fields.done()
        located = await self._folder(path)
        stop = threading.Event()
        work = partial(
            listing,
            self._view.paths.root,
            "/".join(located.real),
            glob=glob,
            depth=depth,
            limit=limit,
            unsaved=tuple(self._view.editor.buffers()),
            stopped=stop.is_set,
        )
        entries, truncated = await self._stoppable(work, stop)
        return {"entries": [_entry(entry) for entry in entries], "truncated": truncated}

    async def _search(self, fields: Fields) -> dict[str, Any]:
        pattern = fields.text("pattern", empty=False, longest=1000)
        regex, ignore_case = fields.flag("regex", default=False), fields.flag("ignore_case", default=False)
        path, glob = fields.text("path", "."), self._glob(fields)
        limit = fields.integer("limit", 200, least=1, most=_MOST_MATCHES)
        fields.done()
        located = await self._view.locate(path)
        if (await self._view.kind(located))[0] == "missing":
            raise RequestRefused(f"There is no file or folder {path!r}.", code="workspace.missing")
        wish = Search(
            root=str(self._view.paths.root),
            pattern=pattern,
            regex=regex,
            ignore_case=ignore_case,
            start="/".join(located.real),
            glob=glob,
            limit=limit,
            buffers=self._unsaved(),
        )
        if regex:
            return await search_apart(wish)
        stop = threading.Event()
        return as_data(await self._stoppable(partial(search, wish, stop.is_set), stop))

    def _unsaved(self) -> dict[str, str]:
        """The texts of open documents that differ from their files."""
        editor = self._view.editor
        found = {path: editor.buffer(path) for path in editor.buffers()}
        return {path: buffer.text for path, buffer in found.items() if buffer is not None and buffer.modified}

    async def _folder(self, path: str) -> Located:
        located = await self._view.locate(path)
        kind, _ = await self._view.kind(located)
        if kind == "missing":
            raise RequestRefused(f"There is no folder {path!r}.", code="workspace.missing")
        if kind == "file":
            raise RequestRefused(f"{path!r} is a file, not a folder.", code="workspace.path")
        return located

    @staticmethod
    def _glob(fields: Fields) -> str | None:
        glob = fields.maybe_text("glob")
        if not glob:
            return None
        try:
            compiled(glob)
        except (GlobInvalid, ValueError) as error:
            fields.refuse(f"The glob {glob[:80]!r} cannot be used: {error}.")
        return glob

    async def _stoppable(self, work: Callable[[], T], stop: threading.Event) -> T:
        """Blocking work that looks at `stop`: a cancelled caller does not wait for it."""
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)
        finally:
            stop.set()


def _entry(entry: Entry) -> dict[str, Any]:
    plain: dict[str, Any] = {"path": entry.path, "kind": entry.kind}
    return plain if entry.size is None else {**plain, "size": entry.size}
