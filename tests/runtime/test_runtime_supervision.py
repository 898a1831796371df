"""Failures: actors are rebuilt, poison is kept, those that fail too often end their agent."""

import json

import pytest
from ledger import requirement
from support.colonies import RUN, Desk, agent, staged
from support.guests import Dies, HandlerFailed, Scripted, hears
from vespiary.model.ids import actor_id
from vespiary.model.messages import Envelope, Extent
from vespiary.model.steps import Answer, Deliver, FailureKind, Tool
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.colony import SpawnFailed

pytestmark = pytest.mark.anyio


class Fragile(Scripted):
    """Counts what it hears; dies of `poison`, stumbles over `stone`."""

    listens = ("count", "poison", "stone", "ask")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def handle(self, envelope: Envelope) -> None:
        if envelope.type == "poison":
            self.log("last words")
            self.send("never")
            self.request("desk")
            raise Dies("it divided by zero")
        if envelope.type == "stone":
            self.send("stumbled")
            raise HandlerFailed("tool.py, line 3: no such key")
        if envelope.type == "ask":
            self.request("desk")
            return
        self.count += 1
        self.log(f"count {self.count}")

    def reply(self, answer: Answer) -> None:
        self.log(f"answered {answer.request}")

    def snapshot(self) -> str | None:
        return str(self.count)

    def restore(self, state: str) -> None:
        if state == "4":
            raise HandlerFailed("it does not like four")
        self.count = int(state)


class Watcher(Scripted):
    listens = (hears("vespiary.actor.*", Extent.OWN), "vespiary.agent.exited")

    def handle(self, envelope: Envelope) -> None:
        if envelope.type.endswith(("failed", "exited")):
            self.log(f"{self.scope} saw {envelope.type.rpartition('.')[2]}")


class Moody(Scripted):
    """Can be made once only."""

    listens = ("poison",)
    made = 0

    def construct(self) -> None:
        Moody.made += 1
        if Moody.made > 1:
            raise Dies("not again", FailureKind.CONSTRUCT)

    def handle(self, envelope: Envelope) -> None:
        raise Dies("dead", FailureKind.MEMORY)


@requirement("runtime:handler-failure")
async def test_an_actor_whose_handler_fails_lives_on_and_what_it_sent_counts() -> None:
    async with staged(Fragile) as stage:
        scope = await stage.colony.spawn(agent(Fragile), run=RUN)
        for what in ("count", "stone", "count"):
            stage.colony.send(scope, what, "1")
        await stage.ear.until(lambda: "count 2" in stage.ear.lines())
        ((run, actor, failure, restarted),) = stage.ear.failures
        assert (run, actor, restarted) == (RUN, f"{scope}/fragile", False)
        assert "tool.py, line 3" in failure.message
        assert stage.ear.said("stumbled") == [None]
        assert not stage.ear.said("vespiary.actor.failed")


@requirement("runtime:restart", "runtime:dead-letters")
async def test_an_actor_that_dies_is_made_anew_without_the_message_that_killed_it() -> None:
    async with staged(Fragile, Watcher, capabilities={"desk": Desk()}) as stage:
        root = await stage.colony.spawn(agent(Watcher, name="root"), run=RUN)
        scope = await stage.colony.spawn(agent(Fragile, Watcher), run=RUN, parent=root)
        for what in ("count", "count", "poison", "count"):
            stage.colony.send(scope, what, "1")
        await stage.ear.until(lambda: len(stage.ear.logs) == 6)
        mine = [text for _, actor, text in stage.ear.logs if actor == f"{scope}/fragile"]
        assert mine == ["count 1", "count 2", "last words", "count 1"]
        assert {f"{root} saw failed", f"{scope} saw failed"} < set(stage.ear.lines())
        assert not stage.ear.said("never")
        assert (
            stage.ear.said("vespiary.actor.failed")
            == [
                {
                    "actor": f"{scope}/fragile",
                    "code": "actor.trap",
                    "message": "it divided by zero",
                    "restarted": True,
                    "kept": False,
                }
            ]
            * 2
        )
        assert [restarted for _, _, _, restarted in stage.ear.failures] == [True]
        (dead,) = stage.colony.dead_letters(RUN)
        assert isinstance(dead.content, Envelope)
        assert (dead.receiver, dead.content.type, dead.reason) == (f"{scope}/fragile", "poison", "it divided by zero")
        numbers = stage.step_numbers(actor_id(scope, "fragile"))
        assert numbers == list(range(1, len(numbers) + 1))


@requirement("runtime:restart")
async def test_requests_of_a_dead_instance_are_cancelled_and_never_answered() -> None:
    desk = Desk()
    async with staged(Fragile, capabilities={"desk": desk}) as stage:
        scope = await stage.colony.spawn(agent(Fragile), run=RUN)
        stage.colony.send(scope, "ask", "1")
        await desk.asked()
        stage.colony.send(scope, "poison", "1")
        await stage.ear.until(lambda: bool(stage.ear.failures))
        stage.colony.send(scope, "ask", "1")
        await desk.asked(2)
        assert desk.cancelled == [1]
        desk.answer(1, "for the second instance")
        await stage.ear.until(lambda: "answered 1" in stage.ear.lines())
        assert stage.ear.lines().count("answered 1") == 1


class Toolbox(Scripted):
    """Forgets its tools when it dies."""

    listens = ("vespiary.agent.ready", "vespiary.actor.failed", "poison", "what")
    tools = (Tool("hammer", "Hits.", "{}"),)

    def __init__(self) -> None:
        super().__init__()
        self.known: list[str] = []

    def handle(self, envelope: Envelope) -> None:
        if envelope.type == "poison":
            raise Dies
        if envelope.type == "vespiary.agent.ready":
            self.known = [tool["name"] for tool in json.loads(envelope.payload)["tools"]]
        self.log(f"{envelope.type.rpartition('.')[2]} {self.known}")


@requirement("runtime:restart")
async def test_an_actor_that_was_made_anew_hears_first_what_it_works_with_and_then_how_it_failed() -> None:
    async with staged(Toolbox) as stage:
        scope = await stage.colony.spawn(agent(Toolbox), run=RUN)
        for what in ("poison", "what"):
            stage.colony.send(scope, what, "1")
        await stage.ear.until(lambda: len(stage.ear.logs) == 4)
        assert stage.ear.lines() == ["ready ['hammer']", "ready ['hammer']", "what ['hammer']", "failed ['hammer']"]
        assert len(stage.ear.said("vespiary.agent.ready")) == 1


@requirement("runtime:restart-limit")
async def test_an_actor_that_dies_too_often_ends_its_agent_and_the_reason_says_so() -> None:
    async with staged(Fragile, Watcher, bounds=Bounds(restarts_per_actor=2)) as stage:
        root = await stage.colony.spawn(agent(Watcher, name="root"), run=RUN)
        scope = await stage.colony.spawn(agent(Fragile, name="poor"), run=RUN, parent=root)
        for _ in range(5):
            stage.colony.send(scope, "poison", "1")
        await stage.ear.until(lambda: f"{root} saw exited" in stage.ear.lines())
        assert [restarted for _, _, _, restarted in stage.ear.failures] == [True, True, False]
        ((_, ended, reason),) = stage.ear.exits
        assert ended == scope
        assert reason == 'its actor "fragile" failed 3 times, at last: it divided by zero'
        assert json.loads(stage.ear.messages[-1][2].payload)["reason"] == reason
        assert stage.colony.run_of(root) == RUN


@requirement("runtime:restart-limit")
async def test_an_actor_that_cannot_be_made_again_ends_its_agent() -> None:
    Moody.made = 0
    async with staged(Moody) as stage:
        scope = await stage.colony.spawn(agent(Moody), run=RUN)
        stage.colony.send(scope, "poison", "1")
        await stage.ear.until(lambda: bool(stage.ear.exits))
        assert [failure.kind.value for _, _, failure, _ in stage.ear.failures] == ["memory"] + ["construct"] * 3
        assert "not again" in stage.ear.exits[0][2]


@requirement("runtime:snapshots")
async def test_an_actor_is_rebuilt_from_its_last_snapshot() -> None:
    async with staged(Fragile, bounds=Bounds(snapshot_every=2)) as stage:
        scope = await stage.colony.spawn(agent(Fragile), run=RUN)
        for what in ("count", "count", "count", "poison", "count"):
            stage.colony.send(scope, what, "1")
        await stage.ear.until(lambda: len(stage.ear.logs) == 5)
        assert stage.ear.lines() == ["count 1", "count 2", "count 3", "last words", "count 3"]


@requirement("runtime:snapshots")
async def test_a_snapshot_that_cannot_be_restored_is_given_up() -> None:
    async with staged(Fragile, bounds=Bounds(snapshot_every=4)) as stage:
        scope = await stage.colony.spawn(agent(Fragile), run=RUN)
        for what in ("count", "count", "count", "count", "poison", "count"):
            stage.colony.send(scope, what, "1")
        await stage.ear.until(lambda: len(stage.ear.logs) == 6)
        assert stage.ear.lines()[-1] == "count 1"
        assert [failure.kind.value for _, _, failure, _ in stage.ear.failures] == ["trap", "handler"]


async def test_messages_wait_while_an_actor_is_being_made_anew() -> None:
    async with staged(Fragile) as stage:
        scope = await stage.colony.spawn(agent(Fragile), run=RUN)
        for what in ("poison", *["count"] * 50):
            stage.colony.send(scope, what, "1")
        await stage.ear.until(lambda: "count 50" in stage.ear.lines())
        consumed = [step.body for step in stage.guests[0].steps if isinstance(step.body, Deliver)]
        assert len(consumed) == 51


async def test_a_spawn_that_fails_is_not_tried_again() -> None:
    Moody.made = 1
    async with staged(Moody) as stage:
        with pytest.raises(SpawnFailed, match="not again"):
            await stage.colony.spawn(agent(Moody), run=RUN)
        assert Moody.made == 2
        assert stage.colony.statistics().runs == 0
