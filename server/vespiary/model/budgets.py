"""What a run and its agents may use of models: limits, what they say when they are reached, and money as text. Values only.

Money is a whole number of millionths of a US dollar everywhere, so that sums are exact.
"""

from dataclasses import dataclass
from enum import StrEnum

from vespiary.model.errors import RequestRefused

MICRO = 1_000_000
"""Millionths of a dollar in one dollar."""


class BudgetAction(StrEnum):
    """What happens to a model call that a budget has no room for."""

    ABORT = "abort"
    """It is refused, before anything was sent."""
    WARN = "warn"
    """It is made, and the run says so once."""


class Limit(StrEnum):
    """What a budget can limit. The values are the keys of the configuration."""

    TOKENS_PER_CALL = "tokens_per_call"
    TOKENS_PER_RUN = "tokens_per_run"
    COST_PER_RUN = "cost_per_run"

    @property
    def code(self) -> str:
        """The code of the refusal: `budget.tokens-per-call` and so on."""
        return f"budget.{self.value.replace('_', '-')}"


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits; none is no limit. Tokens are those that are read and those that are written, together."""

    tokens_per_call: int | None = None
    tokens_per_run: int | None = None
    cost_per_run: int | None = None
    """In millionths of a dollar."""
    action: BudgetAction = BudgetAction.ABORT
    warn_at: float = 0.8
    """The part of a limit per run whose use is told, from 0 to 1."""

    def of(self, limit: Limit) -> int | None:
        """The bound of a limit, in tokens or millionths of a dollar."""
        return getattr(self, limit.value)


class BudgetExceeded(RequestRefused):
    """A model call was refused, because a budget has no room for it. The code says which limit it was."""

    code = "budget.exceeded"


def amount(limit: Limit, value: int) -> str:
    """A number of a limit as people read it: `1,200 tokens`, `$0.05`."""
    if limit is Limit.COST_PER_RUN:
        return dollars(value)
    return f"{value:,} token" if value == 1 else f"{value:,} tokens"


def dollars(micro: int) -> str:
    """Millionths of a dollar as a price: `$1.50`, `$0.0042`. Never rounded to nothing."""
    digits = 2 if micro >= 100 * MICRO else 4 if micro >= MICRO // 100 else 6
    whole, _, part = f"{micro / MICRO:,.{digits}f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
