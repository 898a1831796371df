"""A disk that becomes full in the middle of a run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger import requirement
from support.crashing import Deaths, Nest, Reference, Trial, finish
from vespiary.journal.folder import prepare


def check(told: dict[str, object]) -> None:
    assert (told["outcome"], told["code"]) == ("interrupted", "journal.full"), told
    assert "The disk is full: the journal cannot be written." in str(told["message"])
    assert "Free some space, then resume the run" in str(told["message"])
    assert told["problems"] == []


@requirement("crash:disk-full")
@pytest.mark.parametrize("at", [40, 330])
def test_a_run_whose_journal_is_full_is_resumed_in_the_same_process(
    lives: Nest, reference: Reference, tmp_path: Path, at: int
) -> None:
    with Trial(lives, tmp_path) as trial:
        assert trial.live(full=at, free=True)
        told = trial.told()
        check(told)
        then = told["then"]
        assert then == reference.ending.told | {"calls": then["calls"]}
        # Told is what counts above; this compares the rest.
        assert trial.live()
        finish(trial, reference, Deaths())


@requirement("crash:disk-full")
@pytest.mark.parametrize("at", [250])
def test_a_run_whose_journal_is_full_is_resumed_by_a_later_process(
    lives: Nest, reference: Reference, tmp_path: Path, at: int
) -> None:
    with Trial(lives, tmp_path) as trial:
        assert trial.live(full=at)
        check(trial.told())
        assert trial.live()
        finish(trial, reference, Deaths())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A workspace whose journal lies on a file system of 24 MiB, where one can be had."""
    if not sys.platform.startswith("linux") or os.getuid() != 0:
        pytest.skip("only root can mount")
    place = tmp_path / "workspace" / ".vespiary"
    prepare_parent(place)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=700", "none", str(place)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("mounting is not allowed")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def prepare_parent(place: Path) -> None:
    place.parent.mkdir()
    prepare(place)


@requirement("crash:disk-full")
@pytest.mark.parametrize("room", [350_000])
def test_a_real_disk_that_becomes_full_interrupts_the_run_and_with_space_again_it_ends_right(
    lives: Nest, reference: Reference, tmp_path: Path, small_disk: Path, room: int
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(24 * 1024 * 1024 - room))
    with Trial(lives, tmp_path) as trial:
        assert trial.live()
        told = trial.told()
        assert (told["outcome"], told["code"]) == ("interrupted", "journal.full"), told
        # Full still: said again, at once, and nothing is lost by it.
        assert trial.live()
        assert trial.told()["code"] == "journal.full"
        with trial.store() as store:
            assert store.check() == []
        ballast.unlink()
        assert trial.live()
        finish(trial, reference, Deaths())
