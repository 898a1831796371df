"""One actor instance: made, called within its limits, and dropped.

Knows the store and the methods of the actor resource. Turns whatever ends a call into a `StepFailure`; what a step puts out and
which steps there are is `guests.py`.
"""

from typing import Any

import wasmtime

from vespiary.model.ids import Scope
from vespiary.model.steps import ActorSpec, FailureKind, StepFailure
from vespiary.wasm import abi
from vespiary.wasm.call import CallLayer, Methods
from vespiary.wasm.components import LoadedComponent
from vespiary.wasm.engine import Engine, Watch
from vespiary.wasm.failures import failure, trap_failure

_TABLE_ELEMENTS = 200_000
_CORE_INSTANCES = 200
_TABLES = 100
_MEMORIES = 1


class StepFailed(Exception):
    """The step ends here with this failure."""

    def __init__(self, why: StepFailure) -> None:
        super().__init__(why.message)
        self.why = why


class Guest:
    """An instance with its store. Used by one thread at a time; `watch.interrupt` by any."""

    __slots__ = ("_loaded", "_methods", "_store", "parent", "scope", "spec", "watch")

    def __init__(
        self, engine: Engine, loaded: LoadedComponent, spec: ActorSpec, scope: Scope, parent: Scope | None
    ) -> None:
        self.spec = spec
        self.scope = scope
        self.parent = parent
        self._loaded = loaded
        self._methods: Methods | None = None
        self._store = wasmtime.Store(engine.raw)
        self._store.set_limits(
            memory_size=spec.limits.memory_bytes,
            table_elements=_TABLE_ELEMENTS,
            instances=_CORE_INSTANCES,
            tables=_TABLES,
            memories=_MEMORIES,
        )
        self.watch = Watch(engine, self._store)

    def construct(self, layer: CallLayer) -> None:
        """Instantiate the component and call the actor's constructor, within one deadline. Raises `StepFailed`."""

        def make() -> None:
            instance = self._loaded.linker.instantiate(self._store, self._loaded.component)
            self._methods = layer.bind(self._store, instance, self._loaded.indexes, self.scope, self.spec.config)

        self._within(self.spec.limits.construct_ms, "constructing the actor", make)

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of the actor: the plain value, none, or `GuestError`. Raises `StepFailed`."""
        methods = self._methods
        if methods is None or method not in abi.METHODS:
            raise StepFailed(failure(FailureKind.TRAP, "The actor was not constructed."))
        return self._within(self.spec.limits.call_ms, f"in `{method}`", lambda: methods.call(method, *args))

    def _within(self, limit_ms: int, doing: str, run: Any) -> Any:
        watch = self.watch
        if watch.interrupted:
            raise StepFailed(_cancelled(doing))
        watch.begin(limit_ms)
        try:
            return run()
        except wasmtime.WasmtimeError as error:
            if watch.interrupted:
                raise StepFailed(_cancelled(doing)) from None
            if watch.expired or "wasm trap: interrupt" in str(error):
                seconds = f"{limit_ms / 1000:g} s"
                raise StepFailed(
                    failure(FailureKind.DEADLINE, f"The actor took more than {seconds} {doing} and was ended.")
                ) from None
            raise StepFailed(trap_failure(error, doing[:1].upper() + doing[1:])) from None
        finally:
            watch.end()

    def close(self) -> None:
        """Drop the instance and its memory at once. Runs nothing of the guest. Can be called twice."""
        self.watch.close()
        if self._methods is not None:
            self._methods.close()
            self._methods = None
        self._store.close()


def _cancelled(doing: str) -> StepFailure:
    return failure(FailureKind.CANCELLED, f"The host ended the call {doing}: its run was cancelled.")
