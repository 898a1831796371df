"""A workspace with its agents: the ideal API that every front talks to.

Cheap to open: configuration, models and WebAssembly are loaded on first need. Knows nothing of LSP or terminals; the editor is a
port.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.to_thread

from vespiary.app.driving import STOP_SECONDS, Driving
from vespiary.app.hosting import Hosting
from vespiary.app.narrator import Narrator
from vespiary.app.options import Options
from vespiary.app.recorder import Recorder
from vespiary.app.run import Listener, Run
from vespiary.app.runs import Runs
from vespiary.app.steward import Configs, Steward
from vespiary.model.agents import AgentInfo
from vespiary.model.errors import UsageError, VespiaryError
from vespiary.model.events import Status
from vespiary.model.ids import RunId, Scope
from vespiary.model.runs import Outcome, RunInfo, Task

if TYPE_CHECKING:
    from vespiary.app.assembly import Assembly
    from vespiary.app.chronicle import Chronicle
    from vespiary.app.history import EventPage
    from vespiary.app.sessions import Sessions
    from vespiary.capabilities.ports import EditorPort
    from vespiary.config import Config
    from vespiary.journal.records import RunRecord
    from vespiary.runtime.colony import Colony

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2 * STOP_SECONDS
"""How long the end of all runs may take when the workspace is closed."""


class Workspace:
    """One workspace. Made by `open`; used on its event loop only."""

    def __init__(self, root: Path, editor: "EditorPort", options: Options, tasks: anyio.abc.TaskGroup) -> None:
        self.root = root
        self.runs = Runs(self, options.source)
        self._editor = editor
        self._options = options
        self._tasks = tasks
        self._steward = Steward(self.runs.living, self._running_colony, options.clock.now)
        narrator = Narrator(self.runs.living, self._agent_name)
        self._recorder = Recorder(narrator, self.runs.living, self.runs.all_living, options)
        self._hosting = Hosting(root, options, tasks, self.config, self._assemble, self._recorder, self._say)
        self._driving = Driving(self._hosting, self._recorder, self._context_text)
        self.runs.listen(self._recorder.hear)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, root: Path, editor: "EditorPort", *, trusted: bool | None = None, options: Options | None = None
    ) -> AsyncGenerator["Workspace", None]:
        """A workspace for as long as the block lasts; leaving it ends its runs and waits for their last events.

        Runs that are kept in the journal can be resumed then; others are cancelled.

        `root` is resolved by the caller.
        """
        options = options or Options()
        if trusted is not None:
            options.trusted = trusted
        failure: Exception | None = None
        workspace: Workspace | None = None
        async with anyio.create_task_group() as tasks:
            workspace = cls(root, editor, options, tasks)
            try:
                yield workspace
            except Exception as error:  # noqa: BLE001 - raised again below
                # The block's own failure leaves as it is; the task group would wrap it.
                failure = error
            finally:
                with anyio.CancelScope(shield=True):
                    await workspace._close()
                tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            assert workspace is not None
            await workspace._hosting.put_away()
        if failure is not None:
            raise failure

    def config(self) -> "Config":
        """The configuration as it is on disk now. Raises `ConfigError`."""
        from vespiary.config import load  # pydantic is for the first need, not for the start

        return load(self.root, trusted=self._options.trusted)

    def agents(self) -> tuple[AgentInfo, ...]:
        """The agents that can be asked, the default one first. Raises `ConfigError`."""
        return self.config().infos()

    async def warm(self) -> None:
        """Load what the first run will need, off the event loop. Failures are left for that run to tell."""
        try:
            await self._hosting.colony()
        except VespiaryError as error:
            log.info("Warming up: %s", error)

    # The driver of `Runs`

    def prepare(self, run_id: RunId, task: Task, listener: Listener) -> Run:
        """A record for the task. Raises `UsageError` or `ConfigError`."""
        config = self.config()
        name, _ = config.agent(task.agent)
        # What a person must know at once is found now: no model, an actor that cannot be read.
        config.model_of(name)
        run = Run(run_id, task, name, config, self._options.clock.now, listener)
        run.cast.spec(name)
        return run

    def drive(self, run: Run) -> None:
        """Start the run in the workspace's task group."""
        self._tasks.start_soon(self._driving.drive, run, name=f"run {run.id}")

    # What the journal has

    async def interrupted(self) -> tuple[RunInfo, ...]:
        """Runs that ended only because their process did, the oldest first."""
        chronicle = await self._chronicle()
        if chronicle is None:
            return ()
        from vespiary.app.history import History

        return await anyio.to_thread.run_sync(History(chronicle).interrupted)

    async def find(self, run_id: RunId) -> RunInfo:
        """A run as it stands or as it is kept. Raises `UsageError` for one that is not known."""
        if self.runs.knows(run_id) or (chronicle := await self._chronicle()) is None:
            return self.runs.get(run_id)
        from vespiary.app.history import History

        return await anyio.to_thread.run_sync(History(chronicle).run, run_id)

    async def events(self, run_id: RunId, after: int = 0, limit: int = 1000) -> "EventPage":
        """The kept events of a run that follow the number `after`, those of earlier processes too. Raises `UsageError`."""
        chronicle = await self._chronicle()
        if chronicle is None:
            self.runs.get(run_id)
            raise UsageError(
                f"The events of run {run_id} are not kept.",
                hint="Set `enabled = true` under [journal] in vespiary.toml.",
                code="run.not-kept",
            )
        chronicle.flush(run_id)
        from vespiary.app.history import History

        return await anyio.to_thread.run_sync(History(chronicle).events, run_id, after, limit)

    async def resume(self, run_id: RunId) -> RunInfo:
        """Let an interrupted run go on from where it stood; returns at once. Raises `VespiaryError` when it cannot.

        It may do what it was granted when it began, as far as it is still granted.
        """
        from vespiary.app.regrant import regranted

        today = self.config()
        chronicle = await self._chronicle()
        record = await self._interrupted(chronicle, run_id)
        assert chronicle is not None
        run = await anyio.to_thread.run_sync(
            chronicle.read, record, self.root, self._options.clock.now, self.runs.publish
        )
        run.config = regranted(run.config, today)
        if not await anyio.to_thread.run_sync(chronicle.store.claim, run_id):
            raise UsageError(f"The run {run_id} goes on in another process.", code="run.elsewhere")
        self.runs.adopt(run)
        self.drive(run)
        return run.info()

    async def discard(self, run_id: RunId) -> RunInfo:
        """Give an interrupted run up; what it changed stays. Raises `UsageError` for a run that is not interrupted."""
        chronicle = await self._chronicle()
        record = await self._interrupted(chronicle, run_id)
        assert chronicle is not None
        if not await anyio.to_thread.run_sync(chronicle.store.claim, run_id):
            raise UsageError(f"The run {run_id} goes on in another process.", code="run.elsewhere")
        return await chronicle.discard(record)

    def suspend(self, run_id: RunId) -> bool:
        """End a run here for now, to be resumed, or for good if it is not kept. False when it has ended already."""
        if self._recorder.chronicle is None:
            return self.runs.cancel(run_id)
        return self.runs.suspend(run_id)

    async def sessions(self) -> "Sessions":
        """The conversations of this workspace. Raises `VespiaryError` where none are kept."""
        await self._hosting.journal()
        if self._recorder.sessions is None:
            raise UsageError(
                "No conversations are kept in this workspace.",
                hint="Set `enabled = true` under [journal] in vespiary.toml.",
                code="session.none",
            )
        return self._recorder.sessions

    async def has_journal(self) -> bool:
        """Whether anything was kept in this workspace yet."""
        return await anyio.to_thread.run_sync(self._hosting.has_journal)

    async def _chronicle(self) -> "Chronicle | None":
        if not await self.has_journal():  # looking at what there is makes no journal
            return None
        await self._hosting.journal()
        return self._recorder.chronicle

    async def _interrupted(self, chronicle: "Chronicle | None", run_id: RunId) -> "RunRecord":
        records = [] if chronicle is None else await anyio.to_thread.run_sync(chronicle.unfinished)
        found = next((record for record in records if record.run == run_id), None)
        if found is None:
            raise UsageError(
                f"There is no interrupted run {run_id!r}.",
                hint="`vespiary journal` lists the runs; one that has ended cannot be resumed.",
                code="run.not-interrupted",
            )
        return found

    # What the parts need

    async def _context_text(self, task: Task) -> str | None:
        if task.context is None or task.context.range is None:
            return None
        buffer = self._editor.buffer(task.context.path)
        if buffer is not None:
            return buffer.text
        return await anyio.to_thread.run_sync(_read, self.root, task.context.path)

    async def _close(self) -> None:
        self.runs.suspend_all(kept=self._recorder.chronicle is not None)
        with anyio.move_on_after(CLOSE_SECONDS):
            for info in self.runs.list():
                if info.outcome is Outcome.RUNNING:
                    await self.runs.finished(info.run_id)

    def _running_colony(self) -> "Colony":
        colony = self._hosting.running
        if colony is None:  # only asked for by capabilities, which the colony itself started
            raise RuntimeError("the colony is not running")
        return colony

    def _agent_name(self, scope: Scope) -> str:
        try:
            return self._running_colony().agent_name(scope)
        except (KeyError, RuntimeError, VespiaryError):
            return ""

    def _assemble(self, workers: int) -> "Assembly":
        from vespiary.app.assembly import Assembly  # costs more than everything else together: not for the start

        return Assembly(self.root, self._editor, self._steward, self._options, Configs(self.runs), workers)

    def _say(self, line: str) -> None:
        self._options.progress(line)
        for run in self.runs.all_living():
            run.tell(Status("preparing", line))


def _read(root: Path, path: str) -> str | None:
    from vespiary.capabilities.paths import inside

    try:
        return inside(root, path).read_text(encoding="utf-8")
    except (OSError, ValueError, VespiaryError):
        return None
