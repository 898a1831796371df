"""Messages between actors: order, reach, bursts."""

import json
from itertools import pairwise

import anyio
import pytest
from anyio.lowlevel import checkpoint
from ledger import requirement
from support.colonies import OTHER, RUN, agent, staged
from support.guests import Scripted, hears
from vespiary.model.ids import actor_id
from vespiary.model.messages import Envelope, Extent
from vespiary.runtime.bounds import MIB, Bounds, ScopeEnded

pytestmark = pytest.mark.anyio


class Counter(Scripted):
    """Sends 200 numbers in 20 steps, waking itself."""

    def construct(self) -> None:
        self.listens = ("go", f"more.{self.id}")

    def handle(self, envelope: Envelope) -> None:
        start = int(json.loads(envelope.payload))
        for number in range(start, start + 10):
            self.send("number", [self.id, number])
        if start < 190:
            self.send(f"more.{self.id}", start + 10)


class Reader(Scripted):
    listens = (hears("number", Extent.EVERYWHERE),)

    def handle(self, envelope: Envelope) -> None:
        self.log(envelope.payload)


class Above(Scripted):
    listens = (hears("deep.*", Extent.SUBTREE),)

    def handle(self, envelope: Envelope) -> None:
        self.log(f"{self.id} {envelope.type}")


class Posts(Scripted):
    """Sends what it is told, where it is told."""

    listens = ("post", "deep.own")

    def handle(self, envelope: Envelope) -> None:
        if envelope.type == "post":
            what = json.loads(envelope.payload)
            self.send(what["type"], 1, what.get("to"))
        else:
            self.log("heard its own")


class Slow(Scripted):
    listens = ("burst",)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def handle(self, envelope: Envelope) -> None:
        self.count += 1
        assert envelope.payload == str(self.count)
        if self.count == 100_000:
            self.send("read.all", self.count)


class Stuck(Scripted):
    listens = ("burst",)

    def handle(self, envelope: Envelope) -> None:
        self.loop_for_ever()


class Brisk(Scripted):
    listens = ("ask",)

    def handle(self, envelope: Envelope) -> None:
        self.send("told")


class Burst(Scripted):
    """Puts out thousands of messages in one step."""

    listens = ("go",)

    def handle(self, envelope: Envelope) -> None:
        for number in range(5000):
            self.send("number", number)


@requirement("runtime:order", "runtime:reentrant")
async def test_a_receiver_hears_each_sender_in_the_order_of_its_sending_even_over_two_shards() -> None:
    async with staged(Counter, Reader, shards=2, bounds=Bounds(actors_before_next_shard=1)) as stage:
        root = await stage.colony.spawn(agent(Reader, name="reader"), run=RUN)
        ones = [
            await stage.colony.spawn(agent(name="counter", one=Counter, two=Counter), run=RUN, parent=root)
            for _ in range(3)
        ]
        for scope in ones:
            stage.colony.send(scope, "go", "0")
        await stage.ear.until(lambda: len(stage.ear.logs) == 6 * 200)
        heard: dict[str, list[int]] = {}
        for line in stage.ear.lines():
            sender, number = json.loads(line)
            heard.setdefault(sender, []).append(number)
        assert list(heard.values()) == [list(range(200))] * 6
        assert len(stage.guests) == 2


@requirement("runtime:extents")
async def test_a_parent_hears_its_subtree_and_a_child_does_not_hear_its_parent() -> None:
    async with staged(Above, Posts) as stage:
        root = await stage.colony.spawn(agent(Above, name="root"), run=RUN)
        child = await stage.colony.spawn(agent(Above, Posts, name="child"), run=RUN, parent=root)
        stage.colony.send(child, "post", '{"type": "deep.own"}')
        await stage.ear.until(lambda: len(stage.ear.logs) == 3)
        assert sorted(stage.ear.lines()) == sorted(
            [f"{root}/above deep.own", f"{child}/above deep.own", "heard its own"]
        )
        stage.colony.send(root, "deep.news", "1")
        await stage.ear.until(lambda: len(stage.ear.logs) == 4)
        assert stage.ear.lines()[-1] == f"{root}/above deep.news"


@requirement("runtime:send-to", "runtime:dead-letters")
async def test_a_message_to_a_scope_of_another_run_goes_nowhere_and_its_sender_is_told() -> None:
    async with staged(Posts, Above) as stage:
        root = await stage.colony.spawn(agent(Posts, name="root"), run=RUN)
        child = await stage.colony.spawn(agent(Above, name="child"), run=RUN, parent=root)
        foreign = await stage.colony.spawn(agent(Above, name="foreign"), run=OTHER)
        for to in (foreign, "nobody", child):
            stage.colony.send(root, "post", json.dumps({"type": "deep.letter", "to": to}))
        await stage.ear.until(lambda: len(stage.ear.logs) == 3)
        assert stage.ear.lines() == [
            f"deep.letter was not delivered: no agent of this run lives in scope {foreign}.",
            "deep.letter was not delivered: no agent of this run lives in scope nobody.",
            f"{child}/above deep.letter",
        ]
        assert [scope for _, scope, envelope in stage.ear.messages if envelope.type == "deep.letter"] == [child]
        dead = stage.colony.dead_letters(RUN)
        assert [(item.receiver, item.content.payload) for item in dead] == [(None, "1"), (None, "1")]
        assert stage.colony.dead_letters(OTHER) == ()


@requirement("runtime:host-only-types")
async def test_an_actor_cannot_speak_for_the_host() -> None:
    async with staged(Posts) as stage:
        root = await stage.colony.spawn(agent(Posts), run=RUN)
        stage.colony.send(root, "post", '{"type": "vespiary.agent.exited"}')
        await stage.ear.until(lambda: len(stage.ear.logs) == 1)
        assert "only the host may send it" in stage.ear.lines()[0]
        assert not stage.ear.said("vespiary.agent.exited")


@requirement("runtime:burst", "runtime:mailbox-bounds", "runtime:fair")
async def test_a_hundred_thousand_messages_for_one_actor_are_all_read_while_others_are_served() -> None:
    async with staged(Slow, Brisk, inline=True) as stage:
        scope = await stage.colony.spawn(agent(Slow, Brisk), run=RUN)
        other = await stage.colony.spawn(agent(Brisk), run=OTHER)
        for number in range(1, 100_001):
            stage.colony.send(scope, "burst", str(number))
        await stage.ear.until(lambda: stage.colony.statistics().messages >= 100_000)
        statistics = stage.colony.statistics()
        assert statistics.spilled >= 90_000
        assert statistics.waiting_bytes < 64 * MIB
        for place in (scope, other):
            stage.colony.send(place, "ask", "1")
        await stage.ear.until(lambda: len(stage.ear.said("told")) == 2)
        assert stage.colony.statistics().waiting > 90_000
        await stage.ear.until(lambda: stage.ear.said("read.all") == [100_000], seconds=100)
        after = stage.colony.statistics()
        assert (after.waiting, after.spilled, after.waiting_bytes) == (0, 0, 0)


@requirement("runtime:waiting-bytes")
async def test_a_run_whose_mailboxes_hold_too_much_ends_with_a_reason_and_others_go_on() -> None:
    async with staged(
        Stuck, Brisk, shards=2, bounds=Bounds(waiting_bytes_per_run=MIB, actors_before_next_shard=1)
    ) as stage:
        scope = await stage.colony.spawn(agent(Stuck), run=RUN)
        other = await stage.colony.spawn(agent(Brisk), run=OTHER)
        while stage.colony.run_of(scope) is not None:
            stage.colony.send(scope, "burst", "1" * 100)
            await checkpoint()
        with pytest.raises(ScopeEnded):
            stage.colony.send(scope, "burst", "1")
        ((run, ended, reason),) = stage.ear.exits
        assert (run, ended) == (RUN, scope)
        assert "more than 1 MiB of messages wait" in reason
        assert actor_id(scope, "stuck") in reason
        stage.colony.send(other, "ask", "1")
        await stage.ear.until(lambda: bool(stage.ear.said("told")))


@requirement("runtime:loop-breathes")
async def test_the_event_loop_has_its_turn_while_a_step_with_many_outputs_takes_effect() -> None:
    async with staged(Burst, Reader) as stage:
        scope = await stage.colony.spawn(agent(name="agent", burst=Burst, one=Reader, two=Reader), run=RUN)
        stage.colony.send(scope, "go", "1")
        await stage.ear.until(lambda: bool(stage.ear.said("number")))
        turns: list[int] = []
        with anyio.fail_after(20):
            while len(stage.ear.messages) < 5000:
                turns.append(len(stage.ear.messages))
                await checkpoint()
        most = max(after - before for before, after in pairwise(turns))
        assert most <= 256
