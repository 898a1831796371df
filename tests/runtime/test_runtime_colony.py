"""The colony: making agents, messages, ends."""

from itertools import pairwise

import anyio
import pytest
from ledger import requirement
from support.colonies import OTHER, RUN, agent, staged
from support.guests import Dies, Scripted, hears
from vespiary.model.ids import HOST_ACTOR, SYSTEM_SCOPE, Scope
from vespiary.model.messages import Envelope, Extent
from vespiary.model.steps import FailureKind, Tool
from vespiary.runtime.colony import ScopeEnded, SpawnFailed

pytestmark = pytest.mark.anyio


class Hello(Scripted):
    """Greets everybody while it is made."""

    tools = (Tool("greet", "Says hello.", '{"type":"object"}'),)

    def construct(self) -> None:
        self.send("hello", self.id)


class Echo(Scripted):
    """Says again what it hears, in a log line."""

    listens = ("*",)

    def handle(self, envelope: Envelope) -> None:
        self.log(f"{envelope.type} {envelope.payload}")


class Ping(Scripted):
    listens = ("go", "pong")

    def handle(self, envelope: Envelope) -> None:
        self.send("ping", envelope.type)


class Pong(Scripted):
    listens = ("ping",)

    def handle(self, envelope: Envelope) -> None:
        if envelope.payload == '"go"':
            self.send("pong")
        else:
            self.send("over")


class Broken(Scripted):
    def construct(self) -> None:
        self.log("trying")
        self.send("never", 1)
        raise Dies("no such model", FailureKind.CONSTRUCT)


class Far(Scripted):
    listens = (hears("news", Extent.EVERYWHERE), hears("hello", Extent.EVERYWHERE))

    def handle(self, envelope: Envelope) -> None:
        self.log(f"far {envelope.type}")


class Leaver(Scripted):
    listens = ("leave",)

    def handle(self, envelope: Envelope) -> None:
        self.send("vespiary.agent.exit", {"reason": "all done"})
        self.send("last words")


class Stuck(Scripted):
    listens = ("go",)

    def handle(self, envelope: Envelope) -> None:
        self.loop_for_ever()


@requirement("runtime:all-ready-barrier", "runtime:ready-messages")
async def test_siblings_hear_what_constructors_say_before_they_hear_that_all_are_ready() -> None:
    async with staged(Echo, Hello) as stage:
        scope = await stage.colony.spawn(agent(Hello, Echo), run=RUN)
        await stage.ear.until(lambda: len(stage.ear.logs) == 4)
        assert [line.partition(" ")[0] for line in stage.ear.lines()] == [
            "hello",
            "vespiary.actor.ready",
            "vespiary.actor.ready",
            "vespiary.agent.ready",
        ]
        assert stage.ear.said("vespiary.agent.ready") == [
            {
                "scope": scope,
                "name": "tester",
                "actors": ["hello", "echo"],
                "tools": [
                    {"name": "greet", "description": "Says hello.", "parameters": {"type": "object"}, "actor": "hello"}
                ],
            }
        ]


@requirement("runtime:host-messages", "runtime:correlation")
async def test_a_conversation_goes_on_until_it_is_over_and_ids_tell_who_answered_whom() -> None:
    async with staged(Ping, Pong) as stage:
        scope = await stage.colony.spawn(agent(Ping, Pong), run=RUN)
        stage.colony.send(scope, "go", "{}")
        await stage.ear.until(lambda: bool(stage.ear.said("over")))
        sent = [envelope for _, _, envelope in stage.ear.messages if not envelope.type.startswith("vespiary.")]
        assert [envelope.type for envelope in sent] == ["go", "ping", "pong", "ping", "over"]
        assert (sent[0].sender, sent[0].scope) == (HOST_ACTOR, SYSTEM_SCOPE)
        assert sent[0].id.startswith("root:")
        for before, after in pairwise(sent):
            assert after.id.partition(":")[0] == before.id.partition(":")[2]


@requirement("runtime:spawn-rollback")
async def test_an_agent_with_an_actor_that_cannot_be_made_leaves_nothing_behind() -> None:
    async with staged(Broken, Hello, Far) as stage:
        root = await stage.colony.spawn(agent(Far), run=RUN)
        with pytest.raises(SpawnFailed, match="no such model") as caught:
            await stage.colony.spawn(agent(Hello, Broken, name="child"), run=RUN, parent=root)
        assert (caught.value.actor, caught.value.reason) == ("broken", "no such model")
        assert stage.ear.lines() == ["trying"]
        assert not stage.ear.said("hello")
        assert not list(stage.colony.descendants(root))
        assert [failure.kind for _, _, failure, _ in stage.ear.failures] == [FailureKind.CONSTRUCT]
        stage.colony.send(root, "news", "1")
        await stage.ear.until(lambda: "far news" in stage.ear.lines())
        await stage.colony.stop(root, "enough")
        assert stage.guests[0].living == {}


@requirement("runtime:runs-are-isolated")
async def test_runs_hear_nothing_of_one_another() -> None:
    async with staged(Far, Echo) as stage:
        one = await stage.colony.spawn(agent(Far), run=RUN)
        two = await stage.colony.spawn(agent(Far), run=OTHER)
        stage.colony.send(one, "news", "1")
        stage.colony.send(two, "news", "1")
        await stage.ear.until(lambda: len(stage.ear.logs) == 2)
        assert sorted(run for run, _, _ in stage.ear.logs) == [RUN, OTHER]


@requirement("runtime:agent-exit", "runtime:parent-end")
async def test_an_agent_that_exits_takes_its_children_with_it_and_its_parent_is_told() -> None:
    async with staged(Leaver, Echo) as stage:
        root = await stage.colony.spawn(agent(Echo, name="root"), run=RUN)
        middle = await stage.colony.spawn(agent(Leaver, name="middle"), run=RUN, parent=root)
        leaf = await stage.colony.spawn(agent(Echo, name="leaf"), run=RUN, parent=middle)
        assert stage.ear.said("vespiary.agent.spawned")[0] == {
            "scope": middle,
            "name": "middle",
            "actors": ["leaver"],
            "parent": root,
        }
        stage.colony.send(middle, "leave", "{}")
        await stage.ear.until(lambda: bool(stage.ear.said("vespiary.agent.exited")))
        assert stage.ear.said("last words") == [None]
        assert stage.ear.exits == [(RUN, leaf, "all done"), (RUN, middle, "all done")]
        assert stage.ear.said("vespiary.agent.exited") == [{"scope": middle, "name": "middle", "reason": "all done"}]
        assert stage.colony.run_of(leaf) is None
        assert stage.colony.run_of(root) == RUN
        with pytest.raises(ScopeEnded):
            stage.colony.send(leaf, "anything", "{}")


@requirement("runtime:cancel-within-a-second")
async def test_cancelling_a_run_takes_less_than_a_second_though_a_guest_loops() -> None:
    async with staged(Stuck, Echo) as stage:
        scope = await stage.colony.spawn(agent(Stuck, Echo), run=RUN)
        other = await stage.colony.spawn(agent(Echo), run=OTHER)
        stage.colony.send(scope, "go", "{}")
        await stage.looping()
        with anyio.fail_after(1):
            await stage.colony.cancel(RUN)
        assert stage.ear.exits == [(RUN, scope, "the run was cancelled")]
        assert not stage.ear.failures
        stage.colony.send(other, "alive", "1")
        await stage.ear.until(lambda: "alive 1" in stage.ear.lines())
        assert {str(key)[:6] for key in stage.guests[0].living} == {other}


async def test_questions_about_scopes_that_ended_have_plain_answers() -> None:
    async with staged(Echo) as stage:
        root = await stage.colony.spawn(agent(Echo, name="root"), run=RUN)
        child = await stage.colony.spawn(agent(Echo, name="child"), run=RUN, parent=root)
        assert stage.colony.parent(child) == root
        assert list(stage.colony.descendants(root)) == [child]
        assert stage.colony.agent_name(child) == "child"
        gone = Scope("zzzzzz")
        assert stage.colony.parent(gone) is None
        assert list(stage.colony.descendants(gone)) == []
        with pytest.raises(ScopeEnded):
            stage.colony.agent_name(gone)
        await stage.colony.stop(gone, "nothing to stop")
