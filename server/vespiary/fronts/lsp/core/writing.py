"""Sending without ever waiting: frames are gathered during one turn of the loop and leave in one write.

Knows frames and backpressure; does not know messages. A sink is what takes the bytes: an asyncio transport, or a thread for the
files that asyncio cannot watch. The loop is never blocked by a client that does not read; what is bounded is how much may wait.
"""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable
from typing import Protocol

from vespiary.fronts.lsp.core.framing import frame

HIGH_WATER = 1024 * 1024
"""Bytes waiting for the client above which `drain` waits."""
MAX_BACKLOG = 256 * 1024 * 1024
"""Bytes waiting for the client above which it is taken for dead."""


class Sink(Protocol):
    """Takes bytes in order, never blocks."""

    def write(self, data: bytes) -> None:
        """Take these bytes."""
        ...

    def backlog(self) -> int:
        """Bytes taken and not yet gone."""
        ...

    async def drain(self) -> None:
        """Wait until the backlog is small, or the client gone."""
        ...

    async def close(self) -> None:
        """Wait until everything is written or cannot be, and let go."""
        ...


class Writer:
    """The way out. `send` may be called from any thread; everything else on the loop's."""

    def __init__(self, sink: Sink, overrun: Callable[[], None]) -> None:
        self._sink = sink
        self._overrun = overrun
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._frames: list[bytes] = []
        self._closed = False

    def send(self, body: bytes) -> None:
        """Send a message's bytes after all that were sent before from the same thread. Nothing once closed."""
        if threading.get_ident() != self._thread:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self.send, body)
            return
        if self._closed:
            return
        if not self._frames:
            self._loop.call_soon(self._flush)
        self._frames.append(frame(body))

    def _flush(self) -> None:
        if not self._frames:
            return
        frames, self._frames = self._frames, []
        self._sink.write(frames[0] if len(frames) == 1 else b"".join(frames))
        if self._sink.backlog() > MAX_BACKLOG:
            self._overrun()

    async def drain(self) -> None:
        """Wait until the client has read most of what was sent. At once if it has, or is gone."""
        if self._sink.backlog() > HIGH_WATER:
            await self._sink.drain()

    async def close(self, timeout: float = 2.0) -> None:
        """Send what is left, for at most `timeout` seconds, and let go of the sink."""
        self._flush()
        self._closed = True
        with contextlib.suppress(TimeoutError):  # The client does not read; there is nobody to tell.
            await asyncio.wait_for(self._sink.close(), timeout)


class TransportSink(asyncio.Protocol):
    """An asyncio write transport. Also the protocol object of a pipe."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._transport: asyncio.WriteTransport | None = None
        self._ready = asyncio.Event()
        self._ready.set()
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio."""
        assert isinstance(transport, asyncio.WriteTransport)
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._transport = transport

    def pause_writing(self) -> None:
        """Part of asyncio."""
        self._ready.clear()

    def resume_writing(self) -> None:
        """Part of asyncio."""
        self._ready.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio."""
        self._ready.set()
        self._gone.set()
        self._lost()

    def write(self, data: bytes) -> None:
        """As `Sink`."""
        if self._transport is not None and not self._gone.is_set():
            self._transport.write(data)

    def backlog(self) -> int:
        """As `Sink`."""
        return 0 if self._transport is None or self._gone.is_set() else self._transport.get_write_buffer_size()

    async def drain(self) -> None:
        """As `Sink`."""
        await self._ready.wait()

    async def close(self) -> None:
        """As `Sink`."""
        if self._transport is not None:
            try:
                self._transport.close()
                await self._gone.wait()
            except asyncio.CancelledError:
                self._transport.abort()
                raise


class ThreadSink:
    """A thread of its own that writes blockingly: for files, terminals and Windows."""

    def __init__(self, fd: int, lost: Callable[[], None]) -> None:
        self._fd = fd
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._low = asyncio.Event()
        self._ended = asyncio.Event()
        threading.Thread(target=self._run, name="vespiary-stdout", daemon=True).start()

    def write(self, data: bytes) -> None:
        """As `Sink`."""
        with self._lock:
            self._waiting += len(data)
        self._queue.put(data)

    def backlog(self) -> int:
        """As `Sink`."""
        return self._waiting

    async def drain(self) -> None:
        """As `Sink`."""
        while self._waiting > HIGH_WATER and not self._ended.is_set():
            self._low.clear()
            await self._low.wait()

    async def close(self) -> None:
        """As `Sink`."""
        self._queue.put(None)
        await self._ended.wait()

    def _run(self) -> None:
        try:
            while (data := self._queue.get()) is not None:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._fd, rest[: 1024 * 1024]) :]
                with self._lock:
                    self._waiting -= len(data)
                if self._waiting <= HIGH_WATER:
                    self._call(self._low.set)
        except OSError:
            self._call(self._lost)
        finally:
            self._call(self._ended.set)
            self._call(self._low.set)

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed: nobody listens any more.
            self._loop.call_soon_threadsafe(function)
