"""`vespiary run`: one task, headless. Changes go to disk; events go to stdout."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio

from vespiary.app.disk import DiskEditor
from vespiary.app.options import Options
from vespiary.app.workspace import Workspace
from vespiary.fronts.cli.errors import DONE, FAILED, INTERRUPTED, say
from vespiary.fronts.cli.terminal import log_to_stderr, write_json
from vespiary.model.events import RunEvent
from vespiary.model.runs import Outcome, RunInfo, Task

EXIT_CODES = {
    Outcome.DONE: DONE,
    Outcome.FAILED: FAILED,
    Outcome.CANCELLED: INTERRUPTED,
    Outcome.INTERRUPTED: INTERRUPTED,
}


def run_task(folder: Path, task: Task, *, as_json: bool, trusted: bool | None) -> int:
    """Run the task in the folder; gives the exit code."""
    show = _json_printer() if as_json else _human_printer()
    info = run_to_end(folder, task, show, trusted=trusted)
    return EXIT_CODES[info.outcome]


def run_to_end(folder: Path, task: Task, show: Callable[[RunEvent], None], *, trusted: bool | None) -> RunInfo:
    """Run the task, hand every event to `show`, and give how it ended. An interrupt cancels the run.

    So does an output that nobody reads any more: an agent must not go on changing files unseen. Raises what `show` raised then.
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
            run_id = workspace.runs.start(task)
            with _interrupts(lambda: workspace.runs.cancel(run_id)):
                return await workspace.runs.finished(run_id)

    info = anyio.run(main)
    if lost:
        raise lost[0]
    return info


@contextmanager
def _interrupts(cancel: Callable[[], Any]) -> Generator[None]:
    """The first interrupt cancels; the second one ends the process the hard way.

    A polite end from elsewhere (`kill`, a closed terminal; `SIGBREAK` on Windows) cancels too: else the commands of the run would
    live on.
    """
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def handler(*_: object) -> None:
        # This runs in the middle of whatever the loop is doing, so the cancelling waits for its turn.
        restore()
        # The terminal may be what is gone.
        with suppress(OSError):
            # A terminal stands in the middle of a line by now, which shows ^C.
            say(("\n" if sys.stderr.isatty() else "") + "Stopping. Interrupt again to end at once.")
        loop.call_soon_threadsafe(cancel)

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


def _human_printer() -> Callable[[RunEvent], None]:
    from vespiary.fronts.cli.render import Renderer

    return Renderer().show
