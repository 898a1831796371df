"""What one step puts out, collected while the guest runs, and the facts that the host gives it.

Enforces the rules that need nothing but the step: syntax, size, number. What a guest may not do comes back as a sentence for
the guest, never as an exception: an exception inside a host import would kill the actor. Knows nothing of wasmtime.
"""

import json
import platform
import re
import sys
from dataclasses import dataclass, field
from functools import cache

import orjson

from vespiary import __version__
from vespiary.model.ids import ActorId, Scope, correlate, is_scope
from vespiary.model.steps import CancelRequest, Level, Limits, Log, Output, Request, Send
from vespiary.model.vocabulary import HOST_ONLY, OWN_SCOPE_ONLY
from vespiary.wasm.seed import SeededBytes

MAX_RANDOM = 65_536
MAX_MILLIS = 86_400_000
MAX_TYPE = 200
_TYPE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z")
_OS = {"linux": "linux", "darwin": "macos", "win32": "windows"}


def is_message_type(text: str) -> bool:
    """Whether the text is a dotted name: parts of letters, digits, `_` and `-`, at most 200 characters."""
    return len(text) <= MAX_TYPE and _TYPE.match(text) is not None


def size_of(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


@cache
def host_facts() -> str:
    """What an actor may know of the host, as JSON: nothing that names a person or a place."""
    arch = platform.machine().lower()
    facts = {
        "os": _OS.get(sys.platform, sys.platform),
        "arch": {"amd64": "x86_64"}.get(arch, arch),
        "version": __version__,
    }
    return json.dumps(facts, separators=(",", ":"))


class Refused:
    """The `err` side of a host function's result."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


@dataclass(slots=True)
class RequestIds:
    """Gives ids to an actor's requests, and remembers which message each open one belongs to."""

    last: int = 0
    parents: dict[int, str | None] = field(default_factory=dict[int, "str | None"])

    def next(self, step: int, parent: str | None) -> int:
        """A fresh id: above every earlier one, and apart from those of other steps even if the instance was made anew."""
        self.last = max(self.last + 1, step << 20)
        self.parents[self.last] = parent
        return self.last


class Outbox:
    """One step's outputs, in the order in which the guest made them."""

    __slots__ = (
        "_fresh",
        "_random",
        "_seed",
        "_wasi",
        "actor",
        "broken",
        "bytes_left",
        "items",
        "lines_dropped",
        "monotonic",
        "now",
        "outputs_left",
        "parent_message",
        "parent_scope",
        "requests",
        "scope",
        "step",
    )

    def __init__(
        self,
        actor: ActorId,
        scope: Scope,
        parent_scope: Scope | None,
        step: int,
        now: int,
        seed: int,
        limits: Limits,
        requests: RequestIds,
        parent_message: str | None,
    ) -> None:
        self.actor = actor
        self.scope = scope
        self.parent_scope = parent_scope
        self.step = step
        self.now = max(0, now)
        self.monotonic = self.now
        self.bytes_left = limits.output_bytes
        self.outputs_left = limits.outputs
        self.items: list[Output] = []
        self.lines_dropped = False
        self.broken: str | None = None
        """The rule that the guest broke where it could not be told so; the step fails."""
        self.requests = requests
        self.parent_message = parent_message
        self._seed = seed
        self._fresh: SeededBytes | None = None
        self._random: SeededBytes | None = None
        self._wasi: SeededBytes | None = None

    def _room(self, size: int) -> str | None:
        if self.outputs_left < 1:
            return "this step has put out as much as one step may: too many outputs."
        if size > self.bytes_left:
            return f"this step may put out {self.bytes_left} more bytes, and this has {size}."
        self.outputs_left -= 1
        self.bytes_left -= size
        return None

    def send(self, message_type: str, payload: str, to: str | None = None) -> Refused | None:
        """Publish a message; the refusal says why not."""
        if to is not None and not is_scope(to):
            return Refused(f"{_quote(to)} is not a scope: six characters A-Z, a-z, 0-9.")
        if not is_message_type(message_type):
            return Refused(f"{_quote(message_type)} is not a message type: a dotted name of letters, digits, _ and -.")
        if message_type in HOST_ONLY:
            return Refused(f"only the host may send {message_type}.")
        if to is not None and to != self.scope and message_type in OWN_SCOPE_ONLY:
            return Refused(f"{message_type} cannot be sent into another scope: it is what an agent says of itself.")
        size = size_of(payload)
        if size > self.bytes_left:  # before the work of parsing it
            return Refused(f"this step may put out {self.bytes_left} more bytes, and this has {size}.")
        if (fault := _not_json(payload)) is not None:
            return Refused(f"the payload of {message_type} is not JSON: {fault}.")
        if (full := self._room(size)) is not None:
            return Refused(full)
        if self._fresh is None:
            self._fresh = SeededBytes(self._seed, b"message-id")
        ident = correlate(self.parent_message, self._fresh.take(6).hex())
        self.items.append(Send(ident, message_type, payload, None if to is None else Scope(to)))
        return None

    def request(self, capability: str, payload: str) -> int | Refused:
        """Start work in the host; gives the request's id."""
        size = size_of(payload)
        if size > self.bytes_left:
            return Refused(f"this step may put out {self.bytes_left} more bytes, and this has {size}.")
        if (fault := _not_json(payload)) is not None:
            return Refused(f"the request is not JSON: {fault}.")
        if (full := self._room(size)) is not None:
            return Refused(full)
        ident = self.requests.next(self.step, self.parent_message)
        self.items.append(Request(ident, capability, payload))
        return ident

    def timer(self, millis: int) -> int:
        """Start a timer. It cannot be refused, so too many of them break the step."""
        ident = self.request("timer", f'{{"millis":{min(max(millis, 0), MAX_MILLIS)}}}')
        if isinstance(ident, Refused):
            self.broken = "too many outputs: " + ident.reason
            return 0
        return ident

    def cancel(self, ident: int) -> None:
        """Give up a request; one that is not open is ignored."""
        if ident not in self.requests.parents:
            return
        if self._room(0) is not None:
            self.broken = "too many outputs in one step."
            return
        del self.requests.parents[ident]
        self.items.append(CancelRequest(ident))

    def log(self, level: str, text: str) -> None:
        """Add a line; beyond the limits it is dropped, and the first dropped one is told."""
        if self._room(size_of(text)) is None:
            self.items.append(Log(Level(level), text))
        elif not self.lines_dropped:
            self.lines_dropped = True
            self.items.append(
                Log(Level.WARN, "Further log lines of this step were dropped: it put out more than one step may.")
            )

    def random_hex(self, count: int) -> str:
        """Random bytes of this step as hexadecimal."""
        if self._random is None:
            self._random = SeededBytes(self._seed, b"context")
        return self._random.take(min(max(count, 0), MAX_RANDOM)).hex()

    def wasi_random(self) -> SeededBytes:
        """The step's randomness for WASI, apart from that of the `context` interface."""
        if self._wasi is None:
            self._wasi = SeededBytes(self._seed, b"wasi")
        return self._wasi

    def tick(self) -> int:
        """The monotonic clock in nanoseconds. A microsecond passes with each look, or a loop waiting for time would never end."""
        self.monotonic += 1_000
        return self.monotonic

    def logs(self) -> tuple[Log, ...]:
        """The log lines alone: what is left of a step that failed fatally."""
        return tuple(item for item in self.items if isinstance(item, Log))


def _not_json(text: str) -> str | None:
    try:
        orjson.loads(text)
    except (ValueError, RecursionError) as fault:
        return str(fault)
    return None


def _quote(text: str) -> str:
    return json.dumps(text if len(text) <= 80 else text[:79] + "…", ensure_ascii=False)
