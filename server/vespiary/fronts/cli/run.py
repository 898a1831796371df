"""`vespiary run`: one task, headless. Changes go to disk; events go to stdout."""

import asyncio
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from vespiary.app.disk import DiskEditor
from vespiary.app.workspace import Options, Workspace
from vespiary.fronts.cli.errors import DONE, FAILED, INTERRUPTED, say
from vespiary.model.events import RunEvent
from vespiary.model.runs import Outcome, RunInfo, Task

EXIT_CODES = {Outcome.DONE: DONE, Outcome.FAILED: FAILED, Outcome.CANCELLED: INTERRUPTED}


def run_task(folder: Path, task: Task, *, as_json: bool, trusted: bool | None) -> int:
    """Run the task in the folder; gives the exit code."""
    show = _json_printer() if as_json else _human_printer()
    info = run_to_end(folder, task, show, trusted=trusted)
    return EXIT_CODES[info.outcome]


def run_to_end(folder: Path, task: Task, show: Callable[[RunEvent], None], *, trusted: bool | None) -> RunInfo:
    """Run the task, hand every event to `show`, and give how it ended. An interrupt cancels the run."""

    root = folder.resolve()

    async def main() -> RunInfo:
        options = Options(trusted=trusted, progress=say)
        async with Workspace.open(root, DiskEditor(root), options=options) as workspace:
            workspace.runs.listen(show)
            run_id = workspace.runs.start(task)
            with _interrupts(lambda: workspace.runs.cancel(run_id)):
                return await workspace.runs.finished(run_id)

    return anyio.run(main)


@contextmanager
def _interrupts(cancel: Callable[[], Any]) -> Generator[None]:
    """The first interrupt cancels; the second one ends the process the hard way."""
    loop = asyncio.get_running_loop()

    def handler(*_: object) -> None:
        # This runs in the middle of whatever the loop is doing, so the cancelling waits for its turn.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("Stopping. Interrupt again to end at once.")
        loop.call_soon_threadsafe(cancel)

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _json_printer() -> Callable[[RunEvent], None]:
    import orjson

    from vespiary.model.wire import event_to_wire

    def show(event: RunEvent) -> None:
        sys.stdout.write(orjson.dumps(event_to_wire(event)).decode() + "\n")
        sys.stdout.flush()

    return show


def _human_printer() -> Callable[[RunEvent], None]:
    from vespiary.fronts.cli.render import Renderer

    return Renderer().show
