"""A process that is killed at any moment: its run is carried on to exactly what it would have come to."""

from pathlib import Path

from ledger import requirement
from support.crashing import Deaths, Nest, Reference, Trial, finish

SHARES = 4
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
