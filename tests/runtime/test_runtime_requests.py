"""Requests: answers, refusals, cancels, bounds."""

import json

import anyio
import pytest
from anyio.lowlevel import checkpoint
from ledger import requirement
from support.colonies import RUN, Desk, agent, staged
from support.guests import Scripted
from vespiary.model.errors import RequestRefused
from vespiary.model.ids import HOST_ACTOR, SYSTEM_SCOPE
from vespiary.model.messages import Envelope
from vespiary.model.steps import Answer, Caller
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.timer import MAX_MILLIS, Timer

pytestmark = pytest.mark.anyio


class Asks(Scripted):
    """`ask {capability, payload, times?}` starts requests; `cancel id` cancels one; `both` starts and cancels in one step."""

    listens = ("ask", "cancel", "both", "noise")

    def handle(self, envelope: Envelope) -> None:
        what = json.loads(envelope.payload)
        if envelope.type == "ask":
            for _ in range(what.get("times", 1)):
                self.request(what["capability"], what.get("payload"))
        elif envelope.type == "cancel":
            self.cancel(what)
        elif envelope.type == "both":
            self.cancel(self.request("desk"))
        self.log(envelope.type)

    def reply(self, answer: Answer) -> None:
        self.log(f"{answer.request} {answer.ok} {answer.payload}")


class Plain:
    """A capability from a plain function."""

    def __init__(self, outcome: str | Exception) -> None:
        self.outcome = outcome

    async def __call__(self, caller: Caller, payload: str) -> str:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def repeatable(self, payload: str) -> bool:
        return True


def ask(capability: str, times: int = 1) -> str:
    return json.dumps({"capability": capability, "times": times})


@requirement("runtime:requests")
async def test_an_answer_reaches_the_actor_that_asked_and_the_capability_knows_who_that_is() -> None:
    desk = Desk()
    async with staged(Asks, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Asks, name="asker"), run=RUN)
        stage.colony.send(scope, "ask", json.dumps({"capability": "desk", "payload": {"x": 1}, "times": 2}))
        await desk.asked(2)
        assert [json.loads(payload) for _, payload in desk.callers] == [{"x": 1}, {"x": 1}]
        assert desk.callers[0][0] == Caller(RUN, scope, "asker", desk.callers[0][0].actor, 1, asked=1_000)
        assert stage.colony.statistics().requests == 2
        desk.answer(2, "second")
        await stage.ear.until(lambda: len(stage.ear.logs) == 2)
        desk.answer(1, "first")
        await stage.ear.until(lambda: len(stage.ear.logs) == 3)
        assert stage.ear.lines()[1:] == ['2 True "second"', '1 True "first"']
        assert stage.colony.statistics().requests == 0


@requirement("runtime:request-problems")
@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (RequestRefused("No.", hint="Ask nicely.", code="desk.no"), "desk.no"),
        (ExceptionGroup("g", [RequestRefused("No.", code="desk.no")]), "desk.no"),
        (RuntimeError("secret"), "internal"),
        ("x" * 101, "request.too_large"),
        ("é" * 51, "request.too_large"),
    ],
)
async def test_a_failed_request_is_answered_with_a_problem(
    outcome: str | Exception, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    bounds = Bounds(answer_bytes=100)
    async with staged(Asks, capabilities={"desk": Plain(outcome)}, bounds=bounds) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", ask("desk"))
        await stage.ear.until(lambda: len(stage.ear.logs) == 2)
        number, ok, payload = stage.ear.lines()[1].split(" ", 2)
        assert (number, ok) == ("1", "False")
        assert json.loads(payload)["code"] == code
        assert "secret" not in payload
        assert ("secret" in caplog.text) == (code == "internal")
        if code == "internal":
            assert f"{scope}/asks" in caplog.text


@requirement("runtime:request-problems")
async def test_an_unknown_capability_is_refused_and_the_answer_says_what_there_is() -> None:
    async with staged(Asks, capabilities={"desk": Desk(), "clock": Desk()}) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", ask("oracle"))
        await stage.ear.until(lambda: len(stage.ear.logs) == 2)
        assert "request.unknown" in stage.ear.lines()[1]
        assert "clock, desk" in stage.ear.lines()[1]


@requirement("runtime:request-cancel")
async def test_a_cancelled_request_ends_and_is_never_answered() -> None:
    desk = Desk()
    async with staged(Asks, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", ask("desk", 2))
        await desk.asked(2)
        stage.colony.send(scope, "cancel", "1")
        stage.colony.send(scope, "cancel", "99")
        stage.colony.send(scope, "both", "0")
        await stage.ear.until(lambda: stage.ear.lines()[-1:] == ["both"])
        assert desk.cancelled == [1]
        desk.answer(2, "ok")
        await stage.ear.until(lambda: stage.ear.lines()[-1].startswith("2 True"))
        assert len(desk.callers) == 2
        assert stage.colony.statistics().requests == 0


@requirement("runtime:request-cancel")
async def test_the_end_of_a_scope_cancels_its_requests() -> None:
    desk = Desk()
    async with staged(Asks, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", ask("desk", 3))
        await desk.asked(3)
        await stage.colony.stop(scope, "enough")
        assert sorted(desk.cancelled) == [1, 2, 3]
        assert stage.colony.statistics().requests == 0


async def test_a_capability_may_end_the_scope_on_whose_behalf_it_works() -> None:
    class Ender:
        async def __call__(self, caller: Caller, payload: str) -> str:
            await stage.colony.cancel(caller.run)
            return "{}"

        def repeatable(self, payload: str) -> bool:
            return False

    async with staged(Asks, capabilities={"end": Ender()}) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", ask("end"))
        await stage.ear.until(lambda: bool(stage.ear.exits))
        assert stage.colony.run_of(scope) is None


async def test_a_capability_may_make_agents_while_steps_go_on() -> None:
    class Maker:
        async def __call__(self, caller: Caller, payload: str) -> str:
            made = await stage.colony.spawn(agent(Asks, name="child"), run=caller.run, parent=caller.scope)
            return json.dumps(made)

        def repeatable(self, payload: str) -> bool:
            return False

    async with staged(Asks, capabilities={"make": Maker()}) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", ask("make", 5))
        await stage.ear.until(lambda: len(stage.ear.logs) == 6)
        assert len(list(stage.colony.descendants(scope))) == 5


@requirement("runtime:request-bounds")
async def test_more_requests_than_allowed_are_refused() -> None:
    desk = Desk()
    bounds = Bounds(requests_per_actor=3, requests_per_run=4)
    async with staged(Asks, capabilities={"desk": desk}, bounds=bounds) as stage:
        scope = await stage.colony.spawn(agent(name="two", one=Asks), run=RUN)
        child = await stage.colony.spawn(agent(name="two", one=Asks), run=RUN, parent=scope)
        for place in (scope, child):
            stage.colony.send(place, "ask", ask("desk", 4))
        await stage.ear.until(lambda: sum("request.too_many" in line for line in stage.ear.lines()) == 4)
        assert len(desk.callers) == 4


@requirement("runtime:answers-first")
async def test_an_answer_does_not_wait_behind_a_full_mailbox() -> None:
    desk = Desk()
    async with staged(Asks, capabilities={"desk": desk}, bounds=Bounds(mailbox_envelopes=10)) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", ask("desk"))
        await desk.asked()
        for _ in range(5000):
            stage.colony.send(scope, "noise", "1")
        desk.answer(1, "now")
        await stage.ear.until(lambda: '1 True "now"' in stage.ear.lines())
        assert stage.ear.lines().index('1 True "now"') < 4000


@requirement("runtime:timer")
async def test_a_timer_sleeps_for_what_it_was_asked_and_at_most_a_day() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    caller = Caller(RUN, SYSTEM_SCOPE, "agent", HOST_ACTOR, 1)
    timer = Timer(sleep)
    assert await timer(caller, '{"millis": 1500}') == "{}"
    await timer(caller, json.dumps({"millis": 10**12}))
    assert slept == [1.5, MAX_MILLIS / 1000]
    for wrong in ("nonsense", "{}", '{"millis": -1}', '{"millis": true}', '{"millis": 1.5}', "[]"):
        with pytest.raises(RequestRefused, match="milliseconds"):
            await timer(caller, wrong)
    assert timer.repeatable("{}")


@requirement("runtime:timer")
@pytest.mark.parametrize(
    ("again", "asked", "now", "left"),
    [
        (False, 100, 900, 1.5),
        (True, 100, 1000, 0.6),
        (True, 100, 1600, 0.0),
        (True, 100, 10**9, 0.0),
        (True, 900, 100, 1.5),  # the clock was set back
        (True, 0, 10**9, 1.5),  # nobody knows when it was asked
    ],
)
async def test_a_timer_that_a_crash_cut_short_sleeps_for_what_is_left(
    again: bool, asked: int, now: int, left: float
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    caller = Caller(RUN, SYSTEM_SCOPE, "agent", HOST_ACTOR, 1, asked=asked * 1_000_000, again=again)
    await Timer(sleep, lambda: now * 1_000_000)(caller, '{"millis": 1500}')
    assert slept == [pytest.approx(left)]


@requirement("runtime:timer")
async def test_a_timer_wakes_its_actor() -> None:
    due = anyio.Event()

    async def sleep(seconds: float) -> None:
        await due.wait()

    async with staged(Asks, capabilities={"timer": Timer(sleep)}) as stage:
        scope = await stage.colony.spawn(agent(Asks), run=RUN)
        stage.colony.send(scope, "ask", '{"capability": "timer", "payload": {"millis": 86400000}}')
        await stage.ear.until(lambda: stage.colony.statistics().requests == 1)
        due.set()
        await stage.ear.until(lambda: stage.ear.lines()[-1] == "1 True {}")


@requirement("runtime:request-cancel")
async def test_stopping_waits_for_cancelled_requests_to_clean_up() -> None:
    cleaned: list[str] = []

    class Careful:
        async def __call__(self, caller: Caller, payload: str) -> str:
            begun.set()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    for _ in range(5):
                        await checkpoint()
                    cleaned.append(caller.scope)
            return ""

        def repeatable(self, payload: str) -> bool:
            return False

    for end in ("cancel", "stop"):
        begun = anyio.Event()
        async with staged(Asks, capabilities={"careful": Careful()}) as stage:
            scope = await stage.colony.spawn(agent(Asks), run=RUN)
            stage.colony.send(scope, "ask", ask("careful"))
            await begun.wait()
            await (stage.colony.cancel(RUN) if end == "cancel" else stage.colony.stop(scope, "enough"))
            assert cleaned.pop() == scope
