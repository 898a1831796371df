"""How actors become ready: an agent's all together when it is made, a single one when it is made anew.

Knows the barrier and what the host says of it. Does not know why an actor was made anew.
"""

import json
from typing import Any

from vespiary.model.messages import matches
from vespiary.model.steps import Construct, Deliver, Description, Restore, StepInput, StepResult
from vespiary.model.vocabulary import ACTOR_READY, AGENT_READY, AGENT_SPAWNED
from vespiary.runtime.cells import ActorCell, Phase, ScopeCell
from vespiary.runtime.effects import Effects
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.router import Router
from vespiary.runtime.scheduler import Scheduler


class Readiness:
    """Takes the results of constructors."""

    def __init__(self, effects: Effects, exchange: Exchange, router: Router[ActorCell], scheduler: Scheduler) -> None:
        self._effects = effects
        self._exchange = exchange
        self._router = router
        self._scheduler = scheduler

    async def made(self, cell: ActorCell, number: int, step: StepInput, result: StepResult) -> None:
        """An instance was made, or took over a state, by the step that is the entry `number`."""
        body = step.body
        if result.description is not None or isinstance(body, Construct):
            cell.description = result.description or Description()
        waiting = isinstance(body, Construct) and cell.state is not None
        if waiting and cell.state is not None:
            cell.urgent.append(Restore(cell.state))
            cell.state = None
        barrier = cell.home.barrier
        if barrier is None:
            await self._again(cell, number, step, result, waiting)
            return
        await self._effects.logs(cell, result.outputs)
        barrier.held.append((cell, number, step.now, result.outputs))
        if waiting:
            return
        barrier.missing -= 1
        if not barrier.missing and not cell.leaving:
            await self._open(cell.home)

    async def _again(self, cell: ActorCell, number: int, step: StepInput, result: StepResult, waiting: bool) -> None:
        if not waiting:
            self._listen(cell)
            self._exchange.host(cell.home, ACTOR_READY, {"actor": cell.id})
            wishes = cell.description.subscriptions if cell.description is not None else ()
            if not cell.leaving and any(matches(wish.pattern, AGENT_READY) for wish in wishes):
                # The new instance was not there when all were told, and needs to know before anything else what it works with.
                cell.urgent.append(
                    Deliver(self._exchange.letter(cell.home.run, AGENT_READY, _about(cell.home, tools=True)))
                )
        await self._effects.apply(cell, number, step.now, result.outputs)

    async def _open(self, home: ScopeCell) -> None:
        """Every actor of an agent is made: what their constructors put out takes effect, then everybody is told."""
        barrier, home.barrier = home.barrier, None
        assert barrier is not None
        for cell in home.actors:
            self._listen(cell)
        for cell, number, now, outputs in barrier.held:
            await self._effects.apply(cell, number, now, outputs, logs=False)
        self._announce(home)
        for message_type, payload in home.first:
            if not home.ended:
                self._exchange.host(home, message_type, payload)
        if home.ended:
            barrier.abandon("it ended as soon as it had started.")
        barrier.done.set()

    def _announce(self, home: ScopeCell) -> None:
        for cell in home.actors:
            if not home.ended:
                self._exchange.host(home, ACTOR_READY, {"actor": cell.id})
        if not home.ended:
            self._exchange.host(home, AGENT_READY, _about(home, tools=True))
        if home.parent is not None and not home.ended:
            self._exchange.host(home.parent, AGENT_SPAWNED, {**_about(home), "parent": home.parent.scope})

    def _listen(self, cell: ActorCell) -> None:
        if cell.leaving or cell.description is None:
            return
        self._router.remove(cell)
        self._router.add(cell, cell.home.run.id, cell.home.scope, cell.description.subscriptions)
        cell.phase = Phase.LIVE
        self._scheduler.wake(cell)


def _about(home: ScopeCell, *, tools: bool = False) -> dict[str, Any]:
    about: dict[str, Any] = {
        "scope": home.scope,
        "name": home.name,
        "actors": [cell.spec.name for cell in home.actors],
    }
    if tools:
        about["tools"] = [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": _schema(tool.parameters),
                "actor": cell.spec.name,
            }
            for cell in home.actors
            if cell.description is not None
            for tool in cell.description.tools
        ]
    return about


def _schema(parameters: str) -> object:
    try:
        return json.loads(parameters)
    except (ValueError, RecursionError):
        return {}
