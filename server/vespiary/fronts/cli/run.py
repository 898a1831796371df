"""`vespiary run`: one task, headless. Changes go to disk; events go to stdout."""

import asyncio
import json
import shlex
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio

from vespiary.app.disk import DiskEditor
from vespiary.app.options import Options
from vespiary.app.workspace import Workspace
from vespiary.fronts.cli.errors import DONE, FAILED, INTERRUPTED, say
from vespiary.fronts.cli.terminal import log_to_stderr, write_json
from vespiary.model.errors import UsageError
from vespiary.model.events import RunEvent
from vespiary.model.ids import RunId
from vespiary.model.runs import Outcome, RunInfo, Task

EXIT_CODES = {
    Outcome.DONE: DONE,
    Outcome.FAILED: FAILED,
    Outcome.CANCELLED: INTERRUPTED,
    Outcome.INTERRUPTED: INTERRUPTED,
}


@dataclass(frozen=True, slots=True)
class Latest:
    """A task that goes on with the latest conversation of its agent."""

    task: Task


@dataclass(frozen=True, slots=True)
class Resume:
    """An interrupted run that is to go on: this one, or the newest."""

    run: str | None = None


What = Task | Latest | Resume


def run_task(folder: Path, what: What, *, as_json: bool, trusted: bool | None) -> int:
    """Run the task in the folder, or go on with a run; gives the exit code."""
    show, hint = (_json_printer(), None) if as_json else _human_printer()
    info = run_to_end(folder, what, show, trusted=trusted)
    where = "" if folder == Path() else f"-C {shlex.quote(str(folder))} "
    if info.outcome is Outcome.INTERRUPTED:
        say(f"It can go on where it stopped: vespiary run {where}--resume {info.run_id}")
    elif hint is not None and info.session is not None and info.outcome in (Outcome.DONE, Outcome.CANCELLED):
        agent = f"--agent {info.agent} " if isinstance(what, Task | Latest) and _named(what) else ""
        hint(f'To go on: vespiary run {where}{agent}--continue "..."')
    return EXIT_CODES[info.outcome]


def run_to_end(folder: Path, what: What, show: Callable[[RunEvent], None], *, trusted: bool | None) -> RunInfo:
    """Run the task, hand every event to `show`, and give how it ended.

    An interrupt cancels the run. A polite end from elsewhere suspends it, if it is kept. An output that nobody reads any more
    cancels it, too: an agent must not go on changing files unseen. Raises what `show` raised then.
    """
    log_to_stderr()
    root = folder.resolve()
    lost: list[OSError] = []

    async def main() -> RunInfo:
        options = Options(trusted=trusted, progress=say)
        async with Workspace.open(root, DiskEditor(root), options=options) as workspace:

            def listen(event: RunEvent) -> None:
                if lost:
                    return
                try:
                    show(event)
                except OSError as error:
                    lost.append(error)
                    workspace.runs.cancel(event.run_id)

            workspace.runs.listen(listen)
            run_id = await _begin(workspace, what)
            with _interrupts(lambda: workspace.runs.cancel(run_id), lambda: workspace.suspend(run_id)):
                return await workspace.runs.finished(run_id)

    info = anyio.run(main)
    if lost:
        raise lost[0]
    return info


async def _begin(workspace: Workspace, what: What) -> RunId:
    match what:
        case Resume(run):
            return (await workspace.resume(RunId(run) if run else await _newest(workspace))).run_id
        case Latest(task):
            return workspace.runs.start(await _latest(workspace, task))
        case Task(session=str(session), agent=None):
            # A conversation says whom it is with.
            detail = (await workspace.sessions()).get(session)
            return workspace.runs.start(replace(what, agent=detail.session.agent))
        case _:
            return workspace.runs.start(what)


async def _newest(workspace: Workspace) -> RunId:
    runs = await workspace.interrupted()
    if not runs:
        raise UsageError(
            "No run was interrupted in this workspace.", hint="`vespiary journal` lists the runs.", code="run.none"
        )
    newest = runs[-1]
    if len(runs) > 1:
        others = ", ".join(run.run_id for run in runs[:-1])
        say(f"Going on with {newest.run_id}, the newest of {len(runs)} interrupted runs. The others: {others}")
    return newest.run_id


async def _latest(workspace: Workspace, task: Task) -> Task:
    agent = task.agent or next((each.name for each in workspace.agents() if each.default), "")
    found = next((each for each in (await workspace.sessions()).list() if each.agent == agent), None)
    if found is None:
        raise UsageError(
            f"There is no conversation with the agent {agent!r} to go on with.",
            hint="Leave --continue out to begin one, or name its agent with --agent.",
            code="session.none",
        )
    return replace(task, agent=agent, session=found.session_id)


def _named(what: Task | Latest) -> bool:
    """Whether a person named an agent that is not the default one, by itself or by its conversation."""
    task = what.task if isinstance(what, Latest) else what
    return task.agent is not None or task.session is not None


@contextmanager
def _interrupts(cancel: Callable[[], Any], suspend: Callable[[], Any]) -> Generator[None]:
    """The first interrupt cancels; the second one ends the process the hard way.

    A polite end from elsewhere (`kill`, a closed terminal; `SIGBREAK` on Windows) suspends: the commands of the run end with it,
    and the run can be resumed.
    """
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def handler(number: int, *_: object) -> None:
        # This runs in the middle of whatever the loop is doing, so the cancelling waits for its turn.
        restore()
        # The terminal may be what is gone.
        with suppress(OSError):
            # A terminal stands in the middle of a line by now, which shows ^C.
            say(("\n" if sys.stderr.isatty() else "") + "Stopping. Interrupt again to end at once.")
        loop.call_soon_threadsafe(cancel if number == signal.SIGINT else suspend)

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if (number := getattr(signal, name, None)) is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        restore()


def _json_printer() -> Callable[[RunEvent], None]:
    import orjson

    from vespiary.model.wire import event_to_wire

    def show(event: RunEvent) -> None:
        wire = event_to_wire(event)
        try:
            line = orjson.dumps(wire)
        except TypeError:  # half a surrogate pair, which only an escape can carry
            line = json.dumps(wire, separators=(",", ":")).encode("ascii")
        write_json(line)

    return show


def _human_printer() -> tuple[Callable[[RunEvent], None], Callable[[str], None]]:
    from vespiary.fronts.cli.render import Renderer

    renderer = Renderer()
    return renderer.show, renderer.hint
