"""The worker process: a thread that reads, the main thread that runs guests.

Started by `vespiary.runtime.worker_process`, isolated from the environment and the current folder. When the server is gone, however
that came about, the reader ends the process, also while a guest loops. stdin and stdout are nothing; stderr is the server's log.
"""

import faulthandler
import json
import logging
import mmap
import os
import sys
import threading
from collections.abc import Callable
from typing import cast

import vespiary
from vespiary.model import frames
from vespiary.model.ids import ActorId
from vespiary.model.pack import Packed
from vespiary.worker.bench import Batch, Bench, Load
from vespiary.worker.guests import SANDBOX, factory
from vespiary.worker.line import Line, leave
from vespiary.worker.manners import behave

_INSIST = 0.02
"""Seconds between interrupts."""
_BROKEN = 70
"""Exit code for a failure of our own."""
_MOST_TEXT = 2_000
"""Characters of a sentence of progress."""


def main(text: str) -> None:
    """Work until the server is done. `text` is JSON: who the server is, how to reach it, which guests to host."""
    settings = json.loads(text)
    sys.stdout = sys.stderr
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    faulthandler.enable()
    behave(settings["parent"])
    line = Line.open(descriptor=settings.get("socket"), port=settings.get("port"))

    def progress(sentence: str) -> None:
        line.send((frames.PROGRESS, sentence.encode(errors="replace").decode()[:_MOST_TEXT]))

    name: str = settings.get("guests") or SANDBOX
    bench = Bench(lambda: factory(name)(progress), _marker(settings.get("running")))
    threading.Thread(target=_read, args=(line, bench), name="vespiary-reader", daemon=True).start()
    line.send((frames.HELLO, frames.FORMAT, vespiary.__version__))
    try:
        for message in bench.work():
            line.send(message)
    except BaseException:
        logging.getLogger(__name__).exception("The worker failed.")
        leave(_BROKEN)
    leave()  # what the process holds goes with it, faster than guest by guest


def _read(line: Line, bench: Bench) -> None:
    try:
        while True:
            if bench.pressing and not line.wait(_INSIST):
                bench.insist()
                continue
            for message in line.read():
                _take(bench, *message)
    except BaseException:
        logging.getLogger(__name__).exception("The worker did not understand its server.")
        leave(_BROKEN)


def _take(bench: Bench, kind: int, *content: object) -> None:
    match kind, content:
        case frames.RUN, (int(number), list()):
            bench.add(Batch(number, cast("list[Packed]", content[1])))
        case frames.INTERRUPT, (int(number), str(actor)):
            bench.interrupt(number, ActorId(actor))
        case frames.LOAD, (int(number), str(reference)):
            bench.add(Load(number, reference))
        case frames.CLOSE, ():
            bench.close()
        case _:
            raise ValueError(f"a message of the kind {kind!r}")


def _marker(descriptor: int | None) -> Callable[[int, int], None]:
    """Writes which step runs to memory that the server reads when the process has died."""
    if descriptor is None:
        return lambda number, index: None
    cell = memoryview(mmap.mmap(descriptor, 8)).cast("Q")
    os.close(descriptor)

    def mark(number: int, index: int) -> None:
        cell[0] = number << 32 | index

    return mark
