"""Outputs of a committed step take effect: messages are published, requests started and cancelled, log lines told.

Knows every kind of output. Lets the event loop breathe: a bounded number of outputs take effect at a time.
"""

import json
from collections.abc import Callable, Sequence

from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from vespiary.model.steps import CancelRequest, Log, Output, Request, Send
from vespiary.model.vocabulary import AGENT_EXIT
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.cells import ActorCell
from vespiary.runtime.exchange import Exchange
from vespiary.runtime.lifecycle import Lifecycle
from vespiary.runtime.observer import Observer
from vespiary.runtime.requests import Requests


class Effects:
    """Applies outputs. `tasks` is where requests are started."""

    def __init__(
        self,
        exchange: Exchange,
        requests: Requests,
        lifecycle: Lifecycle,
        observer: Observer,
        tasks: Callable[[], TaskGroup],
        bounds: Bounds,
    ) -> None:
        self._exchange = exchange
        self._requests = requests
        self._lifecycle = lifecycle
        self._observer = observer
        self._tasks = tasks
        self._turn = bounds.turn
        self._spent = 0

    async def logs(self, cell: ActorCell, outputs: Sequence[Output]) -> None:
        """Apply only the log lines."""
        await self.apply(cell, 0, 0, [output for output in outputs if isinstance(output, Log)])

    async def apply(
        self, cell: ActorCell, number: int, now: int, outputs: Sequence[Output], *, logs: bool = True
    ) -> None:
        """Apply the outputs of the step that is the entry `number`, taken at the time `now`, in order, until the end of the
        actor's scope overtakes them. Without `logs`, its log lines were told already."""
        farewell: str | None = None
        for index, output in enumerate(outputs):
            if cell.leaving:
                return
            spent = 1
            if isinstance(output, Send):
                spent += self._exchange.send(cell, output, (number, index) if number else None)
                if output.type == AGENT_EXIT and output.to in (None, cell.home.scope):
                    farewell = farewell or _reason(output.payload)
            elif isinstance(output, Request):
                self._requests.start(self._tasks(), cell, output, now)
            elif isinstance(output, CancelRequest):
                self._requests.cancel(cell, output.id)
            elif logs:
                self._observer.log(cell.home.run.id, cell.id, output)
            self._spent += spent
            if self._spent >= self._turn:
                await self._breathe()
        if farewell is not None:
            self._lifecycle.end(cell.home, farewell)
        self._spent += 1
        if self._spent >= self._turn:
            await self._breathe()

    async def _breathe(self) -> None:
        """Enough took effect: let the event loop do something else."""
        self._spent = 0
        await checkpoint()


def _reason(payload: str) -> str:
    try:
        reason = json.loads(payload)["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        reason = None
    return reason[:500] if isinstance(reason, str) and reason else "it is done"
