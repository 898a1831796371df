"""The connection over TCP: one server object per client, on loopback only unless told otherwise.

A loopback port is open to every program of the machine, and to every web page through its browser; hence the strict reading of
headers, which refuses HTTP before anything of it is understood. Knows sockets; does not know what is served.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable

import anyio

from vespiary.fronts.lsp.core.server import Server
from vespiary.fronts.lsp.core.session import Session
from vespiary.fronts.lsp.core.watch import when_told_to_go
from vespiary.fronts.lsp.core.writing import Sink, TransportSink
from vespiary.model.errors import UsageError

logger = logging.getLogger("vespiary.lsp")


async def serve_tcp(
    host: str,
    port: int,
    make_server: Callable[[], Server],
    *,
    allow_remote: bool = False,
    ready: Callable[[str, int], None] | None = None,
    stop_on_signals: bool = False,
) -> None:
    """Serve clients until cancelled. `ready` is told the address and port (0 asks for a free one).

    Raises `UsageError` for an address that is not loopback, unless `allow_remote`, and for one that cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    family, address = await _resolve(host, port)
    if not allow_remote and not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
        raise UsageError(
            f"{host or 'every interface'} can be reached from other machines, and whoever connects may run agents here.",
            hint="Use 127.0.0.1, or allow remote clients explicitly.",
        )
    try:
        bound = socket.create_server(address, family=family)
    except OSError as error:
        raise UsageError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
    async with anyio.create_task_group() as tasks:

        def connected() -> asyncio.Protocol:
            return _Connection(lambda connection: tasks.start_soon(_serve, make_server, connection))

        listener = await loop.create_server(connected, sock=bound)
        if stop_on_signals:
            when_told_to_go(tasks.cancel_scope.cancel)
        try:
            if ready is not None:
                name = listener.sockets[0].getsockname()
                ready(name[0], name[1])
            await anyio.sleep_forever()
        finally:
            listener.close()


async def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise UsageError(f"There is no address {host}: {error.strerror or error}.") from error
    family, _, _, _, address = found[0]
    return family, (str(address[0]), port)


async def _serve(make_server: Callable[[], Server], connection: "_Connection") -> None:
    """One client. Its end, good or bad, is nobody else's business."""
    try:
        session = Session(make_server(), strict=True)
        await session.run(connection.attach)
    except Exception:
        logger.exception("A connection failed")
    finally:
        connection.abort()


class _Connection(TransportSink):
    def __init__(self, begun: Callable[["_Connection"], object]) -> None:
        super().__init__(self._left)
        self._begun = begun
        self._session: Session | None = None
        self._early: list[bytes] = []

    async def attach(self, session: Session) -> Sink:
        self._session = session
        for data in self._early:
            session.data(data)
        self._early.clear()
        if self._gone.is_set():
            session.eof()
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._begun(self)

    def data_received(self, data: bytes) -> None:
        if self._session is None:
            self._early.append(data)
        else:
            self._session.data(data)

    def eof_received(self) -> None:
        self._left()

    def abort(self) -> None:
        if self._transport is not None:
            with contextlib.suppress(RuntimeError):
                self._transport.abort()

    def _left(self) -> None:
        if self._session is not None:
            self._session.eof()
