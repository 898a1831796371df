"""The ledger of a run: what its agents used of models, what is set aside for calls under way, and whether another call fits.

Pure: no IO and no clock. What was used is a sum over recorded facts, so feeding them to `replay` gives the same ledger; what is set
aside belongs to calls under way and is never recorded. Knows nothing of how a call's size or price is found.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from vespiary.model.budgets import Budget, BudgetAction, BudgetExceeded, Limit, amount
from vespiary.model.runs import AgentUsage, Usage

_PER_RUN = (Limit.TOKENS_PER_RUN, Limit.COST_PER_RUN)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a call may use, as estimated before it is made. `cost` in millionths of a dollar; none where no price is known."""

    model: str
    tokens: int
    cost: int | None


@dataclass(eq=False, slots=True)
class Reservation:
    """What is set aside for one call. `notices` are sentences for whoever listens to the run."""

    agent: str
    tokens: int
    cost: int
    notices: tuple[str, ...]
    open: bool = True


class Ledger:
    """One run's. `agents` holds the budgets of agents by name; one that is not in it has none of its own.

    Every call counts against the run's budget and against that of its agent. All instances of an agent share its budget.
    """

    def __init__(self, budget: Budget | None = None, agents: Mapping[str, Budget] | None = None) -> None:
        self._budgets = agents or {}
        self._run = _Account(budget or Budget(), "the run's budget", "[budget]")
        self._agents: dict[str, _Account] = {}
        self._waiting: list[Callable[[], None]] = []

    @property
    def total(self) -> Usage:
        """What the whole run used."""
        return self._run.used

    def of(self, agent: str) -> Usage:
        """What one agent used."""
        account = self._agents.get(agent)
        return account.used if account is not None else Usage()

    def by_agent(self) -> tuple[AgentUsage, ...]:
        """What each agent used, by name: those that called a model."""
        named = sorted(self._agents.items())
        return tuple(AgentUsage(name, account.used) for name, account in named if account.used != Usage())

    def reserve(self, agent: str, wanted: Wanted) -> Reservation | None:
        """Set aside what a call may use. Raises `BudgetExceeded`.

        None: there is room, but calls under way may take it; ask again when `when_freed` calls back. So calls that are made at once
        cannot overshoot together, and none is refused on account of an estimate that may not come true.
        """
        notices: list[_Notice] = []
        busy = False
        for account in self._over(agent):
            busy |= account.check(agent, wanted, notices)
        if busy:
            return None
        said = tuple(notice.text for notice in notices if notice.account.once(notice.key))
        reservation = Reservation(agent, wanted.tokens, wanted.cost or 0, said)
        for account in self._over(agent):
            account.set_aside(reservation.tokens, reservation.cost)
        return reservation

    def release(self, reservation: Reservation) -> None:
        """Give back what was set aside. Doing so twice does nothing."""
        if not reservation.open:
            return
        reservation.open = False
        for account in self._over(reservation.agent):
            account.set_aside(-reservation.tokens, -reservation.cost)
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def when_freed(self, wake: Callable[[], None]) -> None:
        """Call back once, when something that was set aside is given back."""
        self._waiting.append(wake)

    def spend(self, agent: str, usage: Usage) -> tuple[str, ...]:
        """Count what a call used. Gives what is to be told: of each limit once that it is near, and once that it is passed."""
        return tuple(text for account in self._over(agent) for text in account.spend(usage))

    def replay(self, facts: Iterable[tuple[str, Usage]]) -> None:
        """Count what was recorded earlier, (agent, usage) by call. What was told then is not told again."""
        for agent, usage in facts:
            self.spend(agent, usage)

    def _over(self, agent: str) -> "tuple[_Account, _Account]":
        account = self._agents.get(agent)
        if account is None:
            table = f"[agents.{agent}.budget]"
            budget = self._budgets.get(agent, Budget())
            account = self._agents[agent] = _Account(budget, f"the budget of the agent {agent!r}", table)
        return self._run, account


@dataclass(frozen=True, slots=True)
class _Notice:
    account: "_Account"
    key: str
    text: str


@dataclass(slots=True)
class _Account:
    """One budget and what became of it. `name` and `table` are what people know it by."""

    budget: Budget
    name: str
    table: str
    used: Usage = field(default_factory=Usage)
    tokens_aside: int = 0
    cost_aside: int = 0
    told: set[str] = field(default_factory=set[str])

    def once(self, key: str) -> bool:
        """Whether this is said for the first time."""
        if key in self.told:
            return False
        self.told.add(key)
        return True

    def set_aside(self, tokens: int, cost: int) -> None:
        """Add to what calls under way may use."""
        self.tokens_aside += tokens
        self.cost_aside += cost

    def check(self, agent: str, wanted: Wanted, notices: list[_Notice]) -> bool:
        """Whether the call must wait for others. Adds what to tell if it is made. Raises `BudgetExceeded`; changes nothing."""
        bound = self.budget.tokens_per_call
        if bound is not None and wanted.tokens > bound:
            needs = f"it needs about {amount(Limit.TOKENS_PER_CALL, wanted.tokens)}, and a call may use {bound:,}"
            self._exceeded(Limit.TOKENS_PER_CALL, agent, needs, notices)
        busy = False
        for limit, more in ((Limit.TOKENS_PER_RUN, wanted.tokens), (Limit.COST_PER_RUN, wanted.cost)):
            bound = self.budget.of(limit)
            if bound is None:
                continue
            if more is None:
                notices.append(self._unpriced(wanted.model))
            elif more and self._used(limit) + more > bound:
                used = f"{amount(limit, self._used(limit))} of {amount(limit, bound)} are used"
                self._exceeded(limit, agent, f"{used}, and it needs about {amount(limit, more)}", notices)
            elif self.budget.action is BudgetAction.ABORT:
                aside = self.tokens_aside if limit is Limit.TOKENS_PER_RUN else self.cost_aside
                busy |= more > 0 and self._used(limit) + aside + more > bound
        return busy

    def spend(self, usage: Usage) -> list[str]:
        """Count, and give what is to be told."""
        self.used += usage
        said: list[str] = []
        bound = self.budget.tokens_per_call
        if bound is not None and usage.tokens > bound and self.once(Limit.TOKENS_PER_CALL):
            said.append(f"A model call used {usage.tokens:,} tokens; {self.name} allows {bound:,} per call.")
        for limit in _PER_RUN:
            bound, used = self.budget.of(limit), self._used(limit)
            if bound is None:
                continue
            near = f"{amount(limit, used)} of {amount(limit, bound)} of {self.name} are used"
            if used > bound:
                self.once(f"near {limit}")
                if self.once(limit):
                    after = "Further calls are refused." if self.budget.action is BudgetAction.ABORT else _GOES_ON
                    said.append(f"{near}. {after}")
            elif used and used >= bound * self.budget.warn_at and self.once(f"near {limit}"):
                said.append(f"{near}.")
        return said

    def _used(self, limit: Limit) -> int:
        return self.used.tokens if limit is Limit.TOKENS_PER_RUN else self.used.cost

    def _exceeded(self, limit: Limit, agent: str, why: str, notices: list[_Notice]) -> None:
        message = f"A model call of the agent {agent!r} would exceed {self.name}: {why}."
        if self.budget.action is BudgetAction.ABORT:
            hint = f"Raise `{limit}` under {self.table} in the configuration, or make the task smaller."
            raise BudgetExceeded(message, hint=hint, code=limit.code)
        notices.append(_Notice(self, limit, f"{message} {_GOES_ON}"))

    def _unpriced(self, model: str) -> _Notice:
        text = (
            f"The price of the model {model!r} is not known, so {self.name} cannot limit what it costs. "
            f"Write `price` under [models.{model}]."
        )
        return _Notice(self, f"unpriced {model}", text)


_GOES_ON = "The run goes on, as `action` says."
