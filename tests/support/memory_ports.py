"""The two ports of the capabilities, in memory: an editor with open documents over a folder, and a run that takes notes."""

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support.ports import OpenAccount
from vespiary.app.disk import DiskEditor
from vespiary.capabilities.ports import Buffer, Noted, Policy
from vespiary.changes.diff import apply_edits
from vespiary.model.edits import (
    ApplyResult,
    ApplyState,
    DeleteFile,
    FileChange,
    RenameFile,
    ReplaceText,
    content_hash,
)
from vespiary.model.errors import RequestRefused
from vespiary.model.events import EditEvent, EventBody
from vespiary.model.grants import Grant, Grants
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.runs import FileChanged, Mode
from vespiary.model.steps import Caller
from vespiary.runtime.capability import Capability

Ask = Callable[..., Awaitable[dict[str, Any]]]

CALLER = Caller(RunId("abcdefghijkl"), Scope("a1B2c3"), "coder", ActorId("a1B2c3/files"), 1)

ALL = Grants(Grant.ALLOW, Grant.ALLOW, Grant.ALLOW, Grant.ALLOW, Grant.ALLOW)


class MemoryEditor:
    """Documents in `open`, everything else on disk. `meddle` is called right before a change to an open document is applied."""

    def __init__(self, root: Path) -> None:
        self.open: dict[str, Buffer] = {}
        self.applied: list[tuple[FileChange, str]] = []
        self.meddle: Callable[[], None] = lambda: None
        self.refuses: str | None = None
        self._disk = DiskEditor(root)

    def type(self, path: str, text: str) -> None:
        """A person types: the document at `path` is open and now reads so, unsaved."""
        self.open[path] = Buffer(text, modified=True)

    def buffer(self, path: str) -> Buffer | None:
        return self.open.get(path)

    def buffers(self) -> Iterable[str]:
        return tuple(self.open)

    async def apply(self, change: FileChange, label: str) -> ApplyResult:
        self.meddle()
        if self.refuses is not None:
            return ApplyResult(ApplyState.REFUSED, self.refuses)
        buffer = self.open.get(change.path)
        if buffer is None:
            result = await self._disk.apply(change, label)
        else:
            result = self._to_buffer(change, buffer)
        if result.state is ApplyState.APPLIED:
            self.applied.append((change, label))
        return result

    def _to_buffer(self, change: FileChange, buffer: Buffer) -> ApplyResult:
        match change:
            case ReplaceText() if content_hash(buffer.text) != change.base:
                return ApplyResult(ApplyState.STALE, f"{change.path!r} was edited meanwhile.")
            case ReplaceText():
                self.open[change.path] = Buffer(apply_edits(buffer.text, change.edits), modified=True)
            case DeleteFile():
                del self.open[change.path]
            case RenameFile():
                self.open[change.to] = self.open.pop(change.path)
            case _:
                return ApplyResult(ApplyState.REFUSED, "It is open.")
        return ApplyResult(ApplyState.APPLIED)


@dataclass
class MemoryRun:
    """Notes everything that it is told."""

    the_policy: Policy = field(
        default_factory=lambda: Policy(CALLER.run, "coder", replace(ALL, command=Grant.ALLOW), Mode.APPLY, "main")
    )
    told: list[EventBody] = field(default_factory=list[EventBody])
    files: list[FileChanged] = field(default_factory=list[FileChanged])
    spawned: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    stopped: list[Scope] = field(default_factory=list[Scope])
    ended: bool = False
    intended: list[str] = field(default_factory=list[str])
    known: Noted | None = None
    """What an earlier process noted of the request."""

    def permit(self, **grants: Grant) -> None:
        """Change grants."""
        self.the_policy = replace(self.the_policy, grants=replace(self.the_policy.grants, **grants))

    def plan(self) -> None:
        """Make it a plan."""
        self.the_policy = replace(self.the_policy, mode=Mode.PLAN)

    @property
    def edits(self) -> list[EditEvent]:
        """The edits that were told."""
        return [event for event in self.told if isinstance(event, EditEvent)]

    def policy(self, scope: Scope) -> Policy:
        if self.ended:
            raise RequestRefused("The scope has ended.", code="agents.gone")
        return self.the_policy

    def tell(self, caller: Caller, body: EventBody) -> None:
        self.told.append(body)

    async def account(self, caller: Caller, model: str, size: int, max_tokens: int | None) -> OpenAccount:
        return OpenAccount(model)

    async def intend(self, caller: Caller, answer: str) -> None:
        self.intended.append(answer)

    async def changed(self, caller: Caller, file: FileChanged) -> None:
        self.files.append(file)

    def noted(self, caller: Caller) -> Noted | None:
        return self.known

    async def spawn(self, caller: Caller, agent: str, prompt: str | None) -> tuple[Scope, str]:
        self.spawned.append((agent, prompt))
        return Scope("zZ9y8x"), agent

    async def stop(self, caller: Caller, scope: Scope) -> None:
        self.stopped.append(scope)


def asker(capability: Capability) -> Ask:
    """`await ask(op="read", path="a")`: one request to a capability."""

    async def ask(**request: Any) -> dict[str, Any]:
        return json.loads(await capability(CALLER, json.dumps(request)))

    return ask


def contents(folder: Path) -> dict[str, str]:
    """The text of every file below a folder, by its path in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in files}
