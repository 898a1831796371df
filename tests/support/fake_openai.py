"""A real HTTP server on loopback that speaks the OpenAI chat format, as scripted by a test.

It streams in pieces of any size, is late, refuses, lies and hangs up on command. It records what it was asked, and sees a client
leave in the middle of a reply. Use it within a loop (`async with FakeOpenAI(...) as server`) or from plain code (the same, `with`),
where it runs in a thread of its own. One asyncio protocol object per connection: 600 streams at once are no trouble.
"""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

import anyio
import anyio.to_thread

Json = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[tuple[str, Json | str]] = ()
    """Name and arguments; a string is sent as it is."""
    latency: float | None = None
    """Seconds before the first byte; none means the server's own."""
    pieces: int = 8
    """Characters of a delta."""
    split: int | None = None
    """Bytes of a write, headers excepted; none writes the whole reply at once."""
    pause: float = 0.0
    """Seconds between two writes."""
    usage: Json | None = field(default_factory=lambda: {"prompt_tokens": 11, "completion_tokens": 7})
    finish: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    """The whole body, in place of everything above."""
    events: Sequence[str] | None = None
    """The data of the events, in place of text, reasoning and tool calls. Nothing is added, not even `[DONE]`."""
    then: Literal["end", "cut", "hang"] = "end"
    """`cut` closes the connection before the reply's last quarter; `hang` sends that much, then nothing until the client leaves."""


def say(text: str, **more: Any) -> Reply:
    """A reply of plain text."""
    return Reply(text=text, **more)


def call(name: str, arguments: Json | str | None = None, **more: Any) -> Reply:
    """A reply that calls one tool."""
    return Reply(tool_calls=[(name, arguments if arguments is not None else {})], **more)


def fail(
    status: int, message: str = "scripted failure", *, retry_after: str | float | None = None, **more: Any
) -> Reply:
    """An error, as the API words it."""
    headers = {"content-type": "application/json"} | ({} if retry_after is None else {"retry-after": str(retry_after)})
    body = json.dumps({"error": {"message": message, "type": "fake", "code": more.pop("code", None)}}).encode()
    return Reply(status=status, headers=headers, body=body, **more)


def cut(text: str = "This will never be said in full.", **more: Any) -> Reply:
    """A stream that ends in the middle."""
    return Reply(text=text, then="cut", **more)


def hang(text: str = "This will never be said in full.", **more: Any) -> Reply:
    """A stream that stops in the middle and waits for the client to leave."""
    return Reply(text=text, then="hang", **more)


def garbage(body: bytes = b"<html><body>It works!</body></html>", content_type: str = "text/html") -> Reply:
    """Something that is no reply at all."""
    return Reply(headers={"content-type": content_type}, body=body)


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json
    at: float
    """Seconds on the monotonic clock."""

    @property
    def messages(self) -> list[Json]:
        """The conversation."""
        return self.body.get("messages", [])


Answers = Iterable[Reply] | Callable[[Asked], Reply]


class FakeOpenAI:
    """The server. `answers` is a queue of replies, or decides each from the request. `latency` is in seconds."""

    def __init__(self, answers: Answers = (), *, latency: float = 0.0) -> None:
        self._queue: deque[Reply] = deque() if callable(answers) else deque(answers)
        self._decide = answers if callable(answers) else self._next
        self.latency = latency
        self.requests: list[Asked] = []
        self.disconnects = 0
        """Clients that left in the middle of a reply."""
        self.answered = 0
        """Replies that were sent to their end."""
        self.completed: list[tuple[Asked, float]] = []
        """What was answered to its end, and when (seconds on the monotonic clock)."""
        self.connections = 0
        """Connections that were ever opened."""
        self.open = 0
        """Connections that are open."""
        self.port = 0
        self._changed = threading.Condition()
        self._server: asyncio.Server | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._live: set[_Connection] = set()

    @property
    def base_url(self) -> str:
        """What belongs into `base_url` of a model."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def calls(self) -> int:
        """Requests so far."""
        return len(self.requests)

    def toml(self, name: str = "default", **more: Any) -> str:
        """A model for `vespiary.toml` that lives here."""
        keys: Json = {"provider": "openai", "base_url": self.base_url, "model": "fake", **more}
        return f"[models.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())

    def add(self, *replies: Reply) -> None:
        """Queue further replies."""
        self._queue.extend(replies)

    def wait_for(self, holds: Callable[["FakeOpenAI"], bool], timeout: float = 10) -> None:
        """Wait, blocking, until the condition holds. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: holds(self), timeout):
                raise TimeoutError(f"the fake server saw {self.calls} requests and {self.disconnects} disconnects")

    async def until(self, holds: Callable[["FakeOpenAI"], bool], timeout: float = 10) -> None:
        """Wait until the condition holds. Raises `TimeoutError`."""
        await anyio.to_thread.run_sync(self.wait_for, holds, timeout)

    # How it runs

    async def __aenter__(self) -> "FakeOpenAI":
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._close()

    def __enter__(self) -> "FakeOpenAI":
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="fake-openai", daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self, ready: threading.Event) -> None:
        loop = self._loop = asyncio.new_event_loop()
        loop.run_until_complete(self._listen())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(self._close())
        loop.close()

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._live):
            await connection.abort()
        await self._server.wait_closed()

    # What connections report

    def _next(self, asked: Asked) -> Reply:
        return self._queue.popleft() if self._queue else fail(400, "the fake server has no reply left")

    def _asked(self, asked: Asked) -> Reply:
        with self._changed:
            self.requests.append(asked)
            self._changed.notify_all()
        return self._decide(asked)

    def _count(self, connections: int = 0, disconnects: int = 0, answered: int = 0) -> None:
        with self._changed:
            self.connections += max(0, connections)
            self.open += connections
            self.disconnects += disconnects
            self.answered += answered
            self._changed.notify_all()


class _Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, server: FakeOpenAI) -> None:
        self._server = server
        self._buffer = bytearray()
        self._reply: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server._live.add(self)
        self._server._count(connections=1)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if not separator or self._reply is not None:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        del self._buffer[: len(head) + 4 + length]
        method, path, _ = first.split(" ", 2)
        body: Json = json.loads(rest[:length]) if length else {}
        asked = Asked(method, path, headers, body, time.monotonic())
        self._reply = asyncio.get_running_loop().create_task(self._answer(asked, self._server._asked(asked)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._server._live.discard(self)
        left = self._reply is not None and not self._reply.done()
        if left:
            assert self._reply is not None
            self._reply.cancel()
        self._server._count(connections=-1, disconnects=left)

    async def abort(self) -> None:
        """End at once, because the test is over."""
        if self._reply is not None:
            self._reply.cancel()
        if self._transport is not None:
            self._transport.abort()
        await asyncio.sleep(0)

    async def _answer(self, asked: Asked, reply: Reply) -> None:
        transport = self._transport
        assert transport is not None
        latency = self._server.latency if reply.latency is None else reply.latency
        if latency:
            await asyncio.sleep(latency)
        whole = body_of(reply, asked)
        chunked = reply.body is None
        transport.write(_head(reply, None if chunked else len(whole)))
        sent = whole if reply.then == "end" else whole[: max(1, len(whole) * 3 // 4)]
        step = reply.split or len(sent) or 1
        for start in range(0, len(sent), step):
            piece = sent[start : start + step]
            transport.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            if reply.split:
                await asyncio.sleep(reply.pause)
        if reply.then == "hang":
            await asyncio.get_running_loop().create_future()
        if reply.then == "cut":
            self._reply = None
            transport.close()
            return
        if chunked:
            transport.write(b"0\r\n\r\n")
        self._reply = None
        self._server.completed.append((asked, time.monotonic()))
        self._server._count(answered=1)


def _head(reply: Reply, length: int | None) -> bytes:
    headers = {"content-type": "text/event-stream"} | {name.lower(): value for name, value in reply.headers.items()}
    headers |= {"transfer-encoding": "chunked"} if length is None else {"content-length": str(length)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} Fake\r\n{lines}\r\n".encode("latin-1")


def body_of(reply: Reply, asked: Asked) -> bytes:
    """The bytes of the body."""
    if reply.body is not None:
        return reply.body
    if reply.events is not None:
        return "".join(f"data: {event}\n\n" for event in reply.events).encode()
    base = {"id": "chatcmpl-fake", "object": "chat.completion.chunk", "model": asked.body.get("model", "fake")}
    events = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in _deltas(reply, len(asked.messages))
    ]
    finish = reply.finish or ("tool_calls" if reply.tool_calls else "stop")
    events.append({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if reply.usage is not None and asked.body.get("stream_options", {}).get("include_usage"):
        events.append({**base, "choices": [], "usage": reply.usage})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode() + b"data: [DONE]\n\n"


def _deltas(reply: Reply, turn: int) -> list[Json]:
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in _pieces(reply.reasoning, reply.pieces)]
    deltas += [{"content": piece} for piece in _pieces(reply.text, reply.pieces)]
    for index, (name, arguments) in enumerate(reply.tool_calls):
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function: Json = {"name": name, "arguments": ""}
        deltas.append(
            {"tool_calls": [{"index": index, "id": f"call_{turn}_{index}", "type": "function", "function": function}]}
        )
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in _pieces(text, reply.pieces)
        ]
    return deltas


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
