"""A process that is killed at any moment: its run is carried on to exactly what it would have come to.

`VESPIARY_CRASHES=200 python -m pytest tests/crash -k "killed" -s` kills more often and says how often; `VESPIARY_SEED=5` at
other moments.
"""

import itertools
import os
import random
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger import requirement
from support import crash_model
from support.crashing import (
    Deaths,
    Nest,
    Reference,
    Trial,
    finish,
    killed_at_entries,
    killed_at_random,
    workers_killed,
)
from support.fake_openai import Asked, Reply, call, say

SHARES = 6
"""Kinds of kills that the number of kills is divided among."""


@requirement("crash:boundaries")
def test_a_run_is_listed_once_and_remembered_whole_wherever_its_beginning_or_its_end_is_cut_off(
    lives: Nest, reference: Reference, tmp_path: Path
) -> None:
    deaths = Deaths()
    with Trial(lives, tmp_path) as trial:
        for when, method in (
            ("after", "begin"),
            ("before", "put_session"),
            ("after", "put_session"),
            ("before", "put_session"),  # now that of the end
            ("after", "put_session"),
            ("before", "update"),
            ("after", "update"),
        ):
            assert not trial.live(die=[when, method])
        assert trial.live()
        finish(trial, reference, deaths)
    assert deaths.repeated == 0


def _budget(default: int) -> int:
    """How many kills: a share of `VESPIARY_CRASHES`, if that is set."""
    return max(1, int(os.environ.get("VESPIARY_CRASHES", default * SHARES)) // SHARES)


def _sources() -> Iterator[random.Random]:
    """Where the moments of the kills come from, run by run. `VESPIARY_SEED` gives others."""
    seed = int(os.environ.get("VESPIARY_SEED", "3"))
    return (random.Random(seed * 1000 + run) for run in itertools.count())


@requirement("crash:kill", "crash:no-refetch", "crash:edit-once")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_that_is_killed_at_random_moments_comes_to_the_same(
    lives: Nest, reference: Reference, tmp_path: Path, workers: int
) -> None:
    deaths, budget = Deaths(), _budget(8)
    for run, source in enumerate(_sources()):
        killed_at_random(
            lives,
            tmp_path / str(run),
            reference,
            source,
            deaths,
            most=budget - deaths.kills,
            slow=1.0 if workers == 0 else 1.5,
            workers=workers,
            snapshot_every=source.choice((200, 3, None)),
        )
        if deaths.kills >= budget:
            break
    print(f"\nKilled at random moments, {workers} workers: {deaths}")


@requirement("crash:kill", "crash:no-refetch", "crash:edit-once")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_is_killed_at_entries_of_its_journal_comes_to_the_same(
    lives: Nest, reference: Reference, tmp_path: Path, before: bool
) -> None:
    deaths, budget = Deaths(), _budget(10)
    for run, source in enumerate(_sources()):
        killed_at_entries(
            lives,
            tmp_path / str(run),
            reference,
            source,
            deaths,
            most=budget - deaths.kills,
            # So far that the kills are spread over the run.
            apart=max(8, 2 * reference.entries // budget),
            before=before,
            snapshot_every=source.choice((200, 3, None)),
        )
        if deaths.kills >= budget:
            break
    when = "before entries were given to the journal" if before else "when the journal had them"
    print(f"\nKilled {when}: {deaths}")


@requirement("crash:workers", "crash:no-refetch", "crash:edit-once")
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_whose_workers_are_killed_at_random_moments_just_ends_right(
    lives: Nest, reference: Reference, tmp_path: Path, workers: int
) -> None:
    deaths, budget = Deaths(), _budget(8)
    for run, source in enumerate(_sources()):
        workers_killed(
            lives, tmp_path / str(run), reference, source, deaths, most=budget - deaths.kills, workers=workers
        )
        if deaths.kills >= budget:
            break
    assert deaths.repeated == 0
    print(f"\nWorkers killed at random moments, {workers} of them: {deaths}")


@requirement("crash:command")
def test_a_command_under_way_is_answered_as_interrupted_and_not_run_twice(lives: Nest, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    command = f"echo ran >> {witness}; sleep 30"

    def answer(asked: Asked) -> Reply:
        if crash_model.role_of(asked.messages) != "root":
            return crash_model.answer(asked)
        results = [message["content"] for message in asked.messages if message["role"] == "tool"]
        return say(f"It said: {results[0]}") if results else call("execute_bash", {"command": command})

    def running(_: int) -> None:
        until = time.monotonic() + 20
        while not witness.exists() or not witness.read_text("utf-8"):
            assert time.monotonic() < until, "the command was not run"
            select.select([], [], [], 0.01)

    with Trial(lives, tmp_path, answer=answer) as trial:
        assert not trial.live(0.0, beside=running)
        assert trial.live()
        told = trial.told()
    assert told["outcome"] == "done"
    assert "It may have been done, in part or as a whole; it was not begun again." in told["text"]
    assert witness.read_text("utf-8") == "ran\n"
