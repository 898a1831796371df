"""A run is repeated from its journal: what agrees, what does not, and where it stops."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.fronts import InProcess
from support.projects import project, reply
from support.replays import components, journals
from vespiary.app.replay import ReplayReport, replay
from vespiary.app.standing import standing
from vespiary.journal.store import JournalStore
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import RunId, name_of
from vespiary.model.steps import StepInput, StepResult
from vespiary.runtime.entries import JournalDiverged
from vespiary.wasm.guests import WasmGuests

pytestmark = pytest.mark.anyio

ACTOR = '''
import asyncio

from vespiary_sdk import Actor, tool


class Counter(Actor):
    count = 0

    @tool
    async def count_up(self) -> str:
        """Count, and wait a little."""
        self.count += 1
        await asyncio.sleep(0.001)
        return f"counted {self.count}"

    @tool
    async def die(self) -> str:
        """End the instance."""
        nested = []
        for _ in range(200_000):
            nested = [nested]
        return repr(nested)

    @tool
    async def hang(self) -> str:
        """Never return."""
        while True:
            pass
'''


class Altered:
    """A record of which some entries are others."""

    def __init__(self, store: JournalStore, run: RunId, changes: dict[int, Any] | None = None, first: int = 1) -> None:
        self._all = [(number, (changes or {}).get(number, entry)) for number, entry in store.entries(run)][first - 1 :]

    def entries(self, run: RunId) -> Iterator[tuple[int, Any]]:
        yield from self._all

    def read_now(self, run: RunId, numbers: Sequence[int]) -> list[Any]:
        known = dict(self._all)
        return [known[number] for number in numbers]


async def recorded(root: Path, *calls: str) -> None:
    """A run in which the tools are called one after the other."""
    turns = [reply("", (name, {}), turn=turn) for turn, name in enumerate(calls, 1)]
    project(
        root,
        {"counter.py": ACTOR},
        *turns,
        reply("Done.", turn=len(calls) + 1),
        agent='actors = ["assistant", "counter.py"]',
    )
    events = await InProcess().run(root, "Go")
    assert events[-1]["outcome"] == "done", str(events[-1].get("problem"))


@contextmanager
def opened(root: Path) -> Generator[tuple[JournalStore, RunId]]:
    (store,) = journals(root)
    with JournalStore.open(store.folder, key=_key(), read_only=True) as again:
        (record,) = again.runs()
        yield again, record.run


def _key() -> bytes:
    from vespiary.journal.key import load_key
    from vespiary.model.places import state_dir

    return load_key(state_dir())


def repeat(store: Any, run: RunId, **options: Any) -> ReplayReport:
    guests = WasmGuests(components())
    try:
        return replay(store, run, guests, **options)
    finally:
        guests.close()


@requirement("replay:identical")
async def test_every_step_of_a_run_gives_the_same_again(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up", "count_up")

    with opened(tmp_path) as (store, run):
        report = repeat(store, run)
        steps = sum(entry[0] == "step" for _, entry in store.entries(run))

    assert report.same
    assert (report.steps, report.actors) == (steps, 2)
    assert report.skipped == {}


@requirement("replay:failures")
async def test_an_actor_that_died_is_replayed_as_it_was_brought_back(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up", "die", "count_up", "die", "count_up")

    with opened(tmp_path) as (store, run):
        report = repeat(store, run)
        entries = [entry for _, entry in store.entries(run)]

    assert report.same
    assert sum(entry[0] == "step" and entry[7] is not None for entry in entries) == 2
    # Brought back with its memory, not made anew.
    assert [entry[0] for entry in entries if entry[0] == "lost"] == []
    assert "counted 3" in str(entries)


@requirement("replay:failures")
async def test_a_deadline_is_not_waited_for_again(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up", "hang", "count_up")

    with opened(tmp_path) as (store, run):
        report = repeat(store, run)

    assert report.same
    assert report.skipped == {"deadline": 1}


@requirement("replay:divergence")
async def test_the_first_difference_is_told_with_both_sides(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up")

    with opened(tmp_path) as (store, run):
        at, entry = next(
            (number, entry)
            for number, entry in store.entries(run)
            if entry[0] == "step" and "counted 1" in str(entry) and name_of(entry[1]) == "counter"
        )
        changed = list(entry)
        changed[6] = [
            [part.replace("counted 1", "counted 9") if isinstance(part, str) else part for part in output]
            for output in entry[6]
        ]
        report = repeat(Altered(store, run, {at: changed}), run)

    found = report.divergence
    assert found is not None
    assert (found.entry, name_of(found.actor), found.given.step) == (at, "counter", entry[2])
    assert "counted 9" in str(found.recorded.outputs)
    assert "counted 1" in str(found.repeated.outputs)
    assert "output 0" in found.what


@requirement("replay:divergence")
async def test_another_build_is_told_and_compared_all_the_same(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up")

    class OtherBuild(WasmGuests):
        def step(self, step: StepInput) -> StepResult:
            result = super().step(step)
            if result.description is None:
                return result
            return replace(result, description=replace(result.description, component="another"))

    with opened(tmp_path) as (store, run):
        guests = OtherBuild(components())
        report = replay(store, run, guests)
        guests.close()

    assert [(build.component, build.now) for build in report.builds] == [("python", "another")]
    assert report.same


@requirement("replay:until")
async def test_a_replay_stops_where_it_is_told_to_and_shows_the_actor(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up", "count_up")

    with opened(tmp_path) as (store, run):
        entries = dict(store.entries(run))
        asked = next(
            n
            for n, e in entries.items()
            if e[0] == "step" and name_of(e[1]) == "counter" and any(o[0] == 1 for o in e[6])
        )
        waiting = repeat(store, run, until=asked)
        after = standing_in_thread(store, run, asked)
        end = repeat(store, run, until=max(entries))

    assert waiting.same
    assert waiting.stop is not None
    assert waiting.stop.state is None
    assert waiting.stop.no_state is not None
    assert "waits for an answer" in waiting.stop.no_state
    assert after is not None
    assert waiting.stop.actor is not None
    actor = after.actor(waiting.stop.actor)
    assert actor is not None
    assert [request.capability for request in actor.requests] == ["timer"]
    assert end.stop is not None
    assert end.entries == max(entries)


def standing_in_thread(store: JournalStore, run: RunId, until: int) -> Any:
    """It has an event loop of its own, and a test has one already."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(standing, store, run, until).result()


@requirement("replay:until")
async def test_only_the_actors_that_are_asked_for_are_repeated(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up")

    with opened(tmp_path) as (store, run):
        report = repeat(store, run, actor="counter")
        with pytest.raises(VespiaryError, match="assistant, counter"):
            repeat(store, run, actor="../nobody")
        with pytest.raises(VespiaryError, match="has no entry 99999"):
            repeat(store, run, until=99_999)

    assert report.same
    assert report.actors == 1


@requirement("replay:cut")
async def test_a_run_whose_beginning_was_let_go_is_refused_with_the_reason(tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up")

    with opened(tmp_path) as (store, run), pytest.raises(VespiaryError) as refused:
        repeat(Altered(store, run, first=4), run)

    assert refused.value.code == "replay.cut"


@requirement("replay:hostile")
@pytest.mark.parametrize(
    "nonsense",
    [
        ["step"], ["step", "x/y", 1, 1, 1, [0, None, None], [], None, None, None], ["spawn", 1], ["lost"],
        ["step", None, None, None, None, None, None, None, None, None], [],
    ],
)  # fmt: skip
async def test_entries_that_make_no_sense_are_an_error_with_their_number(nonsense: Any, tmp_path: Path) -> None:
    await recorded(tmp_path, "count_up")

    with opened(tmp_path) as (store, run):
        record = Altered(store, run, {3: nonsense})
        with pytest.raises(JournalDiverged, match="entry 3"):
            repeat(record, run)
