"""Trying again: when, how often, and after what wait."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.providers.base import ChatMessage, ChatRequest, Finished, ProviderError, Retrying, StreamItem, Text
from vespiary.providers.openai_errors import retry_after
from vespiary.providers.retry import Backoff, RetryingProvider

REQUEST = ChatRequest((ChatMessage("user", "x"),))
BUSY = ProviderError("busy", retryable=True)


class Fails:
    """Gives one thing after the other: an item or a failure per call."""

    def __init__(self, *calls: Sequence[StreamItem | ProviderError]) -> None:
        self._calls = list(calls)
        self.attempts: list[int] = []
        self.closed = False

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamItem]:
        self.attempts.append(request.attempt)
        for item in self._calls.pop(0):
            if isinstance(item, ProviderError):
                raise item
            yield item

    async def aclose(self) -> None:
        self.closed = True


async def run(
    inner: Fails, backoff: Backoff | None = None
) -> tuple[list[StreamItem], list[float], ProviderError | None]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    provider = RetryingProvider(inner, backoff, sleep=sleep, source=random.Random(7))
    items: list[StreamItem] = []
    try:
        async for item in provider.stream(REQUEST):
            items.append(item)
    except ProviderError as error:
        return items, slept, error
    await provider.aclose()
    return items, slept, None


@pytest.mark.anyio
@requirement("providers:retry")
async def test_a_busy_endpoint_is_asked_again_until_it_answers() -> None:
    inner = Fails([BUSY], [BUSY], [Finished("stop")])
    items, slept, error = await run(inner)
    assert error is None
    assert inner.attempts == [1, 2, 3]
    assert [item.attempt for item in items if isinstance(item, Retrying)] == [2, 3]
    assert len(slept) == 2
    assert inner.closed


@pytest.mark.anyio
@requirement("providers:retry")
async def test_attempts_are_bounded_and_the_last_failure_says_so() -> None:
    inner = Fails(*[[BUSY]] * 3)
    _, slept, error = await run(inner, Backoff(attempts=3))
    assert len(slept) == 2
    assert "tried 3 times" in str(error)


@pytest.mark.anyio
async def test_what_cannot_help_is_not_tried_again() -> None:
    inner = Fails([ProviderError("no such model")])
    _, slept, error = await run(inner)
    assert (slept, str(error)) == ([], "no such model")


@pytest.mark.anyio
@requirement("providers:retry", "providers:cut")
async def test_a_stream_that_was_cut_begins_anew_and_says_that_its_first_part_is_void() -> None:
    items, _, error = await run(Fails([Text("half"), BUSY], [Text("whole"), Finished("stop")]))
    assert error is None
    assert [type(item) for item in items] == [Text, Retrying, Text, Finished]


@pytest.mark.anyio
@requirement("providers:retry")
async def test_the_endpoints_own_wait_is_kept_with_a_little_spread() -> None:
    _, slept, _ = await run(Fails([ProviderError("busy", retryable=True, retry_after=7)], [Finished("stop")]))
    assert 7 <= slept[0] <= 7.5


@pytest.mark.anyio
async def test_an_endpoint_that_asks_for_an_hour_is_not_waited_for() -> None:
    _, slept, error = await run(Fails([ProviderError("busy", retryable=True, retry_after=3600)]))
    assert slept == []
    assert "wait 3,600 seconds" in str(error)


@given(st.integers(1, 10_000), st.integers())
@requirement("providers:retry")
def test_waits_stay_within_their_bound(failed: int, seed: int) -> None:
    delay = Backoff().delay(failed, None, random.Random(seed))
    assert delay is not None
    assert 0 <= delay <= min(20, 0.5 * 2 ** min(failed - 1, 30))


NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT", "date": "Thu, 01 Jan 2026 12:00:20 GMT"}, 10),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
@requirement("providers:retry")
def test_the_wait_is_read_in_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@given(st.text())
def test_any_retry_after_is_a_wait_or_none(text: str) -> None:
    wait = retry_after({"retry-after": text}, NOW)
    assert wait is None or wait >= 0
