"""Guests for tests of both kinds of shards: the same factories run in this process and in a worker process.

A worker is given one by name: `support.worker_guests:make`. What a guest does is the type of the message that it gets.
"""

import ctypes
import json
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from support.guests import Dies, Scripted, ScriptedGuests, actor
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId
from vespiary.model.messages import Envelope
from vespiary.model.steps import Construct, Deliver, FailureKind, Log, StepBody, StepInput, StepResult

ONE, TWO = ActorId("aaaaaa/one"), ActorId("aaaaaa/two")
Progress = Callable[[str], None]
LOOPING = "looping"
"""What is told as progress when a guest began to loop."""


class Telling(threading.Event):
    """Tells when it is set."""

    def __init__(self, tell: Progress) -> None:
        super().__init__()
        self._tell = tell

    def set(self) -> None:
        super().set()
        self._tell(LOOPING)


class Worker(Scripted):
    """Does what it is told."""

    def handle(self, envelope: Envelope) -> None:
        deed: Callable[[str], None] | None = getattr(self, f"on_{envelope.type}", None)
        if deed is None:
            self.log(envelope.type)
        else:
            deed(envelope.payload)

    def on_loop(self, payload: str) -> None:
        self.loop_for_ever()

    def on_spin(self, payload: str) -> None:
        """Loop and listen to nobody."""
        self.looping.set()
        while True:
            pass

    def on_die(self, payload: str) -> None:
        raise Dies

    def on_say(self, payload: str) -> None:
        self.log("x" * int(payload))

    def on_length(self, payload: str) -> None:
        self.log(str(len(payload)))

    # What takes the process with it

    def on_exit(self, payload: str) -> None:
        os._exit(int(payload))

    def on_kill(self, payload: str) -> None:
        os.kill(os.getpid(), int(payload))

    def on_crash(self, payload: str) -> None:
        ctypes.string_at(0)

    def on_stop(self, payload: str) -> None:
        self.looping.set()
        os.kill(os.getpid(), signal.SIGSTOP)

    def on_garbage(self, payload: str) -> None:
        os.write(json.loads(sys.argv[2])["socket"], bytes.fromhex(payload))
        self.loop_for_ever()

    # What it can see of itself

    def on_environment(self, payload: str) -> None:
        self.log(json.dumps(dict(os.environ)))

    def on_threads(self, payload: str) -> None:
        self.log(json.dumps([thread.name for thread in threading.enumerate()]))

    def on_import(self, payload: str) -> None:
        try:
            __import__(payload)
        except ImportError:
            self.log("no")
        else:
            self.log("yes")

    def on_complain(self, payload: str) -> None:
        logging.getLogger("guest").warning("trouble with %s", payload)
        print("on stdout")
        os.write(1, b"on descriptor 1\n")

    def on_flood(self, payload: str) -> None:
        block = b"flood\n" * 1000 + b"y" * 100_000
        for _ in range(int(payload)):
            os.write(2, block)
        self.log("done")


class Guests(ScriptedGuests):
    """Guests that a worker process can host."""

    def __init__(self, tell: Progress) -> None:
        super().__init__({"one": Worker, "two": Worker})
        self.looping = Telling(tell)
        self._tell = tell

    def step(self, step: StepInput) -> StepResult:
        if isinstance(step.body, Deliver) and step.body.envelope.type == "break":
            raise OSError("broken")
        return super().step(step)

    def load(self, reference: str) -> str:
        self._tell(f"Compiling {reference} …")
        if reference == "bug":
            raise RuntimeError("secret")
        if reference == "exit":
            os._exit(9)
        if reference != "python":
            raise VespiaryError("There is none.", hint="Make one.", code="component.missing")
        return "identity"


def make(tell: Progress) -> Guests:
    """The usual guests."""
    return Guests(tell)


class Reluctant:
    """A factory that fails twice."""

    def __init__(self) -> None:
        self.attempts: list[Exception] = [VespiaryError("No component.", hint="Build it."), RuntimeError("secret")]

    def __call__(self, tell: Progress) -> Guests:
        if self.attempts:
            raise self.attempts.pop(0)
        return Guests(tell)


reluctant = Reluctant()
"""The one of a worker process; each process has its own."""


def steps(*bodies: tuple[ActorId, StepBody]) -> list[StepInput]:
    """Inputs, numbered."""
    return [StepInput(who, number, 0, 0, body) for number, (who, body) in enumerate(bodies)]


def tell(message_type: str, payload: str = "1") -> Deliver:
    """A message."""
    return Deliver(Envelope("root:1", message_type, ONE, "aaaaaa", payload))  # pyright: ignore[reportArgumentType]


def births() -> list[StepInput]:
    """The inputs that make both actors."""
    return steps((ONE, Construct(actor("one"), None)), (TWO, Construct(actor("two"), None)))


def kinds(results: Sequence[StepResult]) -> list[FailureKind | None]:
    """How the steps failed."""
    return [result.failure.kind if result.failure else None for result in results]


def said(results: Sequence[StepResult]) -> list[str]:
    """What the steps logged."""
    return [output.text for result in results for output in result.outputs if isinstance(output, Log)]


def wait_gone(pid: int, seconds: float = 10.0) -> bool:
    """Whether the process ends within this time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def proc(pid: int | None, name: str) -> bytes:
    """What Linux says of a process; nothing if there is none."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def descriptors(pid: int | None) -> dict[str, str]:
    """The open descriptors of a process, and what they are."""
    return {file.name: str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}


def dying(tell: Progress) -> Guests:
    """A factory that takes the process with it."""
    os._exit(5)
