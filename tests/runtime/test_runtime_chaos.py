"""Everything at once, at random: whatever agents do and whenever they are ended, nothing of them is left."""

import json
import random
import threading

import anyio
import pytest
from anyio.lowlevel import checkpoint
from ledger import requirement
from support.colonies import OTHER, RUN, Stage, agent, staged
from support.guests import Dies, HandlerFailed, Scripted, hears
from vespiary.model.errors import RequestRefused, VespiaryError
from vespiary.model.ids import Scope
from vespiary.model.messages import Envelope, Extent
from vespiary.model.steps import Answer, Caller, FailureKind
from vespiary.runtime.bounds import Bounds

pytestmark = pytest.mark.anyio


class Wild(Scripted):
    """Does what the seed of its step says. A message says how many more it may cause, so that all ends."""

    def construct(self) -> None:
        chance = random.Random(self.step.seed)
        self.listens = (  # pyright: ignore[reportIncompatibleVariableOverride]
            hears("wild", chance.choice(list(Extent))),
            hears("vespiary.*", Extent.OWN),
        )
        self.send("wild", 2)
        if chance.random() < 0.05:
            raise Dies("not today", FailureKind.CONSTRUCT)

    def handle(self, envelope: Envelope) -> None:
        self.act(json.loads(envelope.payload) if envelope.type == "wild" else 1)

    def reply(self, answer: Answer) -> None:
        self.act(1)

    def snapshot(self) -> str | None:
        return "state" if self.step.seed % 2 else None

    def restore(self, state: str) -> None:
        if self.step.seed % 5 == 0:
            raise Dies("cannot go back")

    def act(self, left: int) -> None:
        if left <= 0:
            return
        chance = random.Random(self.step.seed)
        for _ in range(chance.randrange(3)):
            self.send("wild", left - 1, chance.choice([None, None, self.parent, Scope("zzzzzz")]))
        number = self.request(chance.choice(["soon", "late", "never", "nothing"])) if chance.random() < 0.5 else 0
        what = chance.random()
        if what < 0.1:
            self.cancel(chance.choice([number, number - 1]))
        elif what < 0.15:
            raise Dies
        elif what < 0.2:
            raise HandlerFailed("oh")
        elif what < 0.23:
            self.send("vespiary.agent.exit", {"reason": "done"})
        elif what < 0.25:
            self.loop_for_ever()


class Soon:
    """A capability that answers, makes agents, fails, or lasts until it is cancelled."""

    def __init__(self, stage: list[Stage], kind: str, chance: random.Random) -> None:
        self.stage, self.kind, self.chance = stage, kind, chance

    async def __call__(self, caller: Caller, payload: str) -> str:
        if self.kind == "never":
            await anyio.sleep_forever()
        if self.kind == "late":
            for _ in range(self.chance.randrange(30)):
                await checkpoint()
        what = self.chance.random()
        if what < 0.1:
            await self.stage[0].colony.spawn(agent(Wild, name="child"), run=caller.run, parent=caller.scope)
        elif what < 0.15:
            raise RequestRefused("no")
        elif what < 0.18:
            await self.stage[0].colony.stop(caller.scope, "a capability ended it")
        return "{}"

    def repeatable(self, payload: str) -> bool:
        return True


@requirement("runtime:nothing-is-left")
@pytest.mark.parametrize("seed", range(24))
async def test_whatever_happens_nothing_is_left_of_runs_that_were_cancelled(seed: int) -> None:
    chance = random.Random(seed)
    hands: list[Stage] = []
    bounds = Bounds(
        depth=3, scopes_per_run=6, restarts_per_actor=2, snapshot_every=3, batch=4, turn=5, mailbox_envelopes=3
    )
    capabilities = {kind: Soon(hands, kind, chance) for kind in ("soon", "late", "never")}
    async with staged(Wild, shards=1 + seed % 2, capabilities=capabilities, bounds=bounds, seed=seed) as stage:
        hands.append(stage)
        colony = stage.colony

        async def provoke(run: str) -> None:
            for _ in range(chance.randrange(5, 15)):
                try:
                    scope = await colony.spawn(agent(Wild, name="root", other=Wild), run=run)  # pyright: ignore[reportArgumentType]
                    for _ in range(chance.randrange(1, 4)):
                        colony.send(scope, "wild", "3")
                        await checkpoint()
                    if chance.random() < 0.3:
                        await colony.stop(scope, "enough")
                except VespiaryError:
                    pass

        async def interrupt() -> None:
            # A guest that loops would hold up the others until its deadline, which scripted guests do not have.
            while True:
                await anyio.sleep(0.002)
                for guests in stage.guests:
                    for looping in list(guests.living.values()):
                        looping.interrupted.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(interrupt)
            async with anyio.create_task_group() as provoking:
                provoking.start_soon(provoke, RUN)
                provoking.start_soon(provoke, OTHER)
            with anyio.fail_after(5):
                await colony.cancel(RUN)
                await colony.cancel(OTHER)
            tasks.cancel_scope.cancel()
        now = colony.statistics()
        assert (now.runs, now.scopes, now.actors, now.subscriptions) == (0, 0, 0, 0)
        assert (now.requests, now.waiting, now.spilled, now.in_flight, now.ready) == (0, 0, 0, 0, 0)
        assert [guests.living for guests in stage.guests] == [{}] * len(stage.guests)
        for guests in stage.guests:
            last: dict[str, int] = {}
            for step in guests.steps:
                assert step.step > last.get(step.actor, 0)
                last[step.actor] = step.step
    assert not [thread for thread in threading.enumerate() if thread.name == "vespiary-guests"]
