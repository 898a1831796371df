"""Trying a model call again: exponential backoff with full jitter, and the endpoint's own wish where it states one.

Decides when and whether, from what the provider says of its failure (`retryable`, `retry_after`). Knows no wire format.

A stream that was cut is begun anew even after it gave something: what it gave cannot be continued, since a model does not say the
same twice. So `Retrying` tells the consumer that everything so far is void. Nothing has happened on account of it: tool calls take
effect only once the whole reply is there.
"""

import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

import anyio

from vespiary.providers.base import ChatRequest, Provider, ProviderError, Retrying, StreamItem


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait, in seconds, and how often to try."""

    attempts: int = 5
    base: float = 0.5
    """Upper bound of the first wait; it doubles with each further one."""
    cap: float = 20.0
    """Upper bound of every wait that the endpoint did not ask for."""
    longest: float = 120.0
    """An endpoint that asks for a longer wait is not waited for: the call fails and says so."""

    def delay(self, failed: int, retry_after: float | None, source: random.Random) -> float | None:
        """The wait after `failed` tries; none when waiting is pointless."""
        if retry_after is None:
            return source.uniform(0, min(self.cap, self.base * 2 ** min(failed - 1, 30)))
        if retry_after > self.longest:
            return None
        # All clients were told the same moment: spread them a little behind it.
        return max(0.0, retry_after) + source.uniform(0, self.base)


class RetryingProvider:
    """A provider whose failures are tried again where that can help."""

    def __init__(
        self,
        inner: Provider,
        backoff: Backoff | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        source: random.Random | None = None,
    ) -> None:
        self._inner = inner
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._source = source or random.Random()

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamItem]:
        """One call, tried up to `attempts` times. Raises the last `ProviderError`."""
        attempt = request.attempt
        while True:
            failure: ProviderError
            try:
                stream = self._inner.stream(replace(request, attempt=attempt))
                async with aclosing(cast("AsyncGenerator[StreamItem]", stream)):
                    async for item in stream:
                        yield item
                return
            except ProviderError as error:
                failure = error
            if not failure.retryable or attempt >= self._backoff.attempts:
                raise _given_up(failure, attempt)
            delay = self._backoff.delay(attempt, failure.retry_after, self._source)
            if delay is None:
                raise _too_long(failure)
            attempt += 1
            yield Retrying(attempt, delay, failure.message)
            await self._sleep(delay)

    async def aclose(self) -> None:
        """Release what the inner provider holds."""
        await self._inner.aclose()


def _given_up(failure: ProviderError, attempts: int) -> ProviderError:
    if attempts == 1:
        return failure
    return ProviderError(
        f"{failure.message.removesuffix('.')} (tried {attempts} times).",
        hint=failure.hint,
        code=failure.code,
        retryable=failure.retryable,
        retry_after=failure.retry_after,
    )


def _too_long(failure: ProviderError) -> ProviderError:
    wait = failure.retry_after or 0
    return ProviderError(
        f"{failure.message} The endpoint asks to wait {wait:,.0f} seconds.",
        hint="Try again later, or choose another model.",
        code=failure.code,
        retryable=True,
        retry_after=failure.retry_after,
    )
