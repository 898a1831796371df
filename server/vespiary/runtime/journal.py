"""The seam at which the journal attaches: every step is committed here before any of its outputs takes effect.

Knows the order that durability needs. `MemoryJournal` keeps nothing beyond the process; a later one writes SQLite.
"""

from collections.abc import Sequence
from typing import Protocol

from vespiary.model.steps import StepInput, StepResult


class Journal(Protocol):
    """Commits steps. A batch is committed as one."""

    async def commit(self, steps: Sequence[tuple[StepInput, StepResult]]) -> None:
        """Make the steps durable. The caller lets their outputs take effect only after this returns.

        Called again while an earlier call waits, so that a journal can commit several batches as a group; commits keep the order
        of the calls, and outputs take effect in it. What this raises ends the runs whose steps it was given.
        """
        ...


class MemoryJournal:
    """Keeps nothing: a crash of the process loses its runs."""

    async def commit(self, steps: Sequence[tuple[StepInput, StepResult]]) -> None:
        """Accept the steps."""
