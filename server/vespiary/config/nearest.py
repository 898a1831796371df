"""Did you mean: the nearest of the names that there are. Pure."""

import difflib
from collections.abc import Iterable


def did_you_mean(wrong: str, names: Iterable[str]) -> str | None:
    """A sentence that offers the nearest name; none when nothing is near."""
    near = difflib.get_close_matches(wrong.lower(), list(names), n=1, cutoff=0.6)
    return f"Did you mean `{near[0]}`?" if near else None
