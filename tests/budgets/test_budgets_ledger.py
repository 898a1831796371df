"""The ledger of a run: limits, what is set aside, what is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.app.estimate import FIRST, MOST, Estimator
from vespiary.app.ledger import Ledger, Reservation, Wanted
from vespiary.model.budgets import MICRO, Budget, BudgetAction, BudgetExceeded, dollars
from vespiary.model.runs import AgentUsage, Usage


def wanted(tokens: int, cost: int | None = 0) -> Wanted:
    return Wanted("default", tokens, cost)


def used(tokens: int, cost: int = 0) -> Usage:
    return Usage(input_tokens=tokens, calls=1, cost=cost)


def granted(ledger: Ledger, tokens: int, cost: int | None = 0, agent: str = "coder") -> Reservation:
    reservation = ledger.reserve(agent, wanted(tokens, cost))
    assert reservation is not None
    return reservation


def refused(ledger: Ledger, tokens: int, cost: int | None = 0, agent: str = "coder") -> BudgetExceeded:
    with pytest.raises(BudgetExceeded) as caught:
        ledger.reserve(agent, wanted(tokens, cost))
    return caught.value


@requirement("budgets:limits")
def test_a_call_that_fits_is_granted_and_one_that_does_not_is_refused_in_words() -> None:
    ledger = Ledger(Budget(tokens_per_run=1000))
    ledger.release(granted(ledger, 1000))
    ledger.spend("coder", used(900))
    error = refused(ledger, 101)
    assert error.code == "budget.tokens-per-run"
    assert error.message == (
        "A model call of the agent 'coder' would exceed the run's budget: 900 tokens of 1,000 tokens are used, "
        "and it needs about 101 tokens."
    )
    assert error.hint
    assert "`tokens_per_run` under [budget]" in error.hint
    granted(ledger, 100)


@requirement("budgets:limits")
def test_a_single_call_and_the_cost_have_limits_of_their_own() -> None:
    ledger = Ledger(Budget(tokens_per_call=50), {"coder": Budget(cost_per_run=MICRO // 2)})
    assert refused(ledger, 51).code == "budget.tokens-per-call"
    ledger.spend("coder", used(10, 400_000))
    error = refused(ledger, 10, 100_001)
    assert error.code == "budget.cost-per-run"
    assert "the budget of the agent 'coder': $0.40 of $0.50 are used" in error.message
    assert "[agents.coder.budget]" in (error.hint or "")
    granted(ledger, 10, 100_000)


@requirement("budgets:limits", "budgets:children")
def test_an_agent_has_its_own_budget_and_a_share_of_the_run_s() -> None:
    ledger = Ledger(Budget(tokens_per_run=100), {"helper": Budget(tokens_per_run=30)})
    ledger.spend("coder", used(60))
    assert refused(ledger, 31, agent="helper").message.startswith("A model call of the agent 'helper' would exceed")
    ledger.spend("helper", used(20))
    assert refused(ledger, 15, agent="helper").hint == (
        "Raise `tokens_per_run` under [agents.helper.budget] in the configuration, or make the task smaller."
    )
    assert "[budget]" in (refused(ledger, 25, agent="coder").hint or "")
    assert ledger.total == used(60) + used(20)
    assert ledger.by_agent() == (AgentUsage("coder", used(60)), AgentUsage("helper", used(20)))


@requirement("budgets:limits")
def test_a_budget_of_nothing_still_allows_what_is_free() -> None:
    ledger = Ledger(Budget(cost_per_run=0))
    granted(ledger, 1000, 0)
    assert refused(ledger, 1, 1).code == "budget.cost-per-run"


@requirement("budgets:parallel")
def test_a_call_waits_while_others_may_take_the_room_that_it_needs() -> None:
    ledger = Ledger(Budget(tokens_per_run=100))
    first = granted(ledger, 70)
    assert ledger.reserve("coder", wanted(40)) is None
    woken: list[bool] = []
    ledger.when_freed(lambda: woken.append(True))
    ledger.release(first)
    ledger.release(first)
    ledger.spend("coder", used(50))
    assert woken == [True]
    granted(ledger, 40)


@requirement("budgets:parallel")
def test_a_reply_larger_than_its_estimate_is_noted_and_the_next_call_is_refused() -> None:
    ledger = Ledger(Budget(tokens_per_run=100))
    ledger.release(granted(ledger, 50))
    assert ledger.spend("coder", used(150)) == (
        "150 tokens of 100 tokens of the run's budget are used. Further calls are refused.",
    )
    refused(ledger, 1)


@requirement("budgets:warn")
def test_a_warning_comes_once_when_a_limit_is_near_and_once_when_it_is_passed() -> None:
    ledger = Ledger(Budget(tokens_per_run=100, tokens_per_call=90, action=BudgetAction.WARN, warn_at=0.5))
    assert ledger.spend("coder", used(49)) == ()
    assert ledger.spend("coder", used(1)) == ("50 tokens of 100 tokens of the run's budget are used.",)
    assert ledger.spend("coder", used(1)) == ()
    notices = granted(ledger, 95).notices
    assert len(notices) == 2
    assert "a call may use 90. The run goes on" in notices[0]
    assert "51 tokens of 100 tokens are used, and it needs about 95 tokens. The run goes on" in notices[1]
    assert ledger.spend("coder", used(95)) == ()
    assert granted(ledger, 95).notices == ()


@requirement("budgets:prices")
def test_a_cost_that_is_not_known_cannot_be_limited_and_that_is_said_once() -> None:
    ledger = Ledger(Budget(cost_per_run=1))
    (notice,) = granted(ledger, 10, None).notices
    assert "The price of the model 'default' is not known" in notice
    assert "[models.default]" in notice
    assert granted(ledger, 10, None).notices == ()


@requirement("budgets:rebuilt")
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.integers(0, 60))))
def test_a_ledger_made_again_from_facts_is_the_same_and_repeats_no_warning(facts: list[tuple[str, int, int]]) -> None:
    def fresh() -> Ledger:
        return Ledger(Budget(tokens_per_run=100, cost_per_run=100), {"b": Budget(tokens_per_run=50)})

    calls = [(agent, used(tokens, cost)) for agent, tokens, cost in facts]
    before, after = fresh(), fresh()
    for agent, usage in calls:
        before.spend(agent, usage)
    after.replay(calls)
    assert (after.total, after.by_agent()) == (before.total, before.by_agent())
    last = ("b", used(30, 30))
    assert after.spend(*last) == before.spend(*last)


Ops = list[tuple[str, int, int]]


@requirement("budgets:parallel", "budgets:limits")
@given(
    st.integers(1, 300),
    st.lists(st.tuples(st.sampled_from(["ask", "reply", "fail"]), st.integers(0, 120), st.integers(-20, 40))),
)
def test_calls_at_once_exceed_a_limit_by_no_more_than_their_estimates_were_wrong(bound: int, ops: Ops) -> None:
    ledger = Ledger(Budget(tokens_per_run=bound, cost_per_run=bound), {"a": Budget(tokens_per_run=bound)})
    flying: list[Reservation] = []
    slack = 0
    for op, number, error in ops:
        if op == "ask":
            try:
                reservation = ledger.reserve("a", wanted(number, number))
            except BudgetExceeded:
                # Never because of what others may use: only because of what was used.
                assert ledger.total.tokens + number > bound
                continue
            if reservation is None:
                assert flying
                assert ledger.total.tokens + number <= bound
            else:
                flying.append(reservation)
        elif flying:
            reservation = flying.pop(number % len(flying))
            ledger.release(reservation)
            if op == "reply":
                real = max(0, reservation.tokens + error)
                slack += max(0, real - reservation.tokens)
                ledger.spend("a", used(real, real))
        aside = sum(reservation.tokens for reservation in flying)
        for account in (ledger._run, ledger._agents.get("a")):
            if account is not None:
                assert (account.tokens_aside, account.cost_aside) == (aside, aside)
        # Each call was granted when all before it fitted: what goes beyond is what replies had more than was wanted.
        assert ledger.total.tokens + aside <= bound + slack


@requirement("budgets:uncounted")
def test_an_estimate_learns_from_what_was_counted_and_bears_nonsense() -> None:
    estimator = Estimator()
    assert estimator.tokens("m", 35) == 35 / FIRST
    estimator.observe("m", 400, 100)
    assert estimator.tokens("m", 400) == 100
    estimator.observe("m", 200, 100)
    assert 100 < estimator.tokens("m", 400) < 200
    assert estimator.tokens("other", 35) == 10
    for _ in range(50):
        estimator.observe("m", 1_000_000, 1)
    assert estimator.tokens("m", 1200) >= 1200 / MOST
    estimator.observe("m", 0, 10)
    estimator.observe("m", 10, 0)


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000001"),
        (4200, "$0.0042"),
        (500_000, "$0.50"),
        (1_234_500, "$1.2345"),
        (10**12, "$1,000,000.00"),
    ],
)
def test_money_is_written_as_people_read_it_and_never_rounded_to_nothing(micro: int, text: str) -> None:
    assert dollars(micro) == text
