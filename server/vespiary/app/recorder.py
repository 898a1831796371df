"""Joins what the colony tells with what is kept of it. Knows both ends, and that there may be no journal."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vespiary.app.narrator import Narrator
from vespiary.app.run import Run
from vespiary.model.events import RunEvent
from vespiary.model.ids import RunId

if TYPE_CHECKING:
    from vespiary.app.chronicle import Chronicle
    from vespiary.app.options import Options
    from vespiary.app.pruning import Pruner
    from vespiary.app.sessions import Sessions
    from vespiary.journal.store import JournalStore


class Recorder:
    """`chronicle`, `sessions` and `pruner` are there while a journal is."""

    def __init__(
        self,
        narrator: Narrator,
        find: Callable[[RunId], Run | None],
        running: "Callable[[], list[Run]]",
        options: "Options",
    ) -> None:
        self.observer = narrator
        self.chronicle: Chronicle | None = None
        self.sessions: Sessions | None = None
        self.pruner: Pruner | None = None
        self._find = find
        self._running = running
        self._options = options

    def attach(self, store: "JournalStore") -> None:
        """A journal is open."""
        from vespiary.app.chronicle import Chronicle
        from vespiary.app.pruning import Pruner
        from vespiary.app.sessions import Sessions

        self.pruner = Pruner(store, self._options.clock.now)
        self.chronicle = Chronicle(store, self._find)
        self.sessions = Sessions(self.chronicle, self._options.source, self._running)
        self.observer.bury = self.chronicle.bury

    def detach(self) -> None:
        """The journal is closed."""
        self.chronicle = self.sessions = self.pruner = None
        self.observer.bury = None

    def hear(self, event: RunEvent) -> None:
        """Keep an event, where there is a journal."""
        if self.chronicle is not None:
            self.chronicle.hear(event)
