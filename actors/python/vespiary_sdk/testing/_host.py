"""A host for one actor, on ordinary Python: delivers messages, records what comes out, answers requests as a test says.

Knows the SDK's instance; uses no thread, no clock and no WebAssembly. Time passes by `advance` only.
"""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from vespiary_sdk._actor import Actor
from vespiary_sdk._instance import TOOL_CALL, TOOL_CANCEL, TOOL_RESULT, Instance
from vespiary_sdk._port import Capability, Level
from vespiary_sdk._runtime import to_json
from vespiary_sdk.errors import CapabilityError
from vespiary_sdk.testing._values import Line, Request, Sent, ToolResult
from vespiary_sdk.testing._workspace import FakeWorkspace

Answerer = Callable[[dict[str, Any]], Any]

HOST_ONLY = (
    "vespiary.actor.ready",
    "vespiary.actor.failed",
    "vespiary.agent.ready",
    "vespiary.agent.spawned",
    "vespiary.agent.exited",
    "vespiary.agent.interrupt",
)


class HandlerFailed(AssertionError):
    """A handler of the actor raised. The text is the actor's own traceback."""


class FakeHost:
    """One actor and its host.

    `workspace` answers all workspace requests: texts by path, or a `FakeWorkspace`. `answers` says what other requests get: by
    capability, a function of the request that returns the answer or raises `CapabilityError`. A request that nothing answers waits
    in `requests` for `answer` or `refuse`. A failing handler raises `HandlerFailed`, unless `collect_failures` is set; then see
    `failures`.
    """

    def __init__(
        self,
        actor: type[Actor],
        config: dict[str, Any] | None = None,
        *,
        workspace: FakeWorkspace | Mapping[str, str] | None = None,
        answers: Mapping[str, Answerer] | None = None,
        name: str | None = None,
        scope: str = "abc123",
        parent: str | None = None,
        now: int = 1_700_000_000_000_000_000,
        seed: int = 0,
        os: str = "linux",
        collect_failures: bool = False,
    ) -> None:
        self.workspace = workspace if isinstance(workspace, FakeWorkspace) else FakeWorkspace(workspace)
        self.answers: dict[str, Answerer] = dict(answers or {})
        if workspace is not None:
            self.answers.setdefault("workspace", self.workspace.answer)
        self.sent: list[Sent] = []
        self.requests: list[Request] = []
        self.cancelled: list[Request] = []
        self.log: list[Line] = []
        self.failures: list[dict[str, str]] = []
        self.collect_failures = collect_failures
        self.now = now
        self._due: dict[int, int] = {}
        self._count = 0
        self._port = _FakePort(self, name or actor.__name__.lower(), scope, parent, random.Random(seed), os)
        self._instance = Instance(self._port, lambda: actor(dict(config or {})))
        self._description: dict[str, Any] = json.loads(self._instance.describe())
        self._settle()

    # What the actor is

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The tools that it offers: `{"name", "description", "parameters"}`."""
        return self._description["tools"]

    @property
    def subscriptions(self) -> list[tuple[str, str]]:
        """What it wants to hear: (pattern, extent)."""
        return [(wish["pattern"], wish["extent"]) for wish in self._description["subscriptions"]]

    @property
    def actor(self) -> Any:
        """The actor itself."""
        return self._instance._actor  # pyright: ignore[reportPrivateUsage]

    # What happens to it

    def send(
        self,
        type: str,
        payload: Any = None,
        *,
        id: str | None = None,
        sender: str = "000000/host",
        scope: str | None = None,
    ) -> list[Sent]:
        """Deliver a message and go on until nothing more happens by itself. Gives what the actor sent meanwhile.

        Unlike a real host, it delivers whatever it is told to, subscribed or not. `scope` is the sender's, by default the
        actor's own.
        """
        before = len(self.sent)
        number = id or f"root:{self._number()}"
        self._record(self._instance.handle(number, type, sender, scope or self._port.scope(), to_json(payload)))
        self._settle()
        return self.sent[before:]

    def call(self, name: str, /, **arguments: Any) -> ToolResult:
        """Call a tool, as a model would with these arguments, and wait for its result.

        Raises `AssertionError` if there is none: an unknown tool, or one that waits for a request that nothing answers.
        """
        call = self.start_call(name, arguments)
        result = self.result(call)
        if result is None:
            waiting = ", ".join(f"{request.capability} {request.payload}" for request in self.requests) or "nothing"
            known = ", ".join(tool["name"] for tool in self.tools) or "none"
            raise AssertionError(f"{name} gave no result; it waits for: {waiting}. Tools: {known}.")
        return result

    def start_call(self, name: str, arguments: Any = None) -> str:
        """Call a tool and give the call's id at once; `result` tells how it went."""
        call = f"call-{self._number()}"
        self.send(
            TOOL_CALL, {"call": call, "name": name, "arguments": arguments or {}}, sender=f"{self._port.scope()}/a"
        )
        return call

    def cancel_call(self, call: str) -> None:
        """Cancel a tool call."""
        self.send(TOOL_CANCEL, {"call": call}, sender=f"{self._port.scope()}/a")

    def result(self, call: str) -> ToolResult | None:
        """The result of a tool call, if it has ended."""
        for message in self.sent:
            if message.type == TOOL_RESULT and message.payload["call"] == call:
                return ToolResult(message.payload["ok"], message.payload["content"])
        return None

    def answer(self, request: Request, payload: Any) -> list[Sent]:
        """Answer a waiting request. Gives what the actor sent then."""
        before = len(self.sent)
        self._reply(request, True, payload)
        self._settle()
        return self.sent[before:]

    def refuse(self, request: Request, code: str, message: str, hint: str | None = None) -> list[Sent]:
        """Let a waiting request fail. Gives what the actor sent then."""
        before = len(self.sent)
        self._reply(request, False, {"code": code, "message": message, **({"hint": hint} if hint else {})})
        self._settle()
        return self.sent[before:]

    def advance(self, seconds: float) -> None:
        """Let time pass and wake the timers that are due, the earliest first."""
        end = self.now + round(seconds * 1e9)
        while due := [(when, number) for number, when in self._due.items() if when <= end]:
            when, number = min(due)
            self.now = max(self.now, when)
            self._reply(next(request for request in self.requests if request.id == number), True, {})
            self._settle()
        self.now = end

    def snapshot(self) -> str | None:
        """The actor's state as text; none while it waits for something."""
        return self._instance.snapshot()

    def restore(self, state: str) -> None:
        """Give the actor a state that `snapshot` gave, of this or another host. Raises `ActorError`."""
        self._instance.restore(state)
        self._settle()

    # Inside

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _settle(self) -> None:
        """Answer what can be answered, until nothing can."""
        while request := next((entry for entry in self.requests if entry.capability in self.answers), None):
            try:
                payload, ok = self.answers[request.capability](request.payload), True
            except CapabilityError as error:
                payload, ok = {"code": error.code, "message": error.message, "hint": error.hint}, False
            self._reply(request, ok, payload)

    def _reply(self, request: Request, ok: bool, payload: Any) -> None:
        if request not in self.requests:
            raise AssertionError(f"{request} does not wait for an answer")
        self.requests.remove(request)
        self._due.pop(request.id, None)
        self._record(self._instance.reply(request.id, ok, to_json(payload)))

    def _record(self, failures: str | None) -> None:
        if failures is None:
            return
        found: list[dict[str, str]] = json.loads(failures)
        self.failures.extend(found)
        if not self.collect_failures:
            raise HandlerFailed("\n\n".join(failure["error"] for failure in found))


class _FakePort:
    """What the actor's capabilities reach."""

    def __init__(
        self, host: FakeHost, name: str, scope: str, parent: str | None, source: random.Random, os: str
    ) -> None:
        self._host = host
        self._name = name
        self._scope = scope
        self._parent = parent
        self._random = source
        self._os = os

    def start(self, capability: Capability, request: str) -> int:
        """Record the request."""
        return self._add(capability, json.loads(request))

    def timer(self, millis: int) -> int:
        """Record when to wake the actor."""
        number = self._add("timer", {"millis": millis})
        self._host._due[number] = self._host.now + millis * 1_000_000  # pyright: ignore[reportPrivateUsage]
        return number

    def _add(self, capability: str, payload: dict[str, Any]) -> int:
        number = self._host._number()  # pyright: ignore[reportPrivateUsage]
        self._host.requests.append(Request(number, capability, payload))
        return number

    def cancel(self, request: int) -> None:
        """Move the request to the cancelled ones."""
        for entry in [entry for entry in self._host.requests if entry.id == request]:
            self._host.requests.remove(entry)
            self._host.cancelled.append(entry)
            self._host._due.pop(entry.id, None)  # pyright: ignore[reportPrivateUsage]

    def send(self, message_type: str, payload: str, to: str | None) -> None:
        """Record the message."""
        if not message_type or not all(message_type.split(".")):
            raise CapabilityError("message.type", f"{message_type!r} is not a dotted name.")
        if message_type in HOST_ONLY:
            raise CapabilityError("message.type", f"Only the host sends {message_type}.")
        self._host.sent.append(Sent(message_type, json.loads(payload), to))

    def log(self, level: Level, text: str) -> None:
        """Record the line."""
        self._host.log.append(Line(level, text))

    def now(self) -> int:
        """The test's time."""
        return self._host.now

    def random(self, count: int) -> bytes:
        """Bytes from the test's seed."""
        return self._random.randbytes(min(count, 65_536))

    def scope(self) -> str:
        """The scope that the test chose."""
        return self._scope

    def self_id(self) -> str:
        """The id within that scope."""
        return f"{self._scope}/{self._name}"

    def host(self) -> str:
        """Facts that the test chose."""
        return json.dumps({"os": self._os, "arch": "x86_64", "version": "0"})

    def parent(self) -> str | None:
        """The parent that the test chose."""
        return self._parent
