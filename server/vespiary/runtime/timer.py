"""The `timer` capability: waking up later. Its sleep is injected, so that tests and replays decide how time passes."""

import json
from collections.abc import Awaitable, Callable

import anyio

from vespiary.model.errors import RequestRefused
from vespiary.model.steps import Caller

MAX_MILLIS = 86_400_000


class Timer:
    """Answers `{}` after the wished time. `sleep` takes seconds."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self._sleep = sleep

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Wait for `{"millis": n}`; more than a day is cut to a day."""
        await self._sleep(min(_millis(payload), MAX_MILLIS) / 1000)
        return "{}"

    def repeatable(self, payload: str) -> bool:
        """Waiting again does no harm."""
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
