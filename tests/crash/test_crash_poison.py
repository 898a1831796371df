"""Inputs that are the end of whoever takes them."""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ledger import requirement
from support.colonies import RUN, Stage, agent, staged
from support.crash_guests import BEHAVIOURS, Counter, Other
from support.journals import open_store
from support.shards import worker
from vespiary.journal.records import RunRecord
from vespiary.model.agents import AgentSpec
from vespiary.model.ids import Scope
from vespiary.model.messages import Envelope
from vespiary.runtime.shard import Shard

pytestmark = pytest.mark.anyio

BOTH: AgentSpec = agent(Counter, Other)


@asynccontextmanager
async def counting(root: Path, shards: Sequence[Shard] = ()) -> AsyncGenerator[tuple[Stage, Scope]]:
    """A counter that has counted to three, beside another."""
    with open_store(root) as store:
        await store.begin(RunRecord(RUN))
        async with staged(*BEHAVIOURS.values(), journal=store, homes=shards) as stage:
            scope = await stage.colony.spawn(BOTH, run=RUN)
            for _ in range(3):
                stage.colony.send(scope, "count", "1")
            await stage.ear.until(lambda: stage.ear.said("counted") == stage.ear.said("other") == [1, 2, 3])
            yield stage, scope


async def poisoned(stage: Stage, scope: Scope, how: str) -> None:
    """Poison the counter; then it goes on from where it was, and so does the other one."""
    ear = stage.ear
    stage.colony.send(scope, "poison", f'"{how}"')
    stage.colony.send(scope, "count", "1")
    await ear.until(lambda: [len(ear.said(each)) for each in ("counted", "other", "heard")] == [4, 4, 1], seconds=60)
    (told,) = ear.said("heard")
    assert (told["restarted"], told["kept"]) == (True, True)
    # It heard the letter that was sent before, and then of its own failure, or the other way round.
    assert ear.said("counted")[-1] in (4, 5)
    assert ear.said("other") == [1, 2, 3, 4]
    (letter,) = ear.buried_letters
    assert isinstance(letter.content, Envelope)
    assert (letter.receiver, letter.content.type) == (f"{scope}/counter", "poison")
    assert ear.exits == []


@requirement("crash:poison")
@pytest.mark.parametrize("how", ["trap", "loop"])
async def test_an_actor_that_dies_of_a_message_keeps_everything_but_that_message(tmp_path: Path, how: str) -> None:
    async with counting(tmp_path) as (stage, scope):
        await poisoned(stage, scope, how)
        assert len(stage.colony.dead_letters(RUN)) == 1


@requirement("crash:poison")
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
async def test_an_actor_that_takes_its_process_with_it_is_blamed_after_two_deaths(tmp_path: Path) -> None:
    shard = worker(factory="make", module="support.crash_guests")
    async with counting(tmp_path, [shard]) as (stage, scope):
        before = shard.generation
        await poisoned(stage, scope, "process")
        # Two processes died of it; each start and each end is a generation.
        assert shard.generation == before + 4
        (letter,) = stage.ear.buried_letters
        assert "SIGSEGV" in letter.reason


@requirement("crash:poison")
async def test_processes_that_die_at_every_start_end_the_run_with_a_reason(tmp_path: Path) -> None:
    from vespiary.runtime.bounds import SpawnFailed

    shard = worker(factory="dying")
    with open_store(tmp_path) as store:
        await store.begin(RunRecord(RUN))
        async with staged(journal=store, homes=[shard]) as stage:
            with pytest.raises(SpawnFailed, match="its worker process ended with exit code 5"):
                await stage.colony.spawn(BOTH, run=RUN)
            assert stage.colony.quiet(RUN)
