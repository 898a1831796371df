"""A run is made again from its journal, wherever it was cut off, and a lost shard costs a delay only."""

import json
import random
from collections.abc import Sequence

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.colonies import RUN, Ear, InlineShard, StepClock, agent
from support.guests import Scripted, ScriptedGuests
from support.keeping import KeepingJournal
from vespiary.model.ids import RunId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import Answer, Caller, StepInput, StepResult
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.capability import Capability
from vespiary.runtime.colony import Colony
from vespiary.runtime.entries import JournalDiverged
from vespiary.runtime.shard import ShardLost

pytestmark = pytest.mark.anyio

ROUNDS = 30


class Adder(Scripted):
    """Adds what it hears to what it is told, one request for each number, and says the sum when all are there."""

    listens = ("number",)

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self.heard = 0
        self.open: dict[str, int] = {}

    def handle(self, envelope: Envelope) -> None:
        self.open[str(self.request("double", json.loads(envelope.payload)))] = 1

    def reply(self, answer: Answer) -> None:
        assert answer.ok, answer.payload
        del self.open[str(answer.request)]
        self.total += json.loads(answer.payload)
        self.heard += 1
        self.send("partial", self.total)
        if self.heard == ROUNDS:
            self.send("sum", self.total)


class Saver(Adder):
    """The same with a state that it tells."""

    listens = ("number",)

    def snapshot(self) -> str | None:
        return None if self.open else json.dumps([self.total, self.heard, self._requests, self._fresh])

    def restore(self, state: str) -> None:
        self.total, self.heard, self._requests, self._fresh = json.loads(state)


class Source(Scripted):
    """Sends a number for each answer of a timer."""

    listens = ("begin", "partial")

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    def handle(self, envelope: Envelope) -> None:
        while self.sent < ROUNDS and self.sent < 4 + json.loads(envelope.payload) // 10:
            self.sent += 1
            self.send("number", self.sent)


SUM = sum(2 * number for number in range(1, ROUNDS + 1))


class Double:
    """Doubles numbers, and counts how often each was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []

    async def __call__(self, caller: Caller, payload: str) -> str:
        self.asked.append((json.loads(payload), caller.again))
        await anyio.lowlevel.checkpoint()
        return json.dumps(2 * json.loads(payload))

    def repeatable(self, payload: str) -> bool:
        return True


class Stopping(KeepingJournal):
    """Dies with the entry of a number."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.over = anyio.Event()

    def commit(self, groups: Sequence[object]) -> object:  # type: ignore[override]
        if not self.dead and any(first + len(entries) > self.at for _, first, entries in groups):  # type: ignore[misc]
            self.dead = True
            self.over.set()
        return super().commit(groups)  # type: ignore[arg-type]


class Frail(InlineShard):
    """Is lost now and then, with all that lived in it."""

    def __init__(self, guests: ScriptedGuests, chance: random.Random, often: float) -> None:
        super().__init__(guests)
        self.chance = chance
        self.often = often
        self.generation = 1
        self.losses = 0

    async def run(self, batch: Sequence[StepInput]) -> Sequence[StepResult]:
        now = self.generation
        # Others of the run take effect meanwhile.
        for _ in range(self.chance.randrange(4)):
            await anyio.lowlevel.checkpoint()
        if now == self.generation and self.chance.random() < self.often:
            self.generation += 2
            self.losses += 1
            self.guests.living.clear()
        if now != self.generation:
            raise ShardLost("it was killed", killed=True)
        return await super().run(batch)


BEHAVIOURS = {each.__name__: each for each in (Adder, Saver, Source)}


def colony(
    journal: KeepingJournal, double: Capability, ear: Ear, *, often: float = 0.0, checkpoints: int = 10**9
) -> Colony:
    guests = ScriptedGuests(BEHAVIOURS)
    return Colony(
        shards=[Frail(guests, random.Random(5), often)],
        capabilities={"double": double},
        observer=ear,
        clock=StepClock(),
        source=random.Random(3),
        journal=journal,  # type: ignore[arg-type]
        bounds=Bounds(checkpoint_entries=checkpoints, snapshot_every=7, mailbox_envelopes=5),
    )


async def begin(place: Colony, adder: type[Scripted]) -> Scope:
    return await place.spawn(agent(Source, adder), run=RUN, first=[("begin", "0")])


@requirement("runtime:recovery")
@settings(max_examples=40)
@given(st.integers(1, 190), st.sampled_from([Adder, Saver]), st.sampled_from([0.0, 0.2]), st.sampled_from([12, 10**9]))
def test_a_run_that_is_cut_off_anywhere_goes_on_and_asks_for_nothing_again_that_was_answered(
    at: int, adder: type[Scripted], often: float, checkpoints: int
) -> None:
    async def play() -> None:
        journal, double, ear = Stopping(at), Double(), Ear()
        with anyio.fail_after(20):
            async with (
                colony(journal, double, ear, often=often, checkpoints=checkpoints) as first,
                anyio.create_task_group() as tasks,
            ):

                async def work() -> None:
                    await begin(first, adder)
                    await ear.until(lambda: bool(ear.said("sum")))
                    tasks.cancel_scope.cancel()

                async def stop() -> None:
                    await journal.over.wait()
                    tasks.cancel_scope.cancel()

                tasks.start_soon(work)
                tasks.start_soon(stop)
            if not journal.runs:
                return
            answers = [json.loads(entry[4]) for _, entry in journal.entries(RUN) if entry[0] == "answer"]
            again, later = Double(), Ear()
            kept = KeepingJournal()
            kept.runs = journal.runs
            async with colony(kept, again, later, often=often, checkpoints=checkpoints) as second:
                roots = await second.recover(RUN, journal.entries(RUN), lambda kind, data: None)
                if later.said("sum"):
                    assert later.said("sum") == [SUM]
                    return
                assert len(roots) == 1
                second.resume(RUN)
                await later.until(lambda: bool(later.said("sum")))
                assert later.said("sum") == [SUM]
            # What was answered before is not asked for again.
            assert {2 * number for number, _ in again.asked}.isdisjoint(answers)

    anyio.run(play)


@requirement("runtime:shard-lost")
@pytest.mark.parametrize("adder", [Adder, Saver])
async def test_a_shard_that_is_lost_again_and_again_costs_a_run_nothing(adder: type[Scripted]) -> None:
    journal, double, ear = KeepingJournal(), Double(), Ear()
    place = colony(journal, double, ear, often=0.3)
    async with place:
        await begin(place, adder)
        await ear.until(lambda: bool(ear.said("sum")))
        assert ear.said("sum") == [SUM]
        assert ear.said("partial")[-1] == SUM
        assert len(ear.said("partial")) == ROUNDS
        assert sorted(number for number, _ in double.asked) == list(range(1, ROUNDS + 1))
        assert ear.failures == []


@requirement("runtime:checkpoints")
@pytest.mark.parametrize("adder", [Adder, Saver])
async def test_old_entries_go_behind_checkpoints_and_instances_are_still_rebuilt(adder: type[Scripted]) -> None:
    journal, double, ear = KeepingJournal(), Double(), Ear()
    place = colony(journal, double, ear, often=0.1, checkpoints=12)
    async with place:
        await begin(place, adder)
        await ear.until(lambda: bool(ear.said("sum")))
        assert ear.said("sum") == [SUM]
        assert ear.failures == []
    assert journal.cuts
    assert min(journal.runs[RUN]) > 10


@requirement("runtime:recovery")
async def test_a_journal_with_a_gap_or_another_order_is_not_followed() -> None:
    journal, double, ear = KeepingJournal(), Double(), Ear()
    async with colony(journal, double, ear) as place:
        await begin(place, Adder)
        await ear.until(lambda: bool(ear.said("sum")))
    entries = list(journal.entries(RUN))
    steps = [index for index, (_, entry) in enumerate(entries) if entry[0] == "step" and entry[5][0] in (1, 2)]
    swapped = list(entries)
    one, other = steps[4], steps[5]
    swapped[one], swapped[other] = (entries[one][0], entries[other][1]), (entries[other][0], entries[one][1])
    missing = [*entries[:20], *entries[21:]]
    for wrong in (missing, entries[3:], [(number, ["nonsense"]) for number, _ in entries]):
        async with colony(KeepingJournal(), double, Ear()) as place:
            with pytest.raises(JournalDiverged):
                await place.recover(RUN, wrong, lambda kind, data: None)
            assert place.statistics().runs == 0


class Uncut(KeepingJournal):
    """Keeps what could go, as a journal does whose process ended before the cut."""

    def cut(self, run: RunId, before: int) -> None:
        self.cuts.append(before)


@requirement("runtime:checkpoints")
async def test_what_a_checkpoint_holds_already_is_not_applied_again_where_it_was_not_cut() -> None:
    journal, double, ear = Uncut(), Double(), Ear()
    async with colony(journal, double, ear, checkpoints=12) as place:
        await begin(place, Saver)
        await ear.until(lambda: bool(ear.said("sum")))
    entries = list(journal.entries(RUN))
    afters: list[int] = [entry[1] for _, entry in entries if entry[0] == "checkpoint"]
    assert any(entries[after - 1][1][0] == "step" for after in afters)
    for end, (_, entry) in enumerate(entries, 1):
        if entry[0] == "checkpoint":
            async with colony(KeepingJournal(), double, Ear()) as place:
                assert len(await place.recover(RUN, entries[:end], lambda kind, data: None)) == 1
