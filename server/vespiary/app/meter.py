"""A model call in its run's books: what it may use is set aside before it is made, and replaced by what it used.

Knows the run, its configuration and its ledger. What was used is told as a `UsageEvent`; the run counts it when it is told.
"""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from vespiary.app.estimate import REPLY
from vespiary.app.ledger import Ledger, Reservation, Wanted
from vespiary.model.events import Status, UsageEvent
from vespiary.model.runs import Usage

if TYPE_CHECKING:
    from vespiary.app.prices import Prices, Tariff
    from vespiary.app.run import Run
    from vespiary.config import ModelConfig
    from vespiary.model.steps import Caller
    from vespiary.providers.base import Finished

STATE = "budget"
"""The state of the `Status` events that speak of a budget."""


async def open_account(
    run: "Run", caller: "Caller", prices: "Prices", model: str, size: int, max_tokens: int | None
) -> "MeteredCall":
    """Wait until the call fits into the budgets over its agent, and set aside what it may use. Raises `BudgetExceeded`."""
    config = run.config.models[model]
    tariff = await prices.of(config)
    read = run.estimator.tokens(model, size)
    reply = max_tokens or config.max_tokens or REPLY
    wanted = Wanted(model, read + reply, tariff(Usage(input_tokens=read, output_tokens=reply), ""))
    reservation = await _reserve(run.ledger, caller.agent, wanted)
    for notice in reservation.notices:
        run.tell(Status(STATE, notice), caller.scope, caller.agent)
    return MeteredCall(run, reservation, tariff, model, config, size)


async def _reserve(ledger: Ledger, agent: str, wanted: Wanted) -> Reservation:
    while (reservation := ledger.reserve(agent, wanted)) is None:
        freed = anyio.Event()
        ledger.when_freed(freed.set)
        await freed.wait()
    return reservation


class MeteredCall:
    """A call under way. Implements `capabilities.ports.CallAccount`."""

    def __init__(
        self, run: "Run", reservation: Reservation, tariff: "Tariff", model: str, config: "ModelConfig", size: int
    ) -> None:
        self._run = run
        self._reservation = reservation
        self._tariff = tariff
        self._model = model
        self._config = config
        self._size = size
        self._lost = Usage()

    def lost(self, said: int) -> None:
        """A try broke off after `said` bytes of a reply. The provider charges for it, and counts it for nobody."""
        self._lost += self._estimate(said)

    def close(self, reply: "Finished | None", said: int) -> UsageEvent | None:
        """Give back what was set aside. The event is what was used, to be told at once; none if nothing was."""
        self._run.ledger.release(self._reservation)
        if reply is None and said:
            self.lost(said)
        used = self._lost
        if reply is not None:
            used += self._counted(reply, said)
        if reply is None and not used.tokens:
            return None
        told = reply.model if reply is not None else ""
        cost = self._tariff(used, told)
        guessed = reply is None or not reply.counted or self._lost != Usage()
        priced = Usage(
            used.input_tokens,
            used.output_tokens,
            used.reasoning_tokens,
            used.cached_tokens,
            calls=1,
            cost=cost or 0,
            unpriced_calls=int(cost is None),
            estimated_calls=int(guessed),
        )
        return UsageEvent(told or self._model, priced, priced, priced, provider=_provider(self._config))

    def _counted(self, reply: "Finished", said: int) -> Usage:
        if reply.counted:
            self._run.estimator.observe(self._model, self._size, reply.usage.input_tokens)
            return reply.usage
        # What it did count is better than a guess.
        guess, own = self._estimate(said), reply.usage
        return Usage(
            own.input_tokens or guess.input_tokens,
            own.output_tokens or guess.output_tokens,
            own.reasoning_tokens,
            own.cached_tokens,
        )

    def _estimate(self, said: int) -> Usage:
        tokens = self._run.estimator.tokens
        return Usage(input_tokens=tokens(self._model, self._size), output_tokens=tokens(self._model, said))


def _provider(config: "ModelConfig") -> str:
    from vespiary.config.providers import OPENAI_URL

    if config.provider == "scripted":
        return config.provider
    # A name for reports; credentials are not allowed in the URL.
    return urlsplit(config.base_url or OPENAI_URL).netloc
