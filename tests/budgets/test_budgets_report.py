"""Usage as people read it: the end of a run on a terminal, and the report over many runs."""

import io
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from rich.console import Console
from vespiary.app.ledger import Ledger
from vespiary.app.usage import By, UsageFact, report, total, usage_of
from vespiary.fronts.cli.render import Renderer
from vespiary.fronts.cli.tokens import show_tokens
from vespiary.model.events import EventBody, RunEvent, RunFinished, Status
from vespiary.model.ids import RunId
from vespiary.model.runs import AgentUsage, Outcome, Usage

MIDNIGHT = 1_767_225_600_000_000_000
"""The beginning of 2026, in nanoseconds, UTC."""


@dataclass(frozen=True)
class Fact:
    run: str = "run1"
    session: str | None = None
    time: int = MIDNIGHT
    agent: str = "coder"
    scope: str = "aaaaaa"
    provider: str = "api.openai.com"
    model: str = "gpt-5"
    input_tokens: int = 1000
    output_tokens: int = 10
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost: int | None = 500
    calls: int = 1


FACTS: list[UsageFact] = [
    Fact(),
    Fact(agent="helper", input_tokens=5000, cost=4200, session="s1"),
    Fact(agent="helper", time=MIDNIGHT - 1, cost=None, provider="example.org", model="x"),
    Fact(run="run2", provider="scripted", model="scripted", cost=0),
]


@requirement("budgets:report")
def test_usage_is_added_up_by_one_thing_or_several() -> None:
    by_agent = report(FACTS, [By.AGENT])
    assert [(row.key, row.usage.calls, row.usage.cost) for row in by_agent] == [
        (("helper",), 2, 4200),
        (("coder",), 2, 500),
    ]
    assert by_agent[0].usage.unpriced_calls == 1
    assert [row.key for row in report(FACTS, [By.MODEL])] == [
        ("api.openai.com gpt-5",),
        ("example.org x",),
        ("scripted",),
    ]
    assert [row.key for row in report(FACTS, [By.DAY, By.RUN])] == [
        ("2025-12-31", "run1"),
        ("2026-01-01", "run1"),
        ("2026-01-01", "run2"),
    ]
    assert [row.key for row in report(FACTS, [By.SESSION])] == [("s1",), ("",)]


@requirement("budgets:report")
def test_a_day_is_that_of_the_zone() -> None:
    east = timezone(timedelta(hours=1))
    assert [row.key for row in report(FACTS, [By.DAY], east)] == [("2026-01-01",)]


COUNTS = st.integers(0, 10**9)
ROWS = st.lists(
    st.builds(
        Fact,
        run=st.sampled_from(["r", "s"]),
        time=st.integers(0, 2 * 10**18),
        agent=st.sampled_from(["a", "b"]),
        input_tokens=COUNTS,
        output_tokens=COUNTS,
        cost=st.none() | COUNTS,
    )
)


@requirement("budgets:report", "budgets:rebuilt")
@given(ROWS, st.lists(st.sampled_from(By), min_size=1, max_size=3, unique=True))
def test_nothing_is_lost_or_counted_twice_however_it_is_added_up(facts: list[Fact], by: list[By]) -> None:
    ledger = Ledger()
    ledger.replay((fact.agent, usage_of(fact)) for fact in facts)
    rows = report(facts, by)
    assert total(rows) == ledger.total
    assert len({row.key for row in rows}) == len(rows)


def shown(
    facts: Iterable[UsageFact], by: list[By], capsys: pytest.CaptureFixture[str], *, as_json: bool = False
) -> str:
    show_tokens(lambda: facts, by, as_json=as_json, zone=timezone.utc)  # noqa: UP017
    return capsys.readouterr().out


@requirement("budgets:report")
def test_a_pipe_gets_plain_columns_and_an_unknown_cost_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    facts = [*FACTS, Fact(agent="\x1b[31mbad\tname\n")]
    lines = shown(facts, [By.AGENT], capsys).splitlines()
    assert lines[0] == "agent\tcalls\tin\tcached\tout\treasoning\tcost"
    assert lines[1:3] == ["helper\t2\t6000\t0\t20\t0\t", "coder\t2\t2000\t0\t20\t0\t0.000500"]
    assert lines[3].startswith("\\x1b[31mbad name \t1\t")
    assert len({line.count("\t") for line in lines}) == 1


@requirement("budgets:report")
def test_json_has_the_rows_and_their_sum(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(FACTS, [By.DAY, By.AGENT], capsys, as_json=True))
    assert data["rows"][0] | {"day": "2025-12-31", "agent": "helper", "unpricedCalls": 1} == data["rows"][0]
    assert data["total"]["cost"] == 4700
    assert json.loads(shown([], [By.RUN], capsys, as_json=True))["rows"] == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@requirement("budgets:report")
def test_a_terminal_gets_a_table_with_a_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stdout", out := Terminal())
    show_tokens(lambda: [*FACTS, Fact(agent="[red]x")], [By.AGENT], as_json=False)
    text = out.getvalue()
    assert "[red]x" in text
    assert "at least $0.0042" in text
    assert "total" in text
    assert "9,000" in text
    monkeypatch.setattr(sys, "stdout", out := Terminal())
    show_tokens(lambda: [], [By.AGENT], as_json=False)
    assert "No model was called yet." in out.getvalue()


def written(*bodies: EventBody) -> str:
    stream = io.StringIO()
    renderer = Renderer(Console(file=stream, highlight=False, soft_wrap=True, no_color=True))
    for number, body in enumerate(bodies):
        renderer.show(RunEvent(RunId("r"), number, 0.0, "aaaaaa", "coder", body))
    return stream.getvalue()


@requirement("budgets:usage-told")
def test_the_end_of_a_run_shows_what_it_used_and_each_agent_s_part() -> None:
    coder, helper = Usage(1000, 50, calls=2, cost=4200), Usage(500, 5, calls=1, unpriced_calls=1, estimated_calls=1)
    agents = (AgentUsage("coder", coder), AgentUsage("helper", helper))
    out = written(RunFinished(Outcome.DONE, "", coder + helper, (), agents=agents))
    assert out.splitlines() == [
        "Done · no edits · 3 model calls, about 1,500 tokens in, 55 out, at least $0.0042",
        "  coder: 2 model calls, 1,000 tokens in, 50 out, $0.0042",
        "  helper: 1 model call, about 500 tokens in, 5 out, cost unknown",
    ]
    alone = written(RunFinished(Outcome.DONE, "", Usage(9, 9, calls=1), (), agents=agents[:1]))
    assert alone == "Done · no edits · 1 model call, 9 tokens in, 9 out\n"


@requirement("budgets:warn")
def test_what_a_budget_has_to_say_is_a_line() -> None:
    assert written(Status("budget", "Nearly used up.")) == "Nearly used up.\n"
