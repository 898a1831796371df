"""The SDK's port onto the WIT imports. The only module that imports the generated bindings of the world."""

# The bindings exist only where the component is built.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from collections.abc import Callable

from componentize_py_types import Err  # type: ignore[import-not-found]
from vespiary_sdk._port import Capability, Level
from vespiary_sdk.errors import refused
from wit_world.imports import (  # type: ignore[import-not-found]
    agents,
    command,
    context,
    http,
    llm,
    logger,
    messaging,
    requests,
    timer,
    workspace,
)

_START: dict[str, Callable[[str], int]] = {
    "workspace": workspace.start,
    "llm": llm.start,
    "command": command.start,
    "http": http.start,
    "agents": agents.start,
}
_LEVELS = {
    "debug": logger.Level.DEBUG,
    "info": logger.Level.INFO,
    "warn": logger.Level.WARN,
    "error": logger.Level.ERROR,
}


class WitPort:
    """The host behind the WIT imports."""

    def start(self, capability: Capability, request: str) -> int:
        """Start a request."""
        try:
            return _START[capability](request)
        except Err as error:
            raise refused(error.value) from None

    def timer(self, millis: int) -> int:
        """Ask to be woken."""
        return timer.start(millis)

    def cancel(self, request: int) -> None:
        """Forget a request."""
        requests.cancel(request)

    def send(self, message_type: str, payload: str, to: str | None) -> None:
        """Publish a message."""
        try:
            if to is None:
                messaging.send(message_type, payload)
            else:
                messaging.send_to(to, message_type, payload)
        except Err as error:
            raise refused(error.value) from None

    def log(self, level: Level, text: str) -> None:
        """Add a line to the log."""
        logger.log(_LEVELS[level], text)

    def now(self) -> int:
        """The time of the step."""
        return context.now()

    def random(self, count: int) -> bytes:
        """Random bytes of the step."""
        return bytes.fromhex(context.random(count))

    def scope(self) -> str:
        """The actor's scope; it never changes."""
        return context.scope()

    def self_id(self) -> str:
        """The actor's id."""
        return context.self()

    def host(self) -> str:
        """Facts about the host."""
        return context.host()

    def parent(self) -> str | None:
        """The scope above."""
        return agents.parent()
