"""What the crash tests share: the process that forks lives, and what an undisturbed run comes to."""

import sys
from collections.abc import Iterator

import pytest
from support.crashing import Nest, Reference, nest, undisturbed


@pytest.fixture(scope="session")
def lives() -> Iterator[Nest]:
    """A process that forks lives."""
    if sys.platform == "win32":
        pytest.skip("there is no SIGKILL")
    with nest() as made:
        yield made


@pytest.fixture(scope="session")
def reference(lives: Nest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """What a run comes to that nobody kills."""
    return undisturbed(lives, tmp_path_factory.mktemp("reference"))
