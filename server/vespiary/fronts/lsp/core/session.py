"""One connection from its first byte to its end: bytes to the protocol, tasks in a group, a code at the end.

Knows when a connection is over and in which order things are put away. Does not know what kind of transport it is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio

from vespiary.fronts.lsp.core.errors import ClientGone
from vespiary.fronts.lsp.core.framing import Framer, FramingError
from vespiary.fronts.lsp.core.protocol import cancel_soon
from vespiary.fronts.lsp.core.server import Server
from vespiary.fronts.lsp.core.writing import Sink, Writer

logger = logging.getLogger("vespiary.lsp")


class Session:
    """Hand it the bytes that come (`data`) and the news that none will come (`eof`)."""

    def __init__(self, server: Server, *, strict: bool = False, ended: Callable[[int], None] | None = None) -> None:
        self.server = server
        self._ended = ended
        self._framer = Framer(strict=strict)
        self._early: list[bytes] | None = []  # What comes before the way back is there.

    def data(self, data: bytes) -> None:
        """Bytes from the client. Never raises."""
        if self._early is not None:
            self._early.append(data)
            return
        protocol = self.server.protocol
        for item in self._framer.feed(data):
            if protocol.life.ended.is_set():
                return
            protocol.receive(item)
            if isinstance(item, FramingError) and item.fatal:
                self.eof()

    def eof(self) -> None:
        """The client is gone, or is not worth listening to."""
        self.server.protocol.life.end()

    async def run(self, connect: Callable[["Session"], Awaitable[Sink]]) -> int:
        """Serve until the end; gives the exit code. `connect` starts the flow of bytes and gives the way back."""
        server, protocol = self.server, self.server.protocol
        async with anyio.create_task_group() as tasks:
            server.tasks = tasks
            sink = await connect(self)
            protocol.out = writer = Writer(sink, self._overrun)
            early, self._early = self._early or [], None
            for data in early:
                self.data(data)
            try:
                await protocol.life.ended.wait()
                if protocol.life.shutting_down is not None:
                    await asyncio.wait([protocol.life.shutting_down])
            finally:
                with anyio.CancelScope(shield=True):
                    await self._close(writer)
                if self._ended is not None:
                    self._ended(protocol.life.exit_code)
                tasks.cancel_scope.cancel()
        return protocol.life.exit_code

    async def _close(self, writer: Writer) -> None:
        protocol = self.server.protocol
        running = list(protocol.running.values())
        for task in running:
            cancel_soon(task)
        protocol.outgoing.close()
        if running:
            await asyncio.wait(running, timeout=2.0)
        await writer.close()
        protocol.out = None

    def _overrun(self) -> None:
        logger.error("%s It has not read 256 MiB.", ClientGone())
        self.eof()
