"""A provider for every endpoint that speaks the OpenAI chat format: OpenAI, Ollama, OpenRouter, vLLM, llama.cpp and others.

Knows how a call is made and how its connection fails. The wire format is in `openai_request` and `openai_reply`, which are pure.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import anyio

from vespiary.providers.base import ChatRequest, ProviderError, Reasoning, StreamItem, Text
from vespiary.providers.connections import Connections
from vespiary.providers.openai_errors import CHECK_URL, not_a_reply, status_error
from vespiary.providers.openai_reply import ReplyReader, whole_reply
from vespiary.providers.openai_request import Endpoint, Sampling, dialect_of, encode, normal_base_url
from vespiary.providers.sse import EventParser, EventTooLong

if TYPE_CHECKING:
    import httpx2

__all__ = ["Endpoint", "OpenAIProvider", "Sampling"]

MAX_ERROR_BYTES = 64 * 1024
MAX_REPLY_BYTES = 64 * 1024 * 1024
"""No model says so much; a server that sends more is not one."""

AFTER_REASON_S = 5.0
"""How long the usage may lag behind the end of a reply, in seconds. Some servers leave the connection open and say nothing."""

AFTER_DONE_S = 0.25
"""How long the end of the body may lag behind `[DONE]`: only a body that was read to its end leaves a connection to use again."""

REPHRASED = 2
"""How often a request is worded anew for an endpoint that does not know one of its fields."""

_EVENT_BEGINS = (b"d", b":", b"e", b"i", b"r")
"""The first letters of what may begin an event stream: `data`, a comment, `event`, `id`, `retry`."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OpenAIProvider:
    """One model at one endpoint. Connections are made when first needed and kept until `aclose`."""

    def __init__(self, endpoint: Endpoint, sampling: Sampling | None = None) -> None:
        self._endpoint = endpoint
        self._sampling = sampling or Sampling()
        base_url = normal_base_url(endpoint.base_url)
        self._url = f"{base_url}/chat/completions"
        self._dialect = dialect_of(base_url)
        parts = urlsplit(base_url)
        self._where = parts.hostname or "" if parts.port is None else f"{parts.hostname}:{parts.port}"
        self._connections = Connections(
            secure=parts.scheme == "https",
            timeout_s=endpoint.timeout_s,
            limit=endpoint.max_concurrency,
            # A proxy of the environment is for the outside; what lives on this machine is asked directly.
            proxies=parts.hostname not in _LOOPBACK,
        )

    async def stream(self, request: ChatRequest) -> AsyncIterator[StreamItem]:
        """One call, streamed. Raises `ProviderError`. Closing the iterator closes the connection."""
        async with self._connections.lend() as client:
            import httpx2

            try:
                for attempt in range(REPHRASED + 1):
                    body = encode(request, self._endpoint, self._sampling, self._dialect)
                    async with client.stream(
                        "POST", self._url, content=_dump(body), headers=self._headers()
                    ) as response:
                        if response.status_code == 200:
                            async with aclosing(_reply(response, request)) as items:
                                async for item in items:
                                    yield item
                            return
                        complaint = await _beginning(response)
                    if attempt == REPHRASED or not self._rephrase(response.status_code, body, complaint):
                        raise status_error(
                            response.status_code,
                            response.headers,
                            complaint,
                            where=self._where,
                            secret=self._endpoint.api_key,
                        )
            except httpx2.TimeoutException as error:
                raise self._timed_out(connecting=isinstance(error, httpx2.ConnectTimeout)) from None
            except httpx2.ConnectError as error:
                raise self._unreachable(str(error)) from None
            except (httpx2.TransportError, httpx2.DecodingError, anyio.BrokenResourceError) as error:
                raise self._lost(error) from None
            except EventTooLong:
                raise ProviderError("The model endpoint sent an event without an end.", hint=CHECK_URL) from None

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    def _lost(self, error: Exception) -> ProviderError:
        why = str(error)
        # A complaint about a header repeats the header.
        return _lost("" if self._endpoint.api_key and self._endpoint.api_key in why else why)

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "text/event-stream", "user-agent": "vespiary"}
        if self._endpoint.api_key:
            headers["authorization"] = f"Bearer {self._endpoint.api_key}"
        return headers

    def _rephrase(self, status: int, body: dict[str, Any], complaint: bytes) -> bool:
        return status in (400, 422) and self._dialect.adapt(body, complaint.decode("utf-8", "replace"))

    def _timed_out(self, *, connecting: bool) -> ProviderError:
        if connecting:
            return self._unreachable("it took too long")
        return ProviderError(
            f"The model endpoint was silent for {self._endpoint.timeout_s:g} seconds.",
            hint="Raise timeout_s of the model if it needs longer.",
            code="provider.timeout",
            retryable=True,
        )

    def _unreachable(self, why: str) -> ProviderError:
        parts = urlsplit(self._url)
        hint = (
            "Is the server running? Check base_url."
            if parts.hostname in _LOOPBACK
            else "Check the network and base_url."
        )
        reason = f" ({why})" if why else ""
        return ProviderError(
            f"The model endpoint {self._where} cannot be reached{reason}.",
            hint=hint,
            code="provider.unreachable",
            retryable=True,
        )


def _dump(body: dict[str, Any]) -> bytes:
    # Lone surrogates, which models do produce, have no UTF-8 form; the escapes of ASCII JSON carry them.
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _lost(why: str) -> ProviderError:
    reason = f" ({why})" if why else ""
    return ProviderError(f"The connection to the model was lost{reason}.", code="provider.cut", retryable=True)


async def _beginning(response: "httpx2.Response") -> bytes:
    """As much of a body as an error message needs."""
    found = bytearray()
    async for piece in response.aiter_bytes():
        found += piece
        if len(found) > MAX_ERROR_BYTES:
            break
    return bytes(found[:MAX_ERROR_BYTES])


async def _reply(response: "httpx2.Response", request: ChatRequest) -> AsyncGenerator[StreamItem]:
    """The items of a reply with status 200, whatever its content type claims it to be."""
    reader = ReplyReader(request.tools, turn=len(request.messages))
    events: _Events | None = None
    beginning = bytearray()
    total = 0

    def patience() -> float | None:
        if events is not None and events.done:
            return AFTER_DONE_S
        return AFTER_REASON_S if reader.ended else None

    async with aclosing(_pieces(response, patience)) as pieces:
        async for piece in pieces:
            total += len(piece)
            if total > MAX_REPLY_BYTES:
                raise ProviderError("The model endpoint sent a reply without an end.", hint=CHECK_URL)
            if events is not None:
                more = piece
            else:
                beginning += piece
                bare = beginning.lstrip(b"\xef\xbb\xbf \t\r\n")
                if bytes(bare[:1]) not in _EVENT_BEGINS:
                    continue
                events, more = _Events(reader), bytes(beginning)
            for item in _merged(events.feed(more)):
                yield item
    if events is None:
        for item in _unstreamed(bytes(beginning), response.headers.get("content-type", ""), reader):
            yield item
        return
    for item in _merged(events.end()):
        yield item


async def _pieces(response: "httpx2.Response", patience: Callable[[], float | None]) -> AsyncGenerator[bytes]:
    """The bytes of a body as they come. Once there is a bound to the patience, a failure or a longer silence is only the end."""
    import httpx2

    pieces = response.aiter_bytes()
    while True:
        piece: bytes | None = None
        try:
            # No `yield` may stand within the scope.
            with anyio.move_on_after(patience()):
                piece = await anext(pieces, None)
        except httpx2.TransportError:
            if patience() is None:
                raise
        if piece is None:
            return
        yield piece


class _Events:
    """The events of one stream, read as they come."""

    def __init__(self, reader: ReplyReader) -> None:
        self._reader = reader
        self._parser = EventParser()
        self._begins = b""
        self._events = 0
        self.done = False

    def feed(self, piece: bytes) -> Iterator[StreamItem]:
        """The items that these bytes completed."""
        if self.done:
            return
        self._begins = self._begins or piece[:200]
        yield from self._read(self._parser.feed(piece))

    def end(self) -> Iterator[StreamItem]:
        """The items that remain. Raises `ProviderError` when the reply has no end."""
        if not self.done:
            yield from self._read(self._parser.end())
        if not self.done and not self._reader.ended:
            if not self._events and self._begins:
                raise not_a_reply("", self._begins)
            raise _lost("the reply has no end")
        if not self._reader.spoke:
            raise ProviderError("The model endpoint sent an empty reply.", code="provider.cut", retryable=True)
        yield from self._reader.end()

    def _read(self, events: Iterable[str]) -> Iterator[StreamItem]:
        for data in events:
            if self.done:
                return
            text = data.strip()
            if text == "[DONE]":
                self.done = True
                return
            if not text:
                continue
            self._events += 1
            try:
                chunk: Any = json.loads(text)
            except (ValueError, RecursionError):
                if self._reader.ended:
                    # Half an event, perhaps: the reply itself is there.
                    return
                # One unreadable event would be a hole in the reply: arguments with a hole may still be valid JSON.
                raise not_a_reply("", text[:200].encode()) from None
            yield from self._reader.read(chunk)


def _unstreamed(body: bytes, content_type: str, reader: ReplyReader) -> Iterator[StreamItem]:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        if not body.strip():
            raise ProviderError(
                "The model endpoint sent an empty reply.", code="provider.cut", retryable=True
            ) from None
        raise not_a_reply(content_type, body[:200]) from None
    yield from whole_reply(cast("object", value), reader)


def _merged(items: Iterable[StreamItem]) -> Iterator[StreamItem]:
    """Texts that arrived together as one: a fast model sends a token per event, and each delta has a cost for all who listen."""
    last: Text | Reasoning | None = None
    for item in items:
        if last is not None and type(item) is type(last):
            assert isinstance(item, Text | Reasoning)
            last = type(last)(last.text + item.text)
            continue
        if last is not None:
            yield last
        last = item if isinstance(item, Text | Reasoning) else None
        if last is None:
            yield item
    if last is not None:
        yield last
