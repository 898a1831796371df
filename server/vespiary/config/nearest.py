"""Did you mean: the nearest of the names that there are. Pure."""

import difflib
from collections.abc import Iterable
from itertools import islice

_NAMES, _LONGEST = 200, 100
"""How many names are looked at, and how much of a wrong one: comparing costs, and files of others are read too."""


def did_you_mean(wrong: str, names: Iterable[str]) -> str | None:
    """A sentence that offers the nearest name; none when nothing is near."""
    near = difflib.get_close_matches(wrong[:_LONGEST].lower(), list(islice(names, _NAMES)), n=1, cutoff=0.6)
    return f"Did you mean `{near[0]}`?" if near else None
