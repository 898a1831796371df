"""Runs of random course: their log folds to what they were, repeats byte for byte, and can be gone on with from any entry."""

from collections.abc import Iterator
from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.colonies import RUN
from support.fates import BOUNDS, ONE_AT_A_TIME, ROOMY, Counting, Fate, KeptJournal, Op, settled
from support.guests import ScriptedGuests
from vespiary.app.replay import replay
from vespiary.runtime.bounds import Bounds

ORDERS = ("work", "fail", "ask", "never", "cancel", "spawn", "spawn-stop", "flood")
FATAL = ("poison", "ask-poison")
MOST_FATAL = 3


@st.composite
def courses(draw: st.DrawFn) -> list[Op]:
    """Orders to both actors, turns of the loop and answers between them; of fatal ones no more than actors outlive."""
    ops: list[Op] = []
    fatal = {"one": 0, "two": 0}
    for _ in range(draw(st.integers(0, 16))):
        what = draw(st.sampled_from((*ORDERS, *FATAL, "turns", "answer", "turns")))
        who = draw(st.sampled_from(("one", "two")))
        if what in FATAL:
            fatal[who] += 1
            what = what if fatal[who] <= MOST_FATAL else "work"
        ops.append((what, who, draw(st.integers(1, 9))))
    return ops


async def undisturbed(ops: list[Op], seed: int, bounds: Bounds = BOUNDS) -> tuple[Fate, object]:
    """A run to its end, and the state in which it ended."""
    fate = Fate(KeptJournal(), seed, bounds)
    async with fate.running():
        await fate.begin()
        await fate.order(ops)
        return fate, await fate.state()


@requirement("replay:fold")
@settings(max_examples=60)
@given(courses(), st.integers(0, 1 << 16), st.sampled_from([ROOMY, ONE_AT_A_TIME]))
def test_any_prefix_of_a_log_folds_to_the_run_as_it_stood(ops: list[Op], seed: int, bounds: Bounds) -> None:
    async def work() -> None:
        lived, _ = await undisturbed(ops, seed, bounds)
        again = Fate(KeptJournal(lived.journal.all), seed, bounds)
        folded: dict[int, object] = {}

        class Watched(list[tuple[int, Any]]):
            def __iter__(self) -> Iterator[tuple[int, Any]]:
                for number, entry in super().__iter__():
                    yield number, entry
                    # Asked for the next one, the fold has applied this one.
                    folded[number] = settled(again.colony.outline(RUN))

        async with again.running():
            await again.colony.recover(RUN, Watched(lived.journal.entries(RUN)), lambda kind, data: None)
        for number, stood in lived.outlines.items():
            assert folded[number] == stood, number
        assert len(folded) == len(lived.journal.all)
        if bounds is ONE_AT_A_TIME:
            assert len(lived.outlines) > len(folded) // 3

    anyio.run(work)


@requirement("replay:identical", "replay:failures")
@settings(max_examples=100)
@given(courses(), st.integers(0, 1 << 16))
def test_any_log_repeats(ops: list[Op], seed: int) -> None:
    lived, _ = anyio.run(undisturbed, ops, seed)

    report = replay(lived.journal, RUN, ScriptedGuests({"Counting": Counting}))

    assert report.divergence is None
    assert report.skipped == {}
    assert report.steps == sum(entry[0] == "step" for entry in lived.journal.all)


@requirement("replay:resume")
@settings(max_examples=100)
@given(courses(), st.integers(0, 1 << 16), st.data())
def test_a_run_that_was_stopped_anywhere_ends_as_if_it_had_not_been(
    ops: list[Op], seed: int, data: st.DataObject
) -> None:
    async def work() -> None:
        lived, end = await undisturbed(ops, seed)
        cut = data.draw(st.integers(1, len(lived.journal.all)), label="cut")
        kept = lived.journal.all[:cut]
        told = sum(entry[0] == "post" for entry in kept)
        left = [op for op in ops if op[0] not in ("turns", "answer")][told:]
        resumed = Fate(KeptJournal(kept), seed + 1)
        async with resumed.running():
            await resumed.begin()
            await resumed.order(left)
            assert await resumed.state() == end
        report = replay(resumed.journal, RUN, ScriptedGuests({"Counting": Counting}))
        assert report.divergence is None

    anyio.run(work)
