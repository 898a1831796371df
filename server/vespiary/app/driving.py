"""Carries runs from their beginning, or from where they were interrupted, to their end.

Knows the colony, the journal and the order in which a run begins and ends. Does not know which front started it.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from vespiary.app.hosting import Hosting
from vespiary.app.prompt import render
from vespiary.app.recorder import Recorder
from vespiary.app.run import Run
from vespiary.app.steward import FILE, INTENT
from vespiary.capabilities.ports import Noted
from vespiary.model import vocabulary
from vespiary.model.errors import Problem, VespiaryError
from vespiary.model.events import RunResumed, RunStarted
from vespiary.model.ids import ActorId, Scope
from vespiary.model.runs import ChangeKind, FileChanged, Outcome, Task
from vespiary.model.wire import to_json
from vespiary.runtime.recovery import root_of

if TYPE_CHECKING:
    from vespiary.runtime.colony import Colony

log = logging.getLogger(__name__)

STOP_SECONDS = 1.0
"""How long the agents of a run may take to stop before the run ends without them."""

INTERRUPT_SECONDS = 0.3
"""How much of that a cancelled run's agent has to stop by itself."""

SNAPSHOT_SECONDS = 0.5
"""How long the actors of a run may take to tell what they remember of it."""

SILENCE_SECONDS = 0.5
"""How often a run is asked whether anything is under way in it."""

ContextText = Callable[[Task], Awaitable[str | None]]


class Driving:
    """`context_text` reads the document that a task is about."""

    def __init__(self, hosting: Hosting, recorder: Recorder, context_text: ContextText) -> None:
        self._hosting = hosting
        self._recorder = recorder
        self._context_text = context_text

    async def drive(self, run: Run) -> None:
        """Carry a run to its end."""
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
                if (pruner := self._recorder.pruner) is not None and not run.suspended:
                    await pruner.tidy(run.id, run.config.journal)

    async def _work(self, run: Run) -> None:
        try:
            if run.resumed:
                run.tell(RunResumed(run.agent, run.task.prompt, run.mode))
                colony = await self._resume(run)
            else:
                colony = await self._begin(run)
            if not run.ended.is_set():
                await self._until_ended(run, colony)
        except VespiaryError as error:
            if error.code.startswith("journal.") and (run.resumed or run.root is not None):
                run.hold(error.problem())  # what was kept of it stays as it is
            else:
                run.answer(Outcome.FAILED, "", error.problem())
        except Exception:  # the boundary of a run: one run's fault is not the server's
            log.exception("Run %s failed", run.id)
            problem = Problem("internal", "Something in Vespiary itself failed.", "The server's log has the details.")
            run.answer(Outcome.FAILED, "", problem)

    async def _begin(self, run: Run) -> "Colony":
        # The journal is there before the first event, so that it has all of them.
        await self._hosting.journal()
        states: dict[str, str] = {}
        if (sessions := self._recorder.sessions) is not None:
            states = await sessions.open(run)
        elif run.session is not None:
            raise VespiaryError(
                "There is no conversation to go on with: runs are not kept here.",
                hint="Set `enabled = true` under [journal] in vespiary.toml.",
                code="session.none",
            )
        if (chronicle := self._recorder.chronicle) is not None:
            chronicle.begin(run)
        if sessions is not None:
            await sessions.keep(run)
        run.tell(RunStarted(run.agent, run.task.prompt, run.mode))
        colony = await self._hosting.colony()
        await self._spawn(run, colony, states)
        return colony

    async def _spawn(self, run: Run, colony: "Colony", states: dict[str, str]) -> None:
        text = await self._context_text(run.task)
        message = to_json({"role": "user", "text": render(run.task, text)})
        spec = run.cast.spec(run.agent)
        names = {each.name for each in spec.actors}

        def admitted(scope: Scope) -> None:
            run.root = scope

        await colony.spawn(
            spec,
            run=run.id,
            first=[(vocabulary.AGENT_MESSAGE, message)],
            states={name: state for name, state in states.items() if name in names},
            admitted=admitted,
        )

    async def _resume(self, run: Run) -> "Colony":
        """Make the run again as it stood, and let it go on."""
        store = await self._hosting.journal()
        if (sessions := self._recorder.sessions) is not None:
            await sessions.keep(run)
        colony = await self._hosting.colony()
        if store is None:
            raise VespiaryError("The run cannot be resumed: its journal is not open.", code="journal.closed")
        entries = await anyio.to_thread.run_sync(lambda: list(store.entries(run.id)))
        root = root_of(entries)
        if root is None:  # it ended before its agent was there
            states = await sessions.states(run) if sessions is not None else {}
            await self._spawn(run, colony, states)
            return colony
        run.root = root
        run.muted = True
        try:
            await colony.recover(run.id, entries, lambda kind, data: _recall(run, kind, data))
        finally:
            run.muted = False
        run.noted = {key: noted for key, noted in run.noted.items() if colony.asks(*key)}
        # Also a run that gave its answer already: its actors are yet to tell what they remember of it.
        colony.resume(run.id)
        if not run.ended.is_set():
            await colony.ready(run.root, run.agent)
        return colony

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
        chronicle, sessions = self._recorder.chronicle, self._recorder.sessions
        if not run.ended.is_set():
            run.answer(Outcome.CANCELLED, run.text, Problem("run.cancelled", "The server stopped."))
        if run.suspended and run.outcome is not Outcome.INTERRUPTED:
            run.suspended = False  # its answer came first
        states: dict[str, str] = {}
        if (colony := self._hosting.running) is not None:
            with anyio.move_on_after(STOP_SECONDS):
                if run.cancelled.is_set() and not run.suspended:
                    await self._interrupt(run, colony)
                # An agent that did not stop by itself can tell nothing either.
                telling = not run.cancelled.is_set() or colony.quiet(run.id)
                if sessions is not None and run.root is not None and not run.suspended and telling:
                    with anyio.move_on_after(SNAPSHOT_SECONDS):
                        states = await colony.snapshots(run.root)
                await colony.cancel(run.id)
        end = run.conclude()
        try:
            # Before the end is told: whoever hears of it may go on with the conversation at once.
            if sessions is not None and not run.suspended:
                await sessions.close(run, states)
            if chronicle is not None:
                await chronicle.finish(run, end)
        except VespiaryError as error:  # a full disk, for example: the run is over all the same
            log.warning("The end of run %s could not be kept: %s", run.id, error)
        run.finish(end)
        if self._hosting.assembly is not None:
            await self._hosting.assembly.run_ended(run.id)

    async def _interrupt(self, run: Run, colony: "Colony") -> None:
        """Ask the agent to stop, and give it a moment until nothing of it is under way."""
        if run.root is None or colony.quiet(run.id):
            return
        with suppress(VespiaryError):  # the scope has ended
            colony.send(run.root, vocabulary.AGENT_INTERRUPT, to_json({"reason": "the run was cancelled"}))
            with anyio.move_on_after(INTERRUPT_SECONDS):
                while not colony.quiet(run.id):  # noqa: ASYNC110 - the colony does not tell when it is
                    await anyio.sleep(INTERRUPT_SECONDS / 30)


def _recall(run: Run, kind: str, data: Any) -> None:
    if kind == INTENT:
        actor, request, answer = data
        run.noted[ActorId(actor), request] = Noted(answer)
    elif kind == FILE:
        path, change, was, actor, request = data
        run.files.add(FileChanged(path, ChangeKind(change), was))
        if (noted := run.noted.get((ActorId(actor), request))) is not None:
            noted.made = True
