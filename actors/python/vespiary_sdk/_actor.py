"""The class that an author derives from, the message that its handlers get, and how handlers are marked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from vespiary_sdk import messaging
from vespiary_sdk._tools import current_call
from vespiary_sdk.errors import ActorError

F = TypeVar("F", bound=Callable[..., Any])
Extent = Literal["own", "subtree", "everywhere"]
EXTENTS: tuple[Extent, ...] = ("own", "subtree", "everywhere")

_MARK = "__vespiary_on__"


@dataclass(frozen=True, slots=True)
class Message:
    """A message from another actor or the host. `scope` is the sender's, `payload` the JSON read into Python values."""

    id: str
    type: str
    sender: str
    scope: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Handler:
    """A method that wants messages."""

    method: str
    pattern: str
    extent: Extent

    def wants(self, message_type: str) -> bool:
        """Whether the pattern covers the type: `a.b` itself, `a.*` all below `a`, `*` everything."""
        if self.pattern == "*":
            return True
        if self.pattern.endswith(".*"):
            return message_type.startswith(self.pattern[:-1])
        return self.pattern == message_type


def on(pattern: str, extent: Extent = "own") -> Callable[[F], F]:
    """Call this method for each message whose type matches: `a.b`, `a.*` for all below `a`, `*` for all.

    `extent` says from where: the actor's `own` scope, its `subtree`, or `everywhere` in the same run. May be used more than
    once on a method. The method takes the message, and may be `async`.
    """

    def mark(method: F) -> F:
        marks: list[tuple[str, Extent]] = [*getattr(method, _MARK, ()), (pattern, extent)]
        setattr(method, _MARK, marks)
        return method

    return mark


class Actor:
    """The base of all actors. One instance lives in one agent, alone in its sandbox, and handles messages as they come.

    Several handlers may wait at the same time; between two `await`s nothing else runs.
    """

    config: dict[str, Any]

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def snapshot(self) -> Any:
        """The whole state as JSON-able data, asked for when no handler waits.

        A new instance that is given it by `restore` must go on as this one would: what it leaves out is lost. An actor that keeps
        nothing between messages says so by giving None. One that does not define this method has no snapshot: the host then
        keeps all messages for it instead.
        """
        return None

    def restore(self, state: Any) -> None:
        """Take over what `snapshot` gave, in a freshly made instance; it may live in another scope, with another configuration."""

    def status(self, detail: str, title: str | None = None) -> None:
        """Tell whoever watches how the running tool call gets on. Does nothing outside of a tool."""
        call = current_call.get()
        if call is None:
            return
        payload = {"call": call.id, "name": call.name, "state": "running", "detail": detail}
        messaging.send("vespiary.tool.status", {**payload, "title": title} if title is not None else payload)


def handlers_of(cls: type[Any]) -> list[Handler]:
    """The handlers of an actor class, in the order of definition, base classes first. Raises `ActorError`.

    Computed once per class, so that actors that are part of the component have theirs ready.
    """
    cached: list[Handler] | None = cls.__dict__.get("__vespiary_handlers__")
    if cached is not None:
        return cached
    methods = {name: None for base in reversed(cls.__mro__) for name in vars(base)}
    handlers: list[Handler] = []
    for method in methods:
        marks: list[tuple[str, Extent]] = getattr(getattr(cls, method, None), _MARK, [])
        for pattern, extent in reversed(marks):
            if extent not in EXTENTS:
                raise ActorError(f"{cls.__name__}.{method}: extent is one of {', '.join(EXTENTS)}, not {extent!r}.")
            handlers.append(Handler(method, pattern, extent))
    cls.__vespiary_handlers__ = handlers
    return handlers
