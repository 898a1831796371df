"""The one way out: everything that the SDK asks of the host goes through the port of the actor that is running.

Inside WebAssembly the port calls the WIT imports; natively a fake host implements it. Knows no asyncio, no tool, no actor class.
"""

from typing import Literal, Protocol

Level = Literal["debug", "info", "warn", "error"]
Capability = Literal["workspace", "llm", "command", "http", "agents"]


class Port(Protocol):
    """The host, as one actor sees it. All texts are JSON unless said otherwise. Refusals are raised as `CapabilityError`."""

    def start(self, capability: Capability, request: str) -> int:
        """Start a request; its answer comes later under this id."""
        ...

    def timer(self, millis: int) -> int:
        """Ask to be woken; the answer comes under this id."""
        ...

    def cancel(self, request: int) -> None:
        """The answer to this request is no longer wanted."""
        ...

    def send(self, message_type: str, payload: str, to: str | None) -> None:
        """Publish a message in the actor's own scope, or in the scope `to`."""
        ...

    def log(self, level: Level, text: str) -> None:
        """Add a line of plain text to the actor's log."""
        ...

    def now(self) -> int:
        """The time of this step, nanoseconds since the epoch."""
        ...

    def random(self, count: int) -> bytes:
        """Random bytes from this step's seed."""
        ...

    def scope(self) -> str:
        """The actor's own scope."""
        ...

    def self_id(self) -> str:
        """The actor's own id."""
        ...

    def host(self) -> str:
        """Facts about the host."""
        ...

    def parent(self) -> str | None:
        """The scope above the actor's own."""
        ...
