"""The server that handlers are registered on and that the app talks to. Knows one connection; does not know its transport."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from vespiary.fronts.lsp.core.documents import Documents
from vespiary.fronts.lsp.core.encoding import Encoding
from vespiary.fronts.lsp.core.protocol import Protocol
from vespiary.fronts.lsp.core.upstream import LanguageServer, make_converter

logger = logging.getLogger("vespiary.lsp")

PUT_AWAY_SECONDS = 5.0

Hook = Callable[[], Awaitable[None]]
H = TypeVar("H", bound=Callable[..., Any])


class Server(LanguageServer):
    """One connection with one client, made anew for each. `core/__init__.py` shows its use."""

    protocol: Protocol  # pyright: ignore[reportIncompatibleVariableOverride] - narrower, and set once

    def __init__(self, name: str, version: str, **options: Any) -> None:
        self.documents = Documents()
        self.initialize_params: dict[str, Any] = {}
        self.tasks: TaskGroup | None = None
        self._up = False
        self._on_initialized: list[Hook] = []
        self._on_shutdown: list[Hook] = []
        self._on_parent: Callable[[int], None] | None = None
        options.setdefault("protocol_cls", Protocol)
        options.setdefault("converter_factory", make_converter)
        super().__init__(name, version, **options)

    @property
    def encoding(self) -> Encoding:
        """What columns are counted in, as agreed on in `initialize`."""
        return self.documents.encoding

    @property
    def connected(self) -> bool:
        """Whether there is still a client to talk to."""
        return self.protocol.out is not None and not self.protocol.life.ended.is_set()

    # Registering

    def method(self, name: str) -> Callable[[H], H]:
        """Register the handler of one of our own methods: `async (params: dict) -> plain data`. Requests and notifications."""

        def register(handler: H) -> H:
            if name in self.protocol.methods:
                raise ValueError(f"{name} has a handler")
            self.protocol.methods[name] = handler
            return handler

        return register

    def on_initialized(self, hook: Hook) -> Hook:
        """Start `hook` as a task once the client is ready. Cancelled when the connection ends."""
        self._on_initialized.append(hook)
        return hook

    def on_shutdown(self, hook: Hook) -> Hook:
        """Await `hook` before `shutdown` is answered; all hooks together have 5 seconds."""
        self._on_shutdown.append(hook)
        return hook

    # Talking

    def notify(self, method: str, params: Any = None) -> None:
        """Tell the client something. From any thread; never waits; nothing when there is no client."""
        self.protocol.notify(method, params)

    async def request(self, method: str, params: Any = None) -> Any:
        """Ask the client something. Raises `ClientGone`, and `JsonRpcException` for an error answer."""
        return await self.protocol.outgoing.request(method, params)

    async def apply_edit(self, edit: Any, label: str | None = None, **more: Any) -> dict[str, Any]:
        """Ask for a workspace edit: `{applied, failureReason?, failedChange?}`. Do not believe `applied`: look at the documents."""
        params = {"edit": edit, **({"label": label} if label is not None else {}), **more}
        result = await self.request("workspace/applyEdit", params)
        return cast("dict[str, Any]", result) if isinstance(result, dict) else {"applied": False}

    async def drain(self) -> None:
        """Wait for a client that is slow to read. Raises `ClientGone`."""
        await self.protocol.drain()

    def spawn(self, function: Callable[..., Awaitable[Any]], *args: Any, name: str | None = None) -> None:
        """Run a coroutine function as a task of this connection. Its failure is logged and ends nothing else."""
        self.run_soon(function(*args), name or getattr(function, "__qualname__", "a task"))

    def run_soon(self, waited: Awaitable[Any], name: str) -> None:
        """As `spawn`, for something that can be awaited."""
        if self.tasks is None:
            raise RuntimeError("the server does not run")

        async def contained() -> None:
            try:
                await waited
            except Exception:
                logger.exception("%s failed", name)

        self.tasks.start_soon(contained, name=name)

    # For the protocol and the session

    def watch_parent_with(self, watch: Callable[[int], None]) -> None:
        """Have `watch` called with the client's process id when it is known."""
        self._on_parent = watch

    def initialized_with(self, encoding: Encoding, process_id: int | None) -> None:
        """`initialize` is about to be answered."""
        self.documents.encoding = encoding
        if process_id is not None and self._on_parent is not None:
            self._on_parent(process_id)

    def bring_up(self) -> None:
        """The client is ready. Once."""
        if self._up:
            return
        self._up = True
        for hook in self._on_initialized:
            self.spawn(hook)

    async def put_away(self) -> None:
        """Await the shutdown hooks, for 5 seconds at most."""
        with anyio.move_on_after(PUT_AWAY_SECONDS) as limit:
            for hook in self._on_shutdown:
                try:
                    await hook()
                except Exception:
                    logger.exception("%s failed", getattr(hook, "__qualname__", "a shutdown hook"))
        if limit.cancelled_caught:
            logger.error("Shutting down took more than %s seconds; going on without it", PUT_AWAY_SECONDS)

    def report_server_error(self, error: Exception, source: Any) -> None:
        """Log it. pygls would put it in the person's face."""
        logger.error("%s", error)

    def start_io(self, *args: Any, **kwargs: Any) -> None:
        """Not here."""
        raise RuntimeError("use `serve_stdio`")

    def start_tcp(self, *args: Any, **kwargs: Any) -> None:
        """Not here."""
        raise RuntimeError("use `serve_tcp`")

    def start_ws(self, *args: Any, **kwargs: Any) -> None:
        """Not here."""
        raise RuntimeError("there is no web socket transport")
