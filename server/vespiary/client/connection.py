"""JSON-RPC 2.0 over a pair of byte streams, framed as in the Language Server Protocol.

Knows requests, answers and notifications; does not know what any method means.
"""

import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream
from anyio.streams.buffered import BufferedByteReceiveStream

from vespiary.model.errors import VespiaryError

log = logging.getLogger(__name__)

Json = dict[str, Any]

METHOD_NOT_FOUND = -32601
INTERNAL_ERROR = -32603
HEADER_LIMIT = 64 * 1024
"""Bytes that the header of a message may have."""


class ConnectionClosed(VespiaryError):
    """The server ended while something was expected of it."""

    code = "connection.closed"


class ServerError(VespiaryError):
    """The server answered a request with an error. `number` is the JSON-RPC code; `code`, `message` and `hint` are the problem."""

    def __init__(self, error: Json) -> None:
        raw = error.get("data")
        data = cast(Json, raw) if isinstance(raw, dict) else {}
        super().__init__(
            str(data.get("message") or error.get("message") or "The server reported an error."),
            hint=data.get("hint"),
            code=str(data.get("code") or "server.error"),
        )
        self.number = int(error.get("code", 0))


class NoSuchMethod(Exception):
    """Raised by a request handler for a method that it does not know."""


class Connection:
    """One end of the wire. `on_request` answers the peer's requests, `on_notification` hears its notifications."""

    def __init__(
        self,
        receive: ByteReceiveStream,
        send: ByteSendStream,
        *,
        on_request: Callable[[str, Any], Awaitable[Any]],
        on_notification: Callable[[str, Any], None],
    ) -> None:
        self._receive = BufferedByteReceiveStream(receive)
        self._send = send
        self._on_request = on_request
        self._on_notification = on_notification
        self._sending = anyio.Lock()
        self._last_id = 0
        self._waiting: dict[int, _Slot] = {}
        self._closed = False

    async def run(self) -> None:
        """Read until the peer closes its side; everything still waited for then fails with `ConnectionClosed`."""
        try:
            while True:
                await self._dispatch(await self._read())
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError, anyio.BrokenResourceError):
            pass
        finally:
            self._closed = True
            for slot in self._waiting.values():
                slot.ready.set()

    async def request(self, method: str, params: object = None) -> Any:
        """Ask and wait for the result. Raises `ServerError` or `ConnectionClosed`; when cancelled, tells the server so."""
        self._last_id += 1
        number = self._last_id
        slot = self._waiting[number] = _Slot()
        try:
            await self._write({"id": number, "method": method, "params": params})
            await slot.ready.wait()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self.notify("$/cancelRequest", {"id": number})
            raise
        finally:
            del self._waiting[number]
        if slot.answer is None:
            raise ConnectionClosed(f"The server ended before it answered {method}.", hint="Its log has the details.")
        if "error" in slot.answer:
            raise ServerError(slot.answer["error"])
        return slot.answer.get("result")

    async def notify(self, method: str, params: object = None) -> None:
        """Tell the peer something. Raises `ConnectionClosed`."""
        await self._write({"method": method, "params": params})

    async def _dispatch(self, message: Json) -> None:
        if "method" not in message:
            slot = self._waiting.get(message.get("id", 0))
            if slot is not None:
                slot.answer = message
                slot.ready.set()
        elif "id" in message:
            await self._answer(message)
        else:
            self._on_notification(message["method"], message.get("params"))

    async def _answer(self, message: Json) -> None:
        method: str = message["method"]
        try:
            reply = {"result": await self._on_request(method, message.get("params"))}
        except NoSuchMethod:
            reply = {"error": {"code": METHOD_NOT_FOUND, "message": f"{method} is not supported."}}
        except Exception as error:  # the boundary of a request
            log.exception("Answering %s failed", method)
            reply = {"error": {"code": INTERNAL_ERROR, "message": str(error)}}
        with contextlib.suppress(ConnectionClosed):  # Reading finds the end, and tells whoever waits.
            await self._write({"id": message["id"], **reply})

    async def _read(self) -> Json:
        header = await self._receive.receive_until(b"\r\n\r\n", HEADER_LIMIT)
        for line in header.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length":
                return json.loads(await self._receive.receive_exactly(int(value)))
        raise anyio.EndOfStream

    async def _write(self, message: Json) -> None:
        # `params: null` is not allowed; a method without parameters has none.
        message = {key: value for key, value in message.items() if key != "params" or value is not None}
        body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if self._closed:
            raise ConnectionClosed("The server has ended.")
        async with self._sending:
            try:
                await self._send.send(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
                raise ConnectionClosed("The server has ended.") from error


class _Slot:
    """Where the answer to one request arrives."""

    __slots__ = ("answer", "ready")

    def __init__(self) -> None:
        self.ready = anyio.Event()
        self.answer: Json | None = None
