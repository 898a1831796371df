"""The process's one engine, its epoch, and the watch that ends a guest call in time.

How a call is ended: the engine counts epochs, about one each 20 ms while any guest runs. A store's deadline is always the next
epoch; when it is reached, wasmtime asks the store's `Watch` on the guest's own thread whether the call may go on. So a call is
ended by its own clock or its own flag, and an epoch that another call brought about costs it a few microseconds and nothing else.
`Watch.interrupt` moves the epoch at once: the call ends within a millisecond. The question is asked through wasmtime's private
bindings; where they are missing, the plain epoch deadline ends the call and an interrupt waits for it.

Knows nothing of components, actors or steps.
"""

import contextlib
import ctypes
import itertools
import threading
import time
from typing import Any

import wasmtime
from wasmtime import _bindings as bindings

TICK_SECONDS = 0.02
_IDLE_TICKS = 50
_WALL_FACTOR = 4

SETTINGS = "epoch;cow;opt=speed;nan=canonical;relaxed-simd=deterministic;threads=off;async=off"
"""What of the engine's configuration is baked into compiled code: part of the key of the component cache."""


class Engine:
    """A wasmtime engine with a ticker thread that lives only while guests run."""

    def __init__(self) -> None:
        config = wasmtime.Config()
        config.epoch_interruption = True
        config.cranelift_opt_level = "speed"
        config.memory_init_cow = True
        # The same step gives the same outputs on every machine.
        config.cranelift_nan_canonicalization = True
        config.wasm_relaxed_simd_deterministic = True
        # What an actor cannot need stays off: nothing may wait inside a guest, where no epoch would end it.
        config.wasm_threads = False
        with contextlib.suppress(AttributeError):  # only in the private bindings
            _without_async(config.ptr(), False)
        self.raw = wasmtime.Engine(config)
        self._lock = threading.Lock()
        self._running = 0
        self._ticker: threading.Thread | None = None

    @property
    def ticking(self) -> bool:
        """Whether the ticker thread is alive."""
        return self._ticker is not None

    def enter(self) -> None:
        """Note that a guest call begins: the epoch must move."""
        with self._lock:
            self._running += 1
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._tick, name="vespiary-epoch", daemon=True)
                self._ticker.start()

    def leave(self) -> None:
        """Note that a guest call ended."""
        with self._lock:
            self._running -= 1

    def _tick(self) -> None:
        idle = 0
        while True:
            time.sleep(TICK_SECONDS)
            self.raw.increment_epoch()
            with self._lock:
                idle = 0 if self._running else idle + 1
                if idle > _IDLE_TICKS:
                    self._ticker = None
                    return


def _without_async(config: Any, enabled: bool) -> None:
    bindings.wasmtime_config_wasm_component_model_async_set(config, enabled)


_shared: Engine | None = None
_shared_lock = threading.Lock()


def shared_engine() -> Engine:
    """The engine of this process, made on first use."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Engine()
        return _shared


class Watch:
    """Decides whether the call that runs in one store may go on.

    The limit is the guest's own: processor time of the thread that runs it, so that a busy or sleeping machine fails nobody. Four
    times that in wall time ends the call in any case.
    """

    __slots__ = ("_cpu_until", "_engine", "_id", "_store", "_wall_until", "active", "expired", "interrupted")

    def __init__(self, engine: Engine, store: wasmtime.Store) -> None:
        self._engine = engine
        self._store = store
        self._id = next(_ids)
        self._cpu_until = 0
        self._wall_until = 0
        self.active = False
        self.interrupted = False
        self.expired = False
        _watches[self._id] = self
        if _set_callback is not None:
            _set_callback(store.ptr(), _callback, self._id, _no_finalizer)

    def begin(self, limit_ms: int) -> None:
        """A call begins that may take `limit_ms`. An interrupt that came before it in the same step still ends it."""
        self._engine.enter()
        self._cpu_until = time.thread_time_ns() + limit_ms * 1_000_000
        self._wall_until = time.monotonic_ns() + limit_ms * 1_000_000 * _WALL_FACTOR
        self.expired = False
        ticks = 1 if _set_callback is not None else max(1, round(limit_ms / 1000 / TICK_SECONDS)) + 1
        self._store.set_epoch_deadline(ticks)

    def end(self) -> None:
        """The call is over."""
        self._engine.leave()

    def interrupt(self) -> None:
        """End the call that runs, or the next one of this step. Any thread."""
        self.interrupted = True
        self._engine.raw.increment_epoch()

    def close(self) -> None:
        """Forget the store. Called before the store is closed, never while a call runs."""
        _watches.pop(self._id, None)

    def may_go_on(self) -> bool:
        """Asked at every epoch, on the guest's thread."""
        if self.interrupted:
            return False
        if time.thread_time_ns() >= self._cpu_until or time.monotonic_ns() >= self._wall_until:
            self.expired = True
            return False
        return True


_new_error: Any = bindings.wasmtime_error_new  # pyright: ignore[reportUnknownVariableType]
_ids = itertools.count(1)
_watches: dict[int, Watch] = {}


def _ask(_context: Any, ident: Any, delta: Any, kind: Any) -> int:
    go_on = False
    # Nothing may escape into C; whatever goes wrong here ends the call.
    with contextlib.suppress(Exception):
        watch = _watches.get(ident or 0)
        go_on = watch is not None and watch.may_go_on()
        if go_on:
            delta[0] = 1
            kind[0] = 0
    if go_on:
        return 0
    error = _new_error(b"ended by the host")
    return ctypes.cast(error, ctypes.c_void_p).value or 0


def _find_callback() -> tuple[Any, Any, Any]:
    try:
        native: Any = bindings._wasmtime_store_epoch_deadline_callback  # pyright: ignore[reportAttributeAccessIssue]
        _store, callback, _data, finalizer = native.argtypes
        return native, callback(_ask), finalizer(0)
    except (AttributeError, TypeError, ValueError):
        return None, None, None


_set_callback, _callback, _no_finalizer = _find_callback()


def reacts_at_once() -> bool:
    """Whether an interrupt ends a call at once; otherwise it takes effect at the call's deadline."""
    return _set_callback is not None
