"""Uses everything once while the component is built, so that what Python sets up on first use is part of the snapshot.

Python specialises code that runs, fills caches, shares dictionary keys: each instance would do that again, in time and in
memory of its own. Nothing of the actors made here outlives the build.
"""

import json
from typing import Any

from vespiary_sdk import Actor, Message, ToolError, llm, log, messaging, on, sleep, tool, workspace
from vespiary_sdk._instance import Instance
from vespiary_sdk._port import Capability, Level

ROUNDS = 30
"""Enough for the interpreter to take code for hot."""

SCOPE = "000001"


class NullPort:
    """A host that takes everything and gives nothing."""

    def __init__(self) -> None:
        self.open: dict[int, str] = {}
        """Requests that wait: their capabilities by their numbers."""
        self._count = 0
        self._calls: list[dict[str, Any]] = []

    def start(self, capability: Capability, request: str) -> int:
        """Number a request."""
        self._count += 1
        self.open[self._count] = capability
        return self._count

    def timer(self, millis: int) -> int:
        """Number a timer."""
        return self.start("workspace", "")

    def cancel(self, request: int) -> None:
        """Forget a request."""
        self.open.pop(request, None)

    def send(self, message_type: str, payload: str, to: str | None) -> None:
        """Remember the calls of tools."""
        if message_type == "vespiary.tool.call":
            call = json.loads(payload)
            self._calls.append({"call": call["call"], "name": call["name"]})

    def take_calls(self) -> list[dict[str, Any]]:
        """The calls of tools since the last time."""
        calls, self._calls = self._calls, []
        return calls

    def log(self, level: Level, text: str) -> None:
        """Nothing."""

    def now(self) -> int:
        """The epoch."""
        return 0

    def random(self, count: int) -> bytes:
        """Zeros."""
        return bytes(count)

    def scope(self) -> str:
        """The same for all."""
        return SCOPE

    def self_id(self) -> str:
        """The same for all."""
        return f"{SCOPE}/warm"

    def host(self) -> str:
        """Nothing known."""
        return "{}"

    def parent(self) -> str | None:
        """None."""
        return None


class _Sample(Actor):
    @on("vespiary.agent.message")
    async def heard(self, message: Message) -> None:
        await sleep(1)
        log.info(message.payload["text"])
        await llm.complete([{"role": "user", "content": "?"}], tools=[{"name": "t"}])
        messaging.send("warm.up", {"text": "é"})

    @tool(title="Reading {path}")
    async def read(self, path: str, line: int | None = None) -> str:
        """Read.

        Args:
            path: Where.
        """
        return (await workspace.read(path)).text

    @tool
    def fail(self) -> None:
        """Fail."""
        raise ToolError("no")

    @on("warm.fail")
    async def broken(self, message: Message) -> None:
        raise ValueError(message)

    def snapshot(self) -> Any:
        return {"n": 1}

    def restore(self, state: Any) -> None:
        self.config["n"] = state["n"]


_ANSWER = json.dumps(
    {
        "path": "a",
        "text": "text",
        "hash": "0",
        "size": 4,
        "message": {"role": "assistant", "content": "", "tool_calls": [{"id": "1", "name": "t", "arguments": "{}"}]},
        "finish": "stop",
        "usage": {},
        "model": "m",
    }
)


def warm_up() -> None:
    """Run a sample actor through all that an actor does."""
    for round in range(ROUNDS):
        port = NullPort()
        instance = Instance(port, lambda: _Sample({}))
        instance.describe()
        _deliver(instance, round, "vespiary.agent.message", {"text": "hello"})
        for name, arguments in (("read", {"path": "a", "line": "3"}), ("read", {"zz": 1}), ("fail", {})):
            payload = {"call": f"{name}{len(arguments)}", "name": name, "arguments": arguments}
            _deliver(instance, round, "vespiary.tool.call", payload)
        _deliver(instance, round, "warm.fail", None)
        while port.open:
            number = next(iter(port.open))
            del port.open[number]
            instance.reply(number, True, _ANSWER)
        instance.restore(instance.snapshot() or "null")


def _deliver(instance: Instance, round: int, message_type: str, payload: Any) -> None:
    instance.handle(f"root:{round}", message_type, f"{SCOPE}/other", SCOPE, json.dumps(payload))
