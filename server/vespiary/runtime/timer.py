"""The `timer` capability: waking up later. Its sleep and clock are injected, so that tests and replays decide how time passes."""

import json
import time
from collections.abc import Awaitable, Callable

import anyio

from vespiary.model.errors import RequestRefused
from vespiary.model.steps import Caller

MAX_MILLIS = 86_400_000


class Timer:
    """Answers `{}` after the wished time. `sleep` takes seconds, `now` gives nanoseconds since the epoch."""

    def __init__(
        self, sleep: Callable[[float], Awaitable[None]] = anyio.sleep, now: Callable[[], int] = time.time_ns
    ) -> None:
        self._sleep = sleep
        self._now = now

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Wait for `{"millis": n}`; more than a day is cut to a day. What passed before a crash counts."""
        left = min(_millis(payload), MAX_MILLIS) / 1000
        if caller.again and caller.asked:
            passed = (self._now() - caller.asked) / 1e9
            left = min(left, max(0.0, left - passed))  # a clock that was set back does not make it longer
        await self._sleep(left)
        return "{}"

    def repeatable(self, payload: str) -> bool:
        """Waiting again does no harm: it is for what is left."""
        return True


def _millis(payload: str) -> int:
    try:
        request = json.loads(payload)
        millis = request["millis"]
    except (ValueError, TypeError, KeyError):
        millis = None
    if not isinstance(millis, int) or isinstance(millis, bool) or millis < 0:
        raise RequestRefused(
            "A timer needs a number of milliseconds.", hint='Give {"millis": n} with a whole n from 0 to 86400000.'
        )
    return millis
