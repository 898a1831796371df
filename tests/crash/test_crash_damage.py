"""A journal that was cut short or changed while nobody had it open: the same result, or a clear error."""

import os
import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from ledger import requirement
from support.crashing import Nest, Reference, Trial

TRIES = int(os.environ.get("VESPIARY_DAMAGES", "12"))


@requirement("crash:damage")
@pytest.mark.timeout(3600)
def test_a_damaged_journal_gives_the_same_result_or_a_clear_error(
    lives: Nest, reference: Reference, tmp_path: Path
) -> None:
    source = random.Random(int(os.environ.get("VESPIARY_SEED", "5")))
    outcomes: Counter[str] = Counter()
    with Trial(lives, tmp_path) as trial:
        # Stopped, with all of it in the database, and killed, with most of it in the log.
        assert not trial.live(die=["after", reference.entries // 2])
        states = tmp_path / "state"
        shutil.copytree(trial.root, states)
        for number in range(TRIES):
            shutil.rmtree(trial.root)
            shutil.copytree(states, trial.root)
            what = _damage(trial.root / ".vespiary", source)
            trial.forget()
            assert trial.live(resume=True), what
            told = trial.told()
            outcomes[f"{what.split()[0]} {what.split()[1]}: {told['outcome']} {told['code']}"] += 1
            if told["outcome"] == "done":
                assert told["text"] == reference.ending.told["text"], (number, what)
                assert trial.files() == reference.ending.files, (number, what)
            else:
                assert told["code"].startswith("journal.") or told["code"] == "test.nothing", (number, what, told)
                if told["code"] == "test.nothing":
                    assert told["notices"], (number, what)
                else:
                    assert "journal" in told["message"]
    print("\nDamage:", dict(outcomes))


def _damage(folder: Path, source: random.Random) -> str:
    """Damage the journal at a random place; says how."""
    name = source.choice(
        [path.name for path in folder.glob("journal.db*") if path.suffix != ".db-shm" and path.stat().st_size]
    )
    path = folder / name
    data = bytearray(path.read_bytes())
    if source.random() < 0.3:
        size = source.randrange(len(data))
        path.write_bytes(bytes(data[:size]))
        return f"cut {name} to {size} of {len(data)}"
    at = source.randrange(len(data))
    data[at] ^= 1 << source.randrange(8)
    path.write_bytes(bytes(data))
    return f"flip {name} at {at} of {len(data)}"
