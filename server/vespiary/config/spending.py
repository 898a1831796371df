"""`[budget]`, `[agents.NAME.budget]` and `price`: what models may cost, as people write it. Does no IO.

People write dollars; the values that everything else reads are whole millionths of a dollar.
"""

from decimal import ROUND_FLOOR, Decimal
from typing import Annotated, TypeVar

from pydantic import Field

from vespiary.config.table import Table
from vespiary.model.budgets import MICRO, Budget, BudgetAction

_Tokens = Annotated[int | None, Field(ge=1, le=1_000_000_000_000)]
_Dollars = Annotated[float, Field(ge=0, le=1_000_000)]


class PriceConfig(Table):
    """`price` of a model, in US dollars per million tokens."""

    input: _Dollars
    output: _Dollars
    """Reasoning is output."""
    cached: _Dollars | None = None
    """Of what the provider had read before. Without it, that of `input`."""


class BudgetConfig(Table):
    """What may be used of models; a key that is absent limits nothing."""

    tokens_per_call: _Tokens = None
    """Tokens of one call: what it reads, tools included, and what it may write."""
    tokens_per_run: _Tokens = None
    cost_per_run: _Dollars | None = None
    """US dollars."""
    action: Annotated[BudgetAction, Field(strict=False)] = BudgetAction.ABORT
    """What happens to a call that there is no room for."""
    warn_at: float = Field(default=0.8, gt=0, le=1)
    """The part of a limit per run whose use is told."""

    def value(self) -> Budget:
        """The same as the value that the ledger reads."""
        cost = None if self.cost_per_run is None else (Decimal(str(self.cost_per_run)) * MICRO).to_integral(ROUND_FLOOR)
        return Budget(
            self.tokens_per_call,
            self.tokens_per_run,
            None if cost is None else int(cost),
            self.action,
            self.warn_at,
        )

    def within(self, other: "BudgetConfig") -> "BudgetConfig":
        """What both allow: the smaller of each limit, and `abort` if one of them says so. One without limits says nothing."""
        both = (self, other)
        if not all(each._limits() for each in both):
            return self if self._limits() else other
        return BudgetConfig(
            tokens_per_call=_least([each.tokens_per_call for each in both]),
            tokens_per_run=_least([each.tokens_per_run for each in both]),
            cost_per_run=_least([each.cost_per_run for each in both]),
            action=BudgetAction.ABORT if any(each.action is BudgetAction.ABORT for each in both) else BudgetAction.WARN,
            warn_at=min(self.warn_at, other.warn_at),
        )

    def _limits(self) -> bool:
        return any(limit is not None for limit in (self.tokens_per_call, self.tokens_per_run, self.cost_per_run))


_N = TypeVar("_N", int, float)


def _least(limits: list[_N | None]) -> _N | None:
    return min((limit for limit in limits if limit is not None), default=None)
