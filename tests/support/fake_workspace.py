"""A workspace without WebAssembly or models: `Workspace` as a front sees it, with an agent that does what the prompt says.

A prompt that is a JSON array is a program, a list of steps:
`["say", TEXT]`, `["read", PATH]` (says the buffer's or file's text), `["replace", PATH, OLD, NEW]`,
`["replace-all", PATH, OLD, NEW]`, `["create", PATH, TEXT]`,
`["delete", PATH]`, `["rename", PATH, TO]` (each says what became of it), `["touch", PATH]` (tells tests that it got here),
`["hang"]`, `["fail", MESSAGE]`. Any other prompt is answered with the task as JSON.
"""

import json
import os
import random
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import anyio
import anyio.abc
from vespiary.app.run import Listener, Run
from vespiary.app.runs import Runs
from vespiary.capabilities.ports import EditorPort
from vespiary.changes.diff import apply_edits
from vespiary.config.models import Config
from vespiary.model.agents import AgentInfo
from vespiary.model.edits import (
    ApplyState,
    CreateFile,
    DeleteFile,
    FileChange,
    RenameFile,
    ReplaceText,
    TextEdit,
    content_hash,
)
from vespiary.model.errors import Problem, UsageError, VespiaryError
from vespiary.model.events import EditEvent, EditState, RunStarted, Status, TextDelta
from vespiary.model.ids import RunId
from vespiary.model.runs import ChangeKind, FileChanged, Outcome, RunInfo, Task
from vespiary.model.wire import to_wire

AGENTS = (
    AgentInfo("coder", "Writes code.", "none", ("assistant",), default=True),
    AgentInfo("reviewer", "Reads code.", "none", ("assistant",)),
)


class FakeWorkspace:
    """Looks like `vespiary.app.workspace.Workspace` to a front."""

    def __init__(self, root: Path, editor: EditorPort, tasks: anyio.abc.TaskGroup, trusted: bool | None) -> None:
        self.root = root
        self.runs = Runs(self, random.Random())
        self._editor = editor
        self._tasks = tasks
        self._trusted = trusted

    @classmethod
    @asynccontextmanager
    async def open(
        cls, root: Path, editor: EditorPort, *, trusted: bool | None = None
    ) -> AsyncGenerator["FakeWorkspace", None]:
        if os.environ.get("FAKE_WORKSPACE_FAILS"):
            raise OSError("the disk is on fire")
        async with anyio.create_task_group() as tasks:
            workspace = cls(root, editor, tasks, trusted)
            try:
                yield workspace
            finally:
                workspace.runs.suspend_all(kept=False)
                with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                    for info in workspace.runs.list():
                        await workspace.runs.finished(info.run_id)
                tasks.cancel_scope.cancel()

    def agents(self) -> tuple[AgentInfo, ...]:
        broken = self.root / "vespiary.toml"
        if broken.exists() and "broken" in broken.read_text(encoding="utf-8"):
            raise VespiaryError("vespiary.toml:1: it is broken.", hint="Mend it.", code="config.invalid")
        return AGENTS

    async def has_journal(self) -> bool:
        return False

    async def find(self, run_id: RunId) -> RunInfo:
        return self.runs.get(run_id)

    # The driver of `Runs`

    def prepare(self, run_id: RunId, task: Task, listener: Listener) -> Run:
        agent = task.agent or self.agents()[0].name
        if agent not in {info.name for info in AGENTS}:
            raise UsageError(f"There is no agent called {agent!r}.", hint="Try coder.", code="agent.unknown")
        config = Config(root=self.root, models={}, agents={})
        return Run(run_id, task, agent, config, time.time_ns, listener)

    def drive(self, run: Run) -> None:
        self._tasks.start_soon(self._drive, run)

    async def _drive(self, run: Run) -> None:
        run.tell(RunStarted(run.agent, run.task.prompt, run.mode))
        try:
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    await run.cancelled.wait()
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                await self._program(run)
                group.cancel_scope.cancel()
            run.answer(Outcome.CANCELLED, run.text, Problem("run.cancelled", "The run was cancelled."))
        finally:
            run.finish()

    async def _program(self, run: Run) -> None:
        try:
            program = json.loads(run.task.prompt)
        except ValueError:
            program = None
        said: list[str] = []
        if not isinstance(program, list):
            said.append(json.dumps(to_wire(run.task)))
            program = []
        for step in cast(list[list[str]], program):
            run.tell(Status("tools", step[0]))
            text = await self._step(run, *step)
            if text is not None:
                said.append(text)
                run.tell(TextDelta(text))
            if run.ended.is_set():
                return
        run.answer(Outcome.DONE, "\n".join(said))

    async def _step(self, run: Run, verb: str, *args: str) -> str | None:
        match verb, args:
            case "say", (text,):
                return text
            case "read", (path,):
                return self._text(path)
            case "touch", (path,):
                await anyio.Path(self.root / path).touch()
            case "hang", ():
                await anyio.sleep_forever()
            case "fail", (message,):
                run.answer(Outcome.FAILED, "", Problem("agent.failed", message))
            case "replace", (path, old, new):
                text = self._text(path)
                at = text.index(old)
                return await self._replace(run, path, text, [TextEdit(at, at + len(old), new)])
            case "replace-all", (path, old, new):
                text = self._text(path)
                found = re.finditer(re.escape(old), text)
                return await self._replace(run, path, text, [TextEdit(*match.span(), new) for match in found])
            case "create", (path, text):
                return await self._apply(run, CreateFile(path, text))
            case "delete", (path,):
                return await self._apply(run, DeleteFile(path, content_hash(self._text(path))))
            case "rename", (path, to):
                return await self._apply(run, RenameFile(path, to, content_hash(self._text(path))))
            case _:
                raise AssertionError(verb)
        return None

    async def _replace(self, run: Run, path: str, text: str, edits: list[TextEdit]) -> str:
        after = content_hash(apply_edits(text, edits))
        return await self._apply(run, ReplaceText(path, content_hash(text), tuple(edits), after))

    async def _apply(self, run: Run, change: FileChange) -> str:
        result = await self._editor.apply(change, f"{run.agent}: {change.path}")
        run.tell(EditEvent(change.path, EditState(result.state.value), reason=result.reason))
        if result.state is ApplyState.APPLIED:
            run.files.add(FileChanged(change.path, ChangeKind.MODIFIED))
        return f"{result.state.value}: {result.reason or ''}"

    def _text(self, path: str) -> str:
        buffer = self._editor.buffer(path)
        return buffer.text if buffer is not None else (self.root / path).read_bytes().decode()
