"""The requirements ledger: every behaviour that Vespiary promises has an id, a source and at least one test.

A file per area holds `REQUIREMENTS: dict[str, str]`, from `area:short-name` to one sentence ending with its source in brackets (an
issue point, a specification). A test claims behaviours with `@requirement("area:short-name", ...)`. `tests/test_ledger.py` fails
when a requirement has no test or a test claims one that does not exist.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

T = TypeVar("T", bound=Callable[..., Any])


def requirement(*ids: str) -> Callable[[T], T]:
    """Mark a test as the proof of these requirements."""
    mark = pytest.mark.requirement(*ids)

    def claim(test: T) -> T:
        return mark(test)

    return claim
