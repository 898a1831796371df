"""A run as capabilities see it, that remembers what it was told."""

from collections.abc import Sequence

from vespiary.capabilities.ports import Noted, Policy
from vespiary.model.events import EventBody, UsageEvent
from vespiary.model.grants import Grants
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.runs import FileChanged, Mode
from vespiary.model.steps import Caller
from vespiary.providers.base import Finished

CALLER = Caller(RunId("run000000000"), Scope("aaaaaa"), "coder", ActorId("aaaaaa/assistant"), 1)


class RecordingRun:
    """A `RunPort` with one policy for all. `events` and `files` hold what was told."""

    def __init__(
        self,
        grants: Grants | None = None,
        *,
        model: str = "default",
        models: Sequence[str] = (),
        mode: Mode = Mode.APPLY,
    ) -> None:
        self._policy = Policy(CALLER.run, "coder", grants or Grants(), mode, model, frozenset(models))
        self.events: list[EventBody] = []
        self.files: list[FileChanged] = []

    def policy(self, scope: Scope) -> Policy:
        return self._policy

    def tell(self, caller: Caller, body: EventBody) -> None:
        self.events.append(body)

    async def account(self, caller: Caller, model: str, size: int, max_tokens: int | None) -> "OpenAccount":
        return OpenAccount(model)

    async def changed(self, caller: Caller, file: FileChanged) -> None:
        self.files.append(file)

    async def intend(self, caller: Caller, answer: str) -> None: ...

    def noted(self, caller: Caller) -> Noted | None:
        return None

    async def spawn(self, caller: Caller, agent: str, prompt: str | None) -> tuple[Scope, str]:
        raise NotImplementedError

    async def stop(self, caller: Caller, scope: Scope) -> None:
        raise NotImplementedError


class OpenAccount:
    """The account of a call in a run without budgets and prices: what the provider counted is what is told."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.broken_off: list[int] = []

    def lost(self, said: int) -> None:
        self.broken_off.append(said)

    def close(self, reply: Finished | None, said: int) -> UsageEvent | None:
        return None if reply is None else UsageEvent(reply.model or self._model, reply.usage, reply.usage)
