"""An asyncio event loop without a selector: it runs what is ready and returns. The host drives it, one step at a time.

`asyncio.gather`, `TaskGroup`, `timeout`, `sleep`, queues and locks work on it unchanged; time passes through the host's timer.
Knows requests by their ids only.
"""

import asyncio
import math
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, NoReturn

from vespiary_sdk._port import Capability, Port
from vespiary_sdk.errors import refused

MAX_SLEEP_MS = 86_400_000

_AT_ONCE: dict[str, Any] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
_swap_task: Callable[..., Any] | None = getattr(asyncio.tasks, "_swap_current_task", None)


class _Timer(asyncio.TimerHandle):
    """A timer handle that remembers the host's id."""

    __slots__ = ("request",)
    request: int


class StepLoop(asyncio.AbstractEventLoop):
    """The event loop of one actor."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: dict[int, _Timer] = {}
        self._waiting: dict[int, asyncio.Future[str]] = {}

    # For the driver

    @property
    def busy(self) -> bool:
        """Whether something of the actor still waits for the host."""
        return bool(self._timers or self._waiting)

    def run(self, work: Callable[[], None]) -> None:
        """Do this, and what becomes ready by it, as the running loop.

        Natively there may be another one around it (an async test); it gets its place back.
        """
        outer = asyncio._get_running_loop()  # pyright: ignore[reportPrivateUsage]
        suspended = _swap_task(outer, None) if outer is not None and _swap_task is not None else None
        asyncio._set_running_loop(self)
        try:
            work()
            self._drain()
        finally:
            asyncio._set_running_loop(outer)
            if suspended is not None and _swap_task is not None:
                _swap_task(outer, suspended)

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task for a handler. It runs at once up to its first wait, where Python can do that (3.12)."""
        return asyncio.Task(work, loop=self, **_AT_ONCE)

    def _drain(self) -> None:
        """Run callbacks until none is ready. Handlers report their own failures; what gets here was left by a stray task."""
        ready = self._ready
        while ready:
            handle = ready.popleft()
            if handle.cancelled():
                continue
            try:
                handle._run()
            except BaseException as error:  # noqa: BLE001 - asyncio lets SystemExit and KeyboardInterrupt through
                self.call_exception_handler({"message": "A task ended the hard way", "exception": error})

    def answer(self, request: int, ok: bool, payload: str) -> None:
        """Hand over an answer. One that nobody waits for any more is dropped."""
        timer = self._timers.pop(request, None)
        if timer is not None:
            self._ready.append(timer)
            return
        future = self._waiting.pop(request, None)
        if future is None or future.done():
            return
        if ok:
            future.set_result(payload)
        else:
            future.set_exception(refused(payload))

    async def request(self, capability: Capability, request: str) -> str:
        """Start a request and wait for its answer. A cancelled wait cancels the request. Raises `CapabilityError`."""
        number = self._port.start(capability, request)
        future: asyncio.Future[str] = asyncio.Future(loop=self)
        self._waiting[number] = future
        try:
            return await future
        finally:
            if self._waiting.pop(number, None) is not None:
                self._port.cancel(number)

    # What asyncio calls

    def time(self) -> float:
        """Seconds since the epoch; it stands still within a step."""
        return self._port.now() / 1e9

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Run the callback in this step."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run the callback in a later step, `delay` seconds from now."""
        return self._timer(self.time() + delay, delay, callback, args, context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run the callback in a later step, at the time `when`."""
        return self._timer(when, when - self.time(), callback, args, context)

    def _timer(
        self, when: float, delay: float, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        handle = _Timer(when, callback, args, self, context)
        millis = min(max(math.ceil(delay * 1000), 0), MAX_SLEEP_MS) if delay == delay else 0
        handle.request = self._port.timer(millis)
        self._timers[handle.request] = handle
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, _Timer) and self._timers.pop(handle.request, None) is not None:
            self._port.cancel(handle.request)

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[Any]:
        """A task of this loop."""
        return asyncio.Task(coro, loop=self, name=name, context=context, **options)

    def is_running(self) -> bool:
        """Always: it only ever exists inside a step."""
        return True

    def is_closed(self) -> bool:
        """Never."""
        return False

    def get_debug(self) -> bool:
        """Never; debugging costs and reads clocks."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Ignored."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Log what a task of the actor's own making left behind."""
        from vespiary_sdk._failures import explain

        error = context.get("exception")
        text = str(context.get("message", "Unhandled error in the event loop"))
        self._port.log("error", f"{text}\n{explain(error)}" if isinstance(error, BaseException) else text)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """As `call_exception_handler`."""
        self.call_exception_handler(context)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> NoReturn:
        """Refused: there are no threads."""
        raise RuntimeError(
            "An actor has no threads. Call the function directly, or split the work over several messages."
        )

    def run_until_complete(self, future: Any) -> NoReturn:
        """Refused: a step cannot wait."""
        raise RuntimeError("A handler already runs in an event loop. Make it `async def` and use `await`.")

    def run_forever(self) -> NoReturn:
        """Refused: a step cannot wait."""
        raise RuntimeError("A handler already runs in an event loop. Make it `async def` and use `await`.")

    async def shutdown_asyncgens(self) -> None:
        """Nothing to do."""

    def stop(self) -> None:
        """Nothing to do: a step ends when nothing is ready."""

    def close(self) -> None:
        """Nothing to release."""
