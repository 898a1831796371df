"""The way of a message: which handler it goes to, when it may, and that every request gets exactly one answer.

A pygls protocol whose message path is its own: one JSON parse, one structuring, no pass over nested dicts. pygls still provides the
registry of handlers, the capabilities and its handlers of LSP's own methods. Knows messages as plain data; does not know bytes'
origin, agents or documents' use.
"""

import asyncio
import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from vespiary.fronts.lsp.core import errors
from vespiary.fronts.lsp.core.calls import Caller, error_of
from vespiary.fronts.lsp.core.codec import Encoder, decode
from vespiary.fronts.lsp.core.errors import ClientGone, Rejected, error_body
from vespiary.fronts.lsp.core.framing import FramingError
from vespiary.fronts.lsp.core.lifecycle import Lifecycle, State
from vespiary.fronts.lsp.core.outgoing import Outgoing
from vespiary.fronts.lsp.core.params import initialize_params, plain_params, typed_params
from vespiary.fronts.lsp.core.progress import TidyProgress
from vespiary.fronts.lsp.core.upstream import LanguageServerProtocol, Workspace, lsp_method, types
from vespiary.fronts.lsp.core.workspace import LiveWorkspace
from vespiary.fronts.lsp.core.writing import Writer

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core.server import Server

logger = logging.getLogger("vespiary.lsp")

MsgId = int | str
Handler = Callable[..., Any]


def cancel_soon(task: "asyncio.Task[None]") -> None:
    """Cancel a task once it has begun: one that never begins runs none of its code, its `finally` neither."""
    asyncio.get_running_loop().call_soon(task.cancel)


class Protocol(LanguageServerProtocol):
    """One connection's messages. Everything runs on the loop's thread, except `notify` and `send_request`."""

    def __init__(self, server: Any, converter: Any) -> None:
        self.methods: dict[str, Callable[..., Any]] = {}
        self.running: dict[MsgId, asyncio.Task[None]] = {}
        self.out: Writer | None = None
        self.life = Lifecycle()
        self.outgoing = Outgoing(self.send, self.drain)
        self.encoder = Encoder(converter.unstructure)
        self.caller = Caller(lambda: server.thread_pool)
        super().__init__(server, converter)
        self.progress = TidyProgress(self)
        documents = self.host().documents
        self._documents = {
            types.TEXT_DOCUMENT_DID_OPEN: documents.did_open,
            types.TEXT_DOCUMENT_DID_CHANGE: documents.did_change,
            types.TEXT_DOCUMENT_DID_CLOSE: documents.did_close,
        }

    def host(self) -> "Server":
        """The server that this is the protocol of."""
        return cast("Server", self._server)

    def registered(self, method: str) -> "Handler | None":
        """The handler of an LSP method that was registered by `server.feature`."""
        return cast(Handler | None, self.fm.features.get(method))

    # Coming in

    def receive(self, item: bytes | FramingError) -> None:
        """Take one body, or the news that bytes were none. Never raises."""
        if isinstance(item, FramingError):
            logger.error("Unreadable input: %s", item)
            self._fail(None, error_body(errors.PARSE_ERROR, str(item)))
            return
        try:
            message = decode(item)
        except ValueError as error:
            logger.error("A message is not JSON: %s", error)
            self._fail(None, error_body(errors.PARSE_ERROR, f"The message is not JSON: {error}"))
            return
        self.handle_message(message)

    def handle_message(self, message: Any) -> None:
        """Take one message as plain data. Never raises."""
        known = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
        msg_id: Any = known.get("id")
        if isinstance(msg_id, bool) or not isinstance(msg_id, int | str):
            msg_id = None
        try:
            if not known or known.get("jsonrpc") != "2.0":
                what = "Batches are not part of LSP." if isinstance(message, list) else 'It needs `"jsonrpc": "2.0"`.'
                raise Rejected(errors.INVALID_REQUEST, f"The message is not a JSON-RPC 2.0 object. {what}")
            method = known.get("method")
            if isinstance(method, str):
                if msg_id is not None:
                    self._request(msg_id, method, known.get("params"))
                elif "id" in known:
                    raise Rejected(errors.INVALID_REQUEST, "The `id` of a request is a whole number or a string.")
                else:
                    self._notification(method, known.get("params"))
            elif method is None and ("result" in known or "error" in known):
                if not self.outgoing.resolve(known):
                    logger.debug("An answer to nothing: %r", known.get("id"))
            else:
                raise Rejected(errors.INVALID_REQUEST, "The message is neither a request nor an answer.")
        except Rejected as error:
            self._fail(msg_id, error_body(error.code, error.message))

    def _request(self, msg_id: MsgId, method: str, params: Any) -> None:
        if msg_id in self.running:
            raise Rejected(errors.INVALID_REQUEST, f"The id {msg_id!r} is in use by a request that has no answer yet.")
        self.life.admit(method)
        try:
            done, outcome = self._start(method, params)
        except Exception as error:  # noqa: BLE001 - the request boundary
            self._fail(msg_id, error_of(error, method))
            return
        if done:
            self._reply(msg_id, method, outcome)
            return
        task = asyncio.get_running_loop().create_task(self._answer(msg_id, method, outcome))
        self.running[msg_id] = task
        if method == types.SHUTDOWN:
            self.life.shutting_down = task
        task.add_done_callback(partial(self._settled, msg_id, method, outcome))

    async def _answer(self, msg_id: MsgId, method: str, outcome: Any) -> None:
        try:
            result = await outcome
        except asyncio.CancelledError:
            self.running.pop(msg_id, None)
            self._fail(msg_id, error_body(errors.REQUEST_CANCELLED, f"{method} was cancelled."))
        except Exception as error:  # noqa: BLE001 - the request boundary
            self.running.pop(msg_id, None)
            self._fail(msg_id, error_of(error, method))
        else:
            self.running.pop(msg_id, None)
            self._reply(msg_id, method, result)

    def _settled(self, msg_id: MsgId, method: str, outcome: Any, task: asyncio.Task[None]) -> None:
        """A task that is cancelled before its first step runs none of its code: its answer is given here."""
        if self.running.get(msg_id) is task:
            del self.running[msg_id]
            if hasattr(outcome, "close"):
                outcome.close()
            self._fail(msg_id, error_body(errors.REQUEST_CANCELLED, f"{method} was cancelled."))
        elif not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s could not be answered", method, exc_info=error)

    def _notification(self, method: str, params: Any) -> None:
        if method == types.EXIT:
            self.life.end()
            return
        if method == types.CANCEL_REQUEST:
            self._cancel(params)
            return
        if not self.life.hears():
            return
        try:
            handler = self._documents.get(method)
            if handler is not None:
                handler(params)
                user = self.registered(method)
                if user is None:
                    return
                done, outcome = self._run(user, typed_params(self._converter, method, params))
            else:
                done, outcome = self._start(method, params)
        except Rejected as error:
            if error.code != errors.METHOD_NOT_FOUND:
                logger.error("%s: %s", method, error)
        except Exception:
            logger.exception("%s failed", method)
        else:
            if not done:
                self.host().run_soon(outcome, method)

    def _cancel(self, params: Any) -> None:
        msg_id = cast("dict[str, Any]", params).get("id") if isinstance(params, dict) else None
        task = self.running.get(msg_id) if isinstance(msg_id, int | str) else None
        if task is not None:
            cancel_soon(task)

    def _start(self, method: str, params: Any) -> tuple[bool, Any]:
        ours = self.methods.get(method)
        if ours is not None:
            return self._run(ours, plain_params(method, params))
        handler = cast(Handler | None, self.fm.builtin_features.get(method)) or self.registered(method)
        if handler is None:
            raise Rejected(errors.METHOD_NOT_FOUND, f"There is no method {method}.")
        if method == types.INITIALIZE:
            value = initialize_params(self._converter, params)
            self.host().initialize_params = params
        else:
            value = typed_params(self._converter, method, params)
        return self._run(handler, value)

    def _run(self, handler: Callable[..., Any], value: Any) -> tuple[bool, Any]:
        return self.caller.start(handler, (value,))

    # Going out

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. Nothing when there is no client. Raises what the encoder raises."""
        body = self.encoder(message)
        if self.out is not None:
            self.out.send(body)

    async def drain(self) -> None:
        """Wait for a client that is slow to read."""
        if self.out is None:
            raise ClientGone()
        await self.out.drain()

    def _reply(self, msg_id: MsgId, method: str, result: Any) -> None:
        try:
            self.send({"jsonrpc": "2.0", "id": msg_id, "result": result})
        except Exception as error:  # noqa: BLE001 - the request boundary: a result that cannot be sent
            self._fail(msg_id, error_of(error, method))

    def _fail(self, msg_id: MsgId | None, error: dict[str, Any]) -> None:
        try:
            self.send({"jsonrpc": "2.0", "id": msg_id, "error": error})
        except Exception:
            logger.exception("An error could not be told")
            self.send({"jsonrpc": "2.0", "id": msg_id, "error": error_body(error["code"], "The error cannot be told.")})

    def notify(self, method: str, params: Any = None) -> None:
        """Tell the client something."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)

    def send_request(
        self,
        method: str,
        params: Any = None,
        callback: Callable[[Any], None] | None = None,
        msg_id: MsgId | None = None,
    ) -> Future[Any]:
        """As in pygls: what its typed methods (`window_show_message_request_async` and so on) go through. Not bounded."""
        answer: Future[Any] = Future()
        typed: Future[Any] = Future()

        def settle(_: Future[Any]) -> None:
            if typed.cancelled():
                return
            try:
                typed.set_result(self._typed_result(method, answer.result()))
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                typed.set_exception(error)

        answer.add_done_callback(settle)
        if callback is not None:
            typed.add_done_callback(lambda future: callback(future.result()))
        self.outgoing.begin(method, params, answer, msg_id)
        return typed

    def _typed_result(self, method: str, result: Any) -> Any:
        kind = self.get_result_type(method)
        if kind is None:
            return result
        return self._converter.structure({"id": 0, "jsonrpc": "2.0", "result": result}, kind).result

    def get_message_type(self, method: str) -> type[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As in pygls, without its cache: that keeps every protocol object alive for ever."""
        return types.METHOD_TO_TYPES.get(method, (None,))[0]

    def get_result_type(self, method: str) -> type[Any] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """As in pygls, without its cache."""
        return types.METHOD_TO_TYPES.get(method, (None, None))[1]

    # LSP's own methods, where pygls' are not enough

    @property
    def workspace(self) -> Workspace:
        """As in pygls, with the documents that are open here."""
        return LiveWorkspace.over(super().workspace, self.host().documents)

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """Answer `initialize`: pygls' answer, and the encoding that was agreed on."""
        self.life.state = State.STARTING
        try:
            result = yield from super().lsp_initialize(params)
        except BaseException:
            self.life.state = State.NEW
            raise
        chosen = result.capabilities.position_encoding
        encoding: Any = getattr(chosen, "value", chosen) or "utf-16"
        self.host().initialized_with(encoding, params.process_id)
        self.life.state = State.RUNNING
        return result

    @lsp_method(types.INITIALIZED)
    def lsp_initialized(self, *args: Any) -> Generator[Any, Any, None]:
        """The client is ready for requests: bring up the rest."""
        yield from super().lsp_initialized(*args)
        self.host().bring_up()

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        """Stop taking requests, cancel those that run, put things away."""
        self.life.state = State.STOPPED
        handler = self.registered(types.SHUTDOWN)
        if handler is not None:
            yield handler, args, None
        yield self._put_away, (), None

    async def _put_away(self) -> None:
        others = [task for task in self.running.values() if task is not self.life.shutting_down]
        for task in others:
            cancel_soon(task)
        if others:
            await asyncio.wait(others, timeout=1.0)
        await self.host().put_away()

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    def lsp_workspace__execute_command(self, params: types.ExecuteCommandParams) -> Generator[Any, Any, Any]:
        """Run a command with its JSON arguments as they are."""
        handler = cast(Handler | None, self.fm.commands.get(params.command))
        if handler is None:
            raise Rejected(errors.INVALID_PARAMS, f"There is no command {params.command}.")
        return (yield handler, tuple(params.arguments or ()), None)
