"""What the server asks of the client: requests in flight, their answers, their bounds. Knows ids; does not know bytes.

Nothing stays behind: an entry leaves with its answer, with the cancellation of whoever waits, or with the client.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, cast

from vespiary.fronts.lsp.core.errors import ClientGone
from vespiary.fronts.lsp.core.upstream import JsonRpcException, types

IN_FLIGHT = 64
"""Requests of one method that wait for the client at once; per method, so that a question to a person holds up no edit."""

AnyFuture = Future[Any] | asyncio.Future[Any]


class Outgoing:
    """`send` takes a message; `drain` waits until the client has read most of what was sent."""

    def __init__(self, send: Callable[[dict[str, Any]], None], drain: Callable[[], Awaitable[None]]) -> None:
        self._send = send
        self._drain = drain
        self._ids = itertools.count(1)
        self._waiting: dict[int | str, AnyFuture] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._gone = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def request(self, method: str, params: Any = None) -> Any:
        """Ask and wait for the answer. Raises `ClientGone` and `JsonRpcException`."""
        slots = self._slots.get(method)
        if slots is None:
            slots = self._slots[method] = asyncio.Semaphore(IN_FLIGHT)
        async with slots:
            await self._drain()
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            request_id = self.begin(method, params, future)
            try:
                return await future
            except asyncio.CancelledError:
                if self._waiting.pop(request_id, None) is not None and not self._gone:
                    self._send({"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": request_id}})
                raise

    def begin(self, method: str, params: Any, future: AnyFuture, request_id: int | str | None = None) -> int | str:
        """Send a request whose answer goes to `future`. Raises `ClientGone`, or what the encoder raises."""
        if self._gone:
            raise ClientGone()
        if request_id is None:
            request_id = next(self._ids)
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
        if params is not None:
            message["params"] = params
        self._waiting[request_id] = future
        try:
            self._send(message)
        except BaseException:
            del self._waiting[request_id]
            raise
        return request_id

    def resolve(self, message: dict[str, Any]) -> bool:
        """Take an answer. False if nobody waits for it (any more)."""
        request_id = message.get("id")
        future = self._waiting.pop(request_id, None) if isinstance(request_id, int | str) else None
        if future is None:
            return False
        if future.done():
            return True
        error = message.get("error")
        if error is None:
            future.set_result(message.get("result"))
            return True
        fields = cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": str(error)}
        code, text = fields.get("code"), fields.get("message")
        future.set_exception(
            JsonRpcException.from_error(
                types.ResponseError(
                    code=code if isinstance(code, int) else -32001,
                    message=text if isinstance(text, str) else "The editor answered with an error.",
                    data=fields.get("data"),
                )
            )
        )
        return True

    def close(self) -> None:
        """The client is gone: whoever waits is told."""
        self._gone = True
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(ClientGone())
                if isinstance(future, asyncio.Future):
                    future.exception()  # Whoever waits gets it; a future that nobody awaits any more is not worth a warning.
