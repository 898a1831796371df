"""Changes that actors propose: checked against what they were made from, applied by the editor, told to the run.

Proposals for one file wait for one another, also for what is noted of the one before. One that is made `again` after a crash is
answered from what was noted of it; where the crash came before the note that it was made, the files say whether it was. Knows
texts, hashes and the two ports; grants and mode were checked before.
"""

import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import anyio

from vespiary.capabilities.paths import Located
from vespiary.capabilities.ports import Policy, RunPort
from vespiary.capabilities.requests import Fields
from vespiary.capabilities.safe_files import refusal
from vespiary.capabilities.temporary import left_behind, tidy
from vespiary.capabilities.texts import encode, plain
from vespiary.capabilities.view import Snapshot, View
from vespiary.changes.diff import diff
from vespiary.changes.unified import shortened, unified
from vespiary.model.edits import (
    ApplyResult,
    ApplyState,
    CreateFile,
    DeleteFile,
    FileChange,
    RenameFile,
    ReplaceText,
    TextEdit,
    content_hash,
)
from vespiary.model.errors import RequestRefused
from vespiary.model.events import EditEvent, EditState
from vespiary.model.runs import ChangeKind, FileChanged
from vespiary.model.steps import Caller
from vespiary.model.wire import to_json

MOST_DIFF = 100_000
"""Characters of a diff that is told and answered; the rest is left out, with a line that says so."""

_READ_AGAIN = "Read it again and make the change against the new text."


class Proposals:
    """Carries proposals out, one at a time per file."""

    def __init__(self, view: View, run: RunPort) -> None:
        self._view = view
        self._run = run
        self._locks: dict[str, tuple[anyio.Lock, int]] = {}

    async def propose(self, caller: Caller, policy: Policy, op: str, fields: Fields) -> dict[str, Any]:
        """One proposal; the answer once it is confirmed. Raises `RequestRefused`."""
        path = fields.text("path")
        base = fields.text("base", longest=64) if op != "create" else ""
        text = fields.text("text") if op in ("write", "create") else ""
        to = fields.text("to") if op == "rename" else None
        fields.done()
        located = [await self._view.locate(name) for name in (path, to) if name is not None]
        for one in located:
            if not one.real:
                raise RequestRefused("The workspace itself is no file.", code="workspace.path")
        async with self._alone(*located):
            noted = self._run.noted(caller) if caller.again else None
            known: dict[str, Any] | None = json.loads(noted.answer) if noted is not None else None
            if known is not None and noted is not None and noted.made:
                return known
            proposal = _Proposal(self._view, self._run, caller, policy.agent, known)
            try:
                match op:
                    case "write":
                        return await proposal.write(located[0], base, text)
                    case "create":
                        return await proposal.create(located[0], text)
                    case "delete":
                        return await proposal.delete(located[0], base)
                    case _:
                        return await proposal.rename(located[0], located[1], base)
            finally:
                if caller.again:
                    await self._view.io(self._tidy, located)

    def _tidy(self, located: list[Located]) -> None:
        """Remove what the crash may have left of the change."""
        for parts in {folder for one in located for folder in (one.real[:-1], one.entry[:-1])}:
            with suppress(OSError), self._view.files.folder(parts) as folder:
                tidy(folder)

    @asynccontextmanager
    async def _alone(self, *located: Located) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            for key in sorted({one.key for one in located}):
                await stack.enter_async_context(self._locked(key))
            yield

    @asynccontextmanager
    async def _locked(self, key: str) -> AsyncGenerator[None]:
        lock, users = self._locks.get(key, (anyio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1


class _Proposal:
    """One proposal under way. `known` is the answer that it was to get before a crash."""

    def __init__(self, view: View, run: RunPort, caller: Caller, agent: str, known: dict[str, Any] | None) -> None:
        self._view = view
        self._run = run
        self._caller = caller
        self._agent = agent
        self._known = known

    async def write(self, located: Located, base: str, text: str) -> dict[str, Any]:
        encode(text, located.path)
        text = plain(text)
        after = content_hash(text)
        snapshot = await self._view.snapshot(located)
        if snapshot.hash == after:
            # Nothing to do: the text is the wanted one, or this very proposal was applied before its answer was lost.
            answer = self._known or {"state": "applied", "hash": after, "diff": ""}
            if self._caller.again and base != after:
                await self._applied(FileChanged(snapshot.path, ChangeKind.MODIFIED), answer["diff"])
            return answer
        self._fresh(snapshot, base)
        edits = await self._view.io(diff, snapshot.text, text)
        change = ReplaceText(snapshot.path, base, edits, after)
        shown = await self._shown(snapshot.path, snapshot.text, text)
        answer = {"state": "applied", "hash": after, "diff": shown}
        changed = FileChanged(snapshot.path, ChangeKind.MODIFIED)
        return await self._apply(change, f"edit {snapshot.path}", answer, changed)

    async def create(self, located: Located, text: str) -> dict[str, Any]:
        encode(text, located.path)
        wanted = content_hash(plain(text))
        before = self._caller.again and await self._holds(located, wanted)
        half = not before and self._caller.again and await self._view.io(self._half_made, located, text)
        if not before and not half:
            await self._absent(located)
        shown = await self._shown(located.path, None, plain(text))
        changed = FileChanged(located.path, ChangeKind.CREATED)
        answer = {"state": "applied", "hash": wanted, "diff": shown}
        if before:
            await self._applied(changed, shown)
            return answer
        change: FileChange = CreateFile(located.path, text)
        if half:
            change = ReplaceText(located.path, content_hash(""), (TextEdit(0, 0, text),), wanted)
        return await self._apply(change, f"create {located.path}", answer, changed)

    async def delete(self, located: Located, base: str) -> dict[str, Any]:
        if self._caller.again and await self._gone(located):
            answer = self._known or {"state": "applied", "diff": ""}
            await self._applied(FileChanged(located.path, ChangeKind.DELETED), answer["diff"])
            return answer
        snapshot = await self._view.snapshot(located)
        self._fresh(snapshot, base)
        shown = await self._shown(snapshot.path, snapshot.text, None)
        changed = FileChanged(snapshot.path, ChangeKind.DELETED)
        answer = {"state": "applied", "diff": shown}
        return await self._apply(DeleteFile(snapshot.path, base), f"delete {snapshot.path}", answer, changed)

    async def rename(self, located: Located, to: Located, base: str) -> dict[str, Any]:
        if self._caller.again and await self._gone(located) and await self._holds(to, base):
            text = (await self._view.snapshot(to)).text
            shown = unified(located.path, text, text, to=to.path)
            await self._applied(FileChanged(to.path, ChangeKind.RENAMED, was=located.path), shown)
            return {"state": "applied", "hash": base, "diff": shown}
        snapshot = await self._view.snapshot(located)
        self._fresh(snapshot, base, to=to.path)
        if to.path == located.path:
            return {"state": "applied", "hash": base, "diff": ""}
        if to.key != located.key:
            await self._absent(to)
        shown = unified(snapshot.path, snapshot.text, snapshot.text, to=to.path)
        changed = FileChanged(to.path, ChangeKind.RENAMED, was=snapshot.path)
        change = RenameFile(snapshot.path, to.path, base)
        answer = {"state": "applied", "hash": base, "diff": shown}
        return await self._apply(change, f"rename {snapshot.path} to {to.path}", answer, changed, to=to.path)

    async def _shown(self, path: str, old: str | None, new: str | None) -> str:
        return shortened(await self._view.io(unified, path, old, new), MOST_DIFF)

    async def _holds(self, located: Located, wanted: str) -> bool:
        """Whether the text at a path is the wanted one."""
        try:
            return (await self._view.snapshot(located)).hash == wanted
        except RequestRefused:
            return False

    def _half_made(self, located: Located, text: str) -> bool:
        """Whether a crash came between the name and the content of a new file: two steps where there are no hard links."""
        name, data = located.entry[-1], encode(text, located.path)
        with suppress(OSError, RequestRefused), self._view.files.folder(located.entry[:-1]) as folder:
            if text == plain(text) and not folder.read(name, located.path)[0]:
                return any(folder.read(left, located.path)[0] == data for left in left_behind(folder))
        return False

    async def _gone(self, located: Located) -> bool:
        """Whether there is no such file. That it is still open in the editor does not count: editors keep what was deleted."""
        try:
            return not await self._view.io(self._on_disk, located)
        except OSError as error:
            raise refusal(error, located.path) from None

    async def _absent(self, located: Located) -> None:
        """Refuse a target that exists, in the editor or as anything on disk."""
        exists = self._view.buffer(located) is not None
        if not exists:
            try:
                exists = await self._view.io(self._on_disk, located)
            except OSError as error:
                raise refusal(error, located.path) from None
        if exists:
            raise RequestRefused(
                f"{located.path!r} exists already.",
                code="workspace.exists",
                hint="Read it and change it, or choose another name.",
            )

    def _on_disk(self, located: Located) -> bool:
        try:
            with self._view.files.folder(located.entry[:-1]) as folder:
                return folder.exists(located.entry[-1])
        except FileNotFoundError:
            return False

    def _fresh(self, snapshot: Snapshot, base: str, to: str | None = None) -> None:
        """Refuse a proposal that was made against another text."""
        if snapshot.hash == base:
            return
        reason = f"{snapshot.path!r} has changed since it was read."
        self._run.tell(self._caller, EditEvent(snapshot.path, EditState.STALE, to=to, reason=reason))
        raise RequestRefused(reason, code="workspace.stale", hint=_READ_AGAIN)

    async def _applied(self, changed: FileChanged, shown: str) -> None:
        """Tell of a change that was applied before the crash."""
        path, to = (changed.was, changed.path) if changed.was is not None else (changed.path, None)
        self._run.tell(self._caller, EditEvent(path, EditState.APPLIED, diff=shown, to=to))
        await self._run.changed(self._caller, changed)

    async def _apply(
        self, change: FileChange, label: str, answer: dict[str, Any], changed: FileChanged, *, to: str | None = None
    ) -> dict[str, Any]:
        """Let the editor apply a change, tell what became of it, and give the answer. Raises `RequestRefused` if it was not."""
        await self._run.intend(self._caller, to_json(answer))
        result: ApplyResult = await self._view.editor.apply(change, f"{self._agent}: {label}")
        state = EditState(result.state.value)
        self._run.tell(self._caller, EditEvent(change.path, state, diff=answer["diff"], to=to, reason=result.reason))
        if result.state is ApplyState.APPLIED:
            await self._run.changed(self._caller, changed)
            return answer
        if result.state is ApplyState.STALE:
            reason = result.reason or f"{change.path!r} has changed since it was read."
            raise RequestRefused(reason, code="workspace.stale", hint=_READ_AGAIN)
        reason = result.reason or "The editor did not apply the change."
        raise RequestRefused(reason, code="workspace.refused")
