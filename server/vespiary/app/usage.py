"""Adding up model calls by agent, model, run, day or session. Pure: rows in, rows out; whoever keeps the rows hands them over."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Protocol

from vespiary.model.runs import Usage


class UsageFact(Protocol):
    """One model call as it is kept. Times in nanoseconds since the epoch, `cost` in millionths of a dollar where it is known."""

    @property
    def run(self) -> str: ...  # noqa: D102
    @property
    def session(self) -> str | None: ...  # noqa: D102
    @property
    def time(self) -> int: ...  # noqa: D102
    @property
    def agent(self) -> str: ...  # noqa: D102
    @property
    def scope(self) -> str: ...  # noqa: D102
    @property
    def provider(self) -> str: ...  # noqa: D102
    @property
    def model(self) -> str: ...  # noqa: D102
    @property
    def input_tokens(self) -> int: ...  # noqa: D102
    @property
    def output_tokens(self) -> int: ...  # noqa: D102
    @property
    def reasoning_tokens(self) -> int: ...  # noqa: D102
    @property
    def cached_tokens(self) -> int: ...  # noqa: D102
    @property
    def cost(self) -> int | None: ...  # noqa: D102
    @property
    def calls(self) -> int: ...  # noqa: D102


class By(StrEnum):
    """What rows of a report are about."""

    AGENT = "agent"
    MODEL = "model"
    RUN = "run"
    DAY = "day"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One line of a report: what it is about, one value for each `by`, and what was used."""

    key: tuple[str, ...]
    usage: Usage


def report(facts: Iterable[UsageFact], by: Sequence[By], zone: tzinfo = UTC) -> list[ReportRow]:
    """The sums, by one or several things. Days are those of `zone`, as `2026-01-31`.

    Days come in order, everything else by cost and tokens, the most first. A call without a session has an empty one; a model is
    named with its provider, `api.openai.com gpt-5`, since the same name costs differently elsewhere.
    """
    sums: dict[tuple[str, ...], Usage] = {}
    for fact in facts:
        key = tuple(_KEYS[each](fact, zone) for each in by)
        sums[key] = sums.get(key, Usage()) + usage_of(fact)
    rows = [ReportRow(key, usage) for key, usage in sums.items()]
    days = [index for index, each in enumerate(by) if each is By.DAY]
    return sorted(
        rows,
        key=lambda row: ([row.key[index] for index in days], -row.usage.cost, -row.usage.tokens, row.key),
    )


def total(rows: Iterable[ReportRow]) -> Usage:
    """The sum of a report."""
    return sum((row.usage for row in rows), Usage())


def usage_of(fact: UsageFact) -> Usage:
    """What a kept call used, as it was counted in its run: also what a ledger is made from again."""
    return Usage(
        input_tokens=fact.input_tokens,
        output_tokens=fact.output_tokens,
        reasoning_tokens=fact.reasoning_tokens,
        cached_tokens=fact.cached_tokens,
        calls=fact.calls,
        cost=fact.cost or 0,
        unpriced_calls=fact.calls if fact.cost is None else 0,
    )


def _day(fact: UsageFact, zone: tzinfo) -> str:
    return datetime.fromtimestamp(fact.time // 10**9, UTC).astimezone(zone).date().isoformat()


_KEYS: dict[By, Callable[[UsageFact, tzinfo], str]] = {
    By.AGENT: lambda fact, zone: fact.agent,
    By.MODEL: lambda fact, zone: f"{fact.provider} {fact.model}".strip() if fact.provider != fact.model else fact.model,
    By.RUN: lambda fact, zone: fact.run,
    By.DAY: _day,
    By.SESSION: lambda fact, zone: fact.session or "",
}
