"""Requests under way: a task for each, that ends in an answer or is cancelled.

Knows how failures become answers. An answer is given away to be made durable, and closes its request when it comes back (`close`).
Does not know what a capability does, or how an answer travels.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import anyio
from anyio.abc import TaskGroup

from vespiary.model.errors import Problem, RequestRefused, VespiaryError
from vespiary.model.steps import Answer, Caller, Request
from vespiary.model.wire import to_json
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.capability import Capability
from vespiary.runtime.cells import ActorCell, RunCell

logger = logging.getLogger(__name__)


INTERRUPTED = Problem(
    "interrupted",
    "Vespiary stopped while this was being done. It may have been done, in part or as a whole; it was not begun again.",
    "Look what came of it before you do it again.",
)


@dataclass(slots=True, eq=False)
class _Open:
    cell: ActorCell
    caller: Caller
    request: Request
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    answered: bool = False
    """Whether its answer was given away."""


class Requests:
    """The requests of all actors. `deliver` takes every answer; none comes for a request that was cancelled."""

    def __init__(
        self, capabilities: Mapping[str, Capability], bounds: Bounds, deliver: Callable[[ActorCell, Answer], None]
    ) -> None:
        self._capabilities = capabilities
        self._bounds = bounds
        self._deliver = deliver
        self._open: dict[ActorCell, dict[int, _Open]] = {}
        self._ending: dict[RunCell, set[_Open]] = {}
        """Requests that were cancelled and whose tasks have not ended yet."""
        self._quiet: dict[RunCell, anyio.Event] = {}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def start(self, tasks: TaskGroup | None, cell: ActorCell, request: Request, now: int) -> None:
        """Start a request that was made in a step at the time `now`, or answer it with the reason why not.

        Of a run that is being rebuilt it is only noted, until `resume`.
        """
        mine = self._open.setdefault(cell, {})
        if request.id in mine:
            # The guest broke its promise of unique ids. A second answer under the id would confuse it further.
            logger.error("%s used the request id %d twice; the second request is ignored.", cell.id, request.id)
            return
        run = cell.home.run
        caller = Caller(run.id, cell.home.scope, cell.home.name, cell.id, request.id, now)
        refusal = None if run.recovering else self._refusal(cell, request, len(mine))
        opened = mine[request.id] = _Open(cell, caller, request)
        run.requests += 1
        if run.recovering:
            return
        if refusal is not None:
            self._give(opened, _failure(request.id, refusal))
        elif tasks is not None:
            self._begin(tasks, opened)

    def resume(self, tasks: TaskGroup, run: RunCell) -> None:
        """Take up what was under way in a run that was rebuilt: begin again what may be, answer the rest with `interrupted`."""
        for opened in [each for mine in self._open.values() for each in mine.values() if each.cell.home.run is run]:
            capability = self._capabilities.get(opened.request.capability)
            if capability is None or not capability.repeatable(opened.request.payload):
                known = INTERRUPTED if capability is not None else self._unknown(opened.request)
                self._give(opened, _failure(opened.request.id, known))
            else:
                opened.caller = replace(opened.caller, again=True)
                self._begin(tasks, opened)

    def of(self, cell: ActorCell) -> list[tuple[Request, int]]:
        """What an actor waits for, and the time of the step in which it asked."""
        return [(opened.request, opened.caller.asked) for opened in self._open.get(cell, {}).values()]

    def close(self, cell: ActorCell, request: int) -> bool:
        """The answer to a request is durable: it is under way no longer. False if nobody wants the answer any more."""
        mine = self._open.get(cell)
        opened = mine.pop(request, None) if mine is not None else None
        if mine is None or opened is None:
            return False
        self._drop_if_empty(cell, mine)
        self._count_out(opened)
        return True

    def _begin(self, tasks: TaskGroup, opened: _Open) -> None:
        request = opened.request
        capability = self._capabilities[request.capability]
        name = f"{opened.cell.id} {request.capability} {request.id}"
        tasks.start_soon(self._work, opened, capability, request, name=name)

    def _give(self, opened: _Open, answer: Answer) -> None:
        opened.answered = True
        opened.cell.home.run.given += 1
        self._deliver(opened.cell, answer)

    def cancel(self, cell: ActorCell, request: int) -> None:
        """End a request, if it is under way; no answer will come, not even one that waits already."""
        mine = self._open.get(cell)
        opened = mine.pop(request, None) if mine is not None else None
        if mine is not None and opened is not None:
            self._drop_if_empty(cell, mine)
            self._stop(opened)
        else:
            cell.mailbox.withdraw(request)

    def cancel_all(self, cell: ActorCell) -> None:
        """End all requests of an actor."""
        for opened in self._open.pop(cell, {}).values():
            self._stop(opened)

    async def quiet(self, run: RunCell) -> None:
        """Until every cancelled request of a run has cleaned up after itself."""
        while run in self._ending:
            await self._quiet.setdefault(run, anyio.Event()).wait()

    def _stop(self, opened: _Open) -> None:
        run = opened.cell.home.run
        self._count_out(opened)
        if opened.answered or run.recovering:  # no task of it is left, or none was begun
            return
        self._ending.setdefault(run, set()).add(opened)
        opened.scope.cancel()

    @staticmethod
    def _count_out(opened: _Open) -> None:
        run = opened.cell.home.run
        run.requests -= 1
        if opened.answered:
            run.given -= 1

    def _ended(self, opened: _Open) -> None:
        run = opened.cell.home.run
        ending = self._ending.get(run)
        if ending is not None and opened in ending:
            ending.remove(opened)
            if not ending:
                del self._ending[run]
                if (quiet := self._quiet.pop(run, None)) is not None:
                    quiet.set()

    def _drop_if_empty(self, cell: ActorCell, mine: dict[int, _Open]) -> None:
        if not mine:
            self._open.pop(cell, None)

    def _unknown(self, request: Request) -> Problem:
        known = ", ".join(sorted(self._capabilities)) or "nothing"
        return Problem("request.unknown", f'There is no "{request.capability}" here.', f"The host offers {known}.")

    def _refusal(self, cell: ActorCell, request: Request, mine: int) -> Problem | None:
        if request.capability not in self._capabilities:
            return self._unknown(request)
        if mine + cell.mailbox.answers >= self._bounds.requests_per_actor:
            limit = f"This actor has {self._bounds.requests_per_actor} requests under way, as many as it may."
        elif cell.home.run.requests - cell.home.run.given >= self._bounds.requests_per_run:
            limit = f"This run has {self._bounds.requests_per_run} requests under way, as many as it may."
        else:
            return None
        return Problem("request.too_many", limit, "Wait for answers before asking for more.")

    async def _work(self, opened: _Open, capability: Capability, request: Request) -> None:
        try:
            await self._do(opened, capability, request)
        finally:
            self._ended(opened)

    async def _do(self, opened: _Open, capability: Capability, request: Request) -> None:
        with opened.scope:
            if opened.scope.cancel_called:
                return  # cancelled by the step that asked
            answer = await self._answer(capability, opened.caller, request)
            mine = self._open.get(opened.cell)
            if mine is None or mine.get(request.id) is not opened:
                return  # cancelled, whatever the capability made of it
            self._give(opened, answer)

    async def _answer(self, capability: Capability, caller: Caller, request: Request) -> Answer:
        try:
            payload = await capability(caller, request.payload)
            _check_size(payload, self._bounds.answer_bytes)
        except VespiaryError as error:
            return _failure(request.id, error.problem())
        except Exception as error:  # the boundary: whatever a capability does wrong stays its own
            told = _told(error)
            if told is not None:
                return _failure(request.id, told)
            logger.exception(
                "%s of %s in run %s (request %d) failed.", request.capability, caller.actor, caller.run, request.id
            )
            return _failure(request.id, None)
        return Answer(request.id, True, payload)


def _check_size(payload: str, limit: int) -> None:
    if len(payload) * 4 > limit and len(payload.encode("utf-8", "surrogatepass")) > limit:
        raise RequestRefused(
            f"The answer is longer than {limit} bytes.", hint="Ask for less at once.", code="request.too_large"
        )


def _told(error: Exception) -> Problem | None:
    """The one failure for people in a group that a task group of the capability made, if that is all there is in it."""
    found: BaseException = error
    while isinstance(found, BaseExceptionGroup):
        within = cast("tuple[BaseException, ...]", found.exceptions)
        if len(within) != 1:
            return None
        found = within[0]
    return found.problem() if isinstance(found, VespiaryError) else None


def _failure(request: int, problem: Problem | None) -> Answer:
    problem = problem or Problem("internal", "The host failed to do this. Its log says why.")
    told = {"code": problem.code, "message": problem.message}
    if problem.hint is not None:
        told["hint"] = problem.hint
    return Answer(request, False, to_json(told))
