"""What the capabilities need from whoever is in front: the editor as a small port, and a place to tell what happens.

A front implements `EditorPort` (an LSP client, the bare disk); `app` implements `RunPort`. Nothing here knows which.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from vespiary.model.edits import ApplyResult, FileChange
from vespiary.model.events import EventBody, UsageEvent
from vespiary.model.grants import Grants
from vespiary.model.ids import RunId, Scope
from vespiary.model.runs import FileChanged, Mode

if TYPE_CHECKING:
    # Not for the start: a front needs these ports before anything is run.
    from vespiary.model.steps import Caller
    from vespiary.providers.base import Finished


@dataclass(frozen=True, slots=True)
class Buffer:
    """The text of a document that is open in the editor. `modified`: it may differ from the file on disk."""

    text: str
    modified: bool


class EditorPort(Protocol):
    """The workspace as somebody edits it. Paths are workspace-relative with `/` and were checked to stay inside."""

    def buffer(self, path: str) -> Buffer | None:
        """The open document at `path`; none if it is not open."""
        ...

    def buffers(self) -> Iterable[str]:
        """The paths of all open documents within the workspace."""
        ...

    async def apply(self, change: FileChange, label: str) -> ApplyResult:
        """Apply a change as one undo step named `label`. `applied` only when the content was seen to be the expected one."""
        ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What the agent in a scope may do and how it is set up: looked up by capabilities for each request."""

    run: RunId
    agent: str
    grants: Grants
    mode: Mode
    model: str
    """The name under `models` that its calls use unless they say otherwise."""
    models: frozenset[str] = frozenset()
    """Further models that it may name."""


class CallAccount(Protocol):
    """A model call in its run's books. Whoever was given one calls `close`, however the call ended."""

    def lost(self, said: int) -> None:
        """A try of the call broke off after `said` bytes of a reply, and another one follows."""
        ...

    def close(self, reply: "Finished | None", said: int) -> UsageEvent | None:
        """The call ended: with a reply, or without one after `said` bytes. Gives what is to be told of it, at once."""
        ...


@dataclass(slots=True)
class Noted:
    """What is known, after a crash, of a change that was under way: the answer that it was to get, and whether it was made."""

    answer: str
    made: bool = False


class RunPort(Protocol):
    """The run that a request belongs to."""

    def policy(self, scope: Scope) -> Policy:
        """The policy of the agent in this scope. Raises `RequestRefused` for a scope that has ended."""
        ...

    def tell(self, caller: "Caller", body: EventBody) -> None:
        """Tell the run's listeners. Never blocks and never raises."""
        ...

    async def account(self, caller: "Caller", model: str, size: int, max_tokens: int | None) -> CallAccount:
        """Ask whether the budgets have room for a model call, waiting for others under way if need be.

        `model` is a name under `models`, `size` the bytes of the request with its tools, `max_tokens` the most that the reply may
        have, if the call says. Raises `BudgetExceeded`.
        """
        ...

    async def intend(self, caller: "Caller", answer: str) -> None:
        """Note that a change is about to be made, and what it will be answered with. It is kept once this returns."""
        ...

    async def changed(self, caller: "Caller", file: FileChanged) -> None:
        """Note that a file was changed on behalf of the caller. It is kept once this returns."""
        ...

    def noted(self, caller: "Caller") -> Noted | None:
        """What was noted of this very request before a crash."""
        ...

    async def spawn(self, caller: "Caller", agent: str, prompt: str | None) -> tuple[Scope, str]:
        """Make a child agent and wait until it is ready; gives its scope and name.

        With `caller.again` it may have been made before: then it is that one, for the same actor and request.
        """
        ...

    async def stop(self, caller: "Caller", scope: Scope) -> None:
        """End a descendant of the caller's scope. With `caller.again`, one that is gone was ended before."""
        ...
