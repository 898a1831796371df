"""Time as the host sees it, injected so that tests and replays decide it."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of wall-clock time."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        ...


class SystemClock:
    """The system's clock."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()
