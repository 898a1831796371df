"""How a run stood after one of its entries: folded from its journal in a colony of its own, in which nothing is ever begun."""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from random import Random
from typing import TYPE_CHECKING, Any

import anyio

from vespiary.model.errors import VespiaryError
from vespiary.model.ids import ActorId, RunId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import Log, StepFailure, StepInput, StepResult
from vespiary.runtime.clock import SystemClock
from vespiary.runtime.colony import Colony
from vespiary.runtime.deadletters import DeadLetter
from vespiary.runtime.outline import ActorOutline, Outline

if TYPE_CHECKING:
    from vespiary.journal.store import JournalStore

__all__ = ["ActorOutline", "Outline", "standing"]


def standing(store: "JournalStore", run: RunId, until: int) -> Outline | None:
    """The run after entry `until`; none if nothing of it lived any more. Blocks. Raises `VespiaryError`."""
    return anyio.run(_fold, store, run, until)


async def _fold(store: "JournalStore", run: RunId, until: int) -> Outline | None:
    async with Colony(
        shards=[_Nowhere()], capabilities={}, observer=_Deaf(), clock=SystemClock(), source=Random(0), journal=store
    ) as colony:
        entries: Iterable[tuple[int, Any]] = takewhile(lambda each: each[0] <= until, store.entries(run))
        await colony.recover(run, entries, lambda kind, data: None)
        return colony.outline(run)


class _Nowhere:
    """A shard without guests: it only ever hears that actors are to be dropped."""

    generation = 1

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        return [StepResult(step.actor, step.step) for step in batch]

    def interrupt(self, actor: ActorId) -> None: ...

    async def close(self) -> None: ...


class _Deaf:
    """What happened was told when it did."""

    def message(self, run: RunId, published_in: Scope, envelope: Envelope) -> None: ...

    def log(self, run: RunId, actor: ActorId, line: Log) -> None: ...

    def failed(self, run: RunId, actor: ActorId, failure: StepFailure, *, restarted: bool) -> None: ...

    def buried(self, letter: DeadLetter) -> None: ...

    def broken(self, run: RunId, problem: VespiaryError) -> None: ...

    def exited(self, run: RunId, scope: Scope, reason: str) -> None: ...
