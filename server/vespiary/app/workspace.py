"""A workspace with its agents: the ideal API that every front talks to.

Cheap to open: configuration, models and WebAssembly are loaded on first need. Knows nothing of LSP or terminals; the editor is a
port.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.from_thread
import anyio.to_thread

from vespiary.app.narrator import Narrator
from vespiary.app.options import Options
from vespiary.app.prompt import render
from vespiary.app.run import Listener, Run
from vespiary.app.runs import Runs
from vespiary.app.steward import Configs, Steward
from vespiary.model import vocabulary
from vespiary.model.agents import AgentInfo
from vespiary.model.errors import Problem, VespiaryError
from vespiary.model.events import RunStarted, Status
from vespiary.model.ids import RunId, Scope
from vespiary.model.runs import Outcome, Task
from vespiary.model.wire import to_json

if TYPE_CHECKING:
    from vespiary.app.assembly import Assembly
    from vespiary.capabilities.ports import EditorPort
    from vespiary.config import Config
    from vespiary.runtime.colony import Colony

log = logging.getLogger(__name__)

STOP_SECONDS = 1.0
"""How long the agents of a run may take to stop before the run ends without them."""

INTERRUPT_SECONDS = 0.3
"""How much of that they have to stop by themselves, so that the conversation is whole."""

SILENCE_SECONDS = 0.5
"""How often a run is asked whether anything is under way in it."""


class Workspace:
    """One workspace. Made by `open`; used on its event loop only."""

    def __init__(self, root: Path, editor: "EditorPort", options: Options, tasks: anyio.abc.TaskGroup) -> None:
        self.root = root
        self.runs = Runs(self, options.source)
        self._editor = editor
        self._options = options
        self._tasks = tasks
        self._assembly: Assembly | None = None
        self._colony: Colony | None = None
        self._start: _Start | None = None
        self._narrator = Narrator(self.runs.living, self._agent_name)
        self._steward = Steward(self.runs.living, self._running_colony, options.clock.now)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, root: Path, editor: "EditorPort", *, trusted: bool | None = None, options: Options | None = None
    ) -> AsyncGenerator["Workspace", None]:
        """A workspace for as long as the block lasts; leaving it cancels its runs and waits for their last events.

        `root` is resolved by the caller.
        """
        options = options or Options()
        if trusted is not None:
            options.trusted = trusted
        failure: Exception | None = None
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
            await self._get_colony()
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
        self._tasks.start_soon(self._drive, run, name=f"run {run.id}")

    async def _drive(self, run: Run) -> None:
        run.tell(RunStarted(run.agent, run.task.prompt, run.mode))
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._watch_cancel, run, group.cancel_scope)
                await self._work(run)
                group.cancel_scope.cancel()
            if not run.ended.is_set():
                run.answer(Outcome.CANCELLED, run.text, Problem("run.cancelled", "The run was cancelled."))
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(run)

    async def _work(self, run: Run) -> None:
        try:
            colony = await self._get_colony()
            run.root = await colony.spawn(run.cast.spec(run.agent), run=run.id)
            text = await self._context_text(run.task)
            message = {"role": "user", "text": render(run.task, text)}
            colony.send(run.root, vocabulary.AGENT_MESSAGE, to_json(message))
            await self._until_ended(run, colony)
        except VespiaryError as error:
            run.answer(Outcome.FAILED, "", error.problem())
        except Exception:  # the boundary of a run: one run's fault is not the server's
            log.exception("Run %s failed", run.id)
            problem = Problem("internal", "Something in Vespiary itself failed.", "The server's log has the details.")
            run.answer(Outcome.FAILED, "", problem)

    async def _until_ended(self, run: Run, colony: "Colony") -> None:
        """Wait for the answer; an agent in which nothing can happen any more will not give one."""
        while True:
            with anyio.move_on_after(SILENCE_SECONDS):
                await run.ended.wait()
            if run.ended.is_set():
                return
            if colony.quiet(run.id):
                why = f" The last failure: {run.trouble}" if run.trouble else ""
                problem = Problem(
                    "agent.silent",
                    f"The agent {run.agent!r} fell silent: nothing is under way, and it gave no answer.{why}",
                    "Its log says more. The actor that gets the task must send `vespiary.agent.done`.",
                )
                run.answer(Outcome.FAILED, run.text, problem)

    async def _watch_cancel(self, run: Run, scope: anyio.CancelScope) -> None:
        await run.cancelled.wait()
        scope.cancel()

    async def _end(self, run: Run) -> None:
        if not run.ended.is_set():
            run.answer(Outcome.CANCELLED, run.text, Problem("run.cancelled", "The server stopped."))
        if self._colony is not None:
            with anyio.move_on_after(STOP_SECONDS):
                if run.cancelled.is_set():
                    await self._interrupt(run, self._colony)
                await self._colony.cancel(run.id)
        run.finish()
        if self._assembly is not None:
            await self._assembly.run_ended(run.id)

    async def _interrupt(self, run: Run, colony: "Colony") -> None:
        """Ask the agent to stop, and give it a moment until nothing of it is under way."""
        if run.root is None or colony.quiet(run.id):
            return
        with suppress(VespiaryError):  # the scope has ended
            colony.send(run.root, vocabulary.AGENT_INTERRUPT, to_json({"reason": "the run was cancelled"}))
            with anyio.move_on_after(INTERRUPT_SECONDS):
                while not colony.quiet(run.id):  # noqa: ASYNC110 - the colony does not tell when it is
                    await anyio.sleep(INTERRUPT_SECONDS / 30)

    async def _context_text(self, task: Task) -> str | None:
        if task.context is None or task.context.range is None:
            return None
        buffer = self._editor.buffer(task.context.path)
        if buffer is not None:
            return buffer.text
        return await anyio.to_thread.run_sync(_read, self.root, task.context.path)

    async def _close(self) -> None:
        self.runs.cancel_all()
        with anyio.move_on_after(2 * STOP_SECONDS):
            for info in self.runs.list():
                if info.outcome is Outcome.RUNNING:
                    await self.runs.finished(info.run_id)

    # The colony

    def _running_colony(self) -> "Colony":
        if self._colony is None:  # only asked for by capabilities, which the colony itself started
            raise RuntimeError("the colony is not running")
        return self._colony

    def _agent_name(self, scope: Scope) -> str:
        try:
            return self._running_colony().agent_name(scope)
        except (KeyError, RuntimeError, VespiaryError):
            return ""

    async def _get_colony(self) -> "Colony":
        if self._colony is not None:
            return self._colony
        start = self._start
        if start is None:
            # A task of the workspace, not of whoever asks first: that one may be cancelled, and must not wait for a compiler then.
            start = self._start = _Start()
            self._tasks.start_soon(self._host, start, name="colony")
        await start.over.wait()
        if start.failure is not None:
            raise start.failure
        return self._running_colony()

    async def _host(self, start: "_Start") -> None:
        assembly: Assembly | None = None
        try:
            assembly = await anyio.to_thread.run_sync(self._assemble, abandon_on_cancel=True)
            self._assembly = assembly
        except Exception as error:  # noqa: BLE001 - raised again for whoever waits; the next one tries again
            start.failure = error
        finally:
            self._start = None
            if assembly is None:
                start.over.set()
        if assembly is None:
            return
        try:
            async with assembly.colony(self._narrator) as colony:
                self._colony = colony
                start.over.set()
                await anyio.sleep_forever()
        finally:
            start.over.set()
            self._colony = None
            with anyio.CancelScope(shield=True):
                await assembly.aclose()

    def _assemble(self) -> "Assembly":
        from vespiary.app.assembly import Assembly  # costs more than everything else together: not for the start

        assembly = Assembly(
            self.root, self._editor, self._steward, self._options, Configs(self.runs), self._progress_from_thread
        )
        assembly.warm()
        return assembly

    def _progress_from_thread(self, line: str) -> None:
        self._options.progress(line)
        with suppress(RuntimeError):  # not on a thread that the event loop knows: only the front's own line remains
            anyio.from_thread.run_sync(self._tell_all, Status("preparing", line))

    def _tell_all(self, status: Status) -> None:
        for run in self.runs.all_living():
            run.tell(status)


@dataclass(slots=True)
class _Start:
    """A colony that is being made."""

    over: anyio.Event = field(default_factory=anyio.Event)
    failure: Exception | None = None


def _read(root: Path, path: str) -> str | None:
    from vespiary.capabilities.paths import inside

    try:
        return inside(root, path).read_text(encoding="utf-8")
    except (OSError, ValueError, VespiaryError):
        return None
