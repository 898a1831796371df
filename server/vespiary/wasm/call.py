"""How values cross the boundary through wasmtime's public Python API: the layer that always works.

A call layer connects host functions and calls the actor's methods. `lean.py` does the same several times faster through the C
API; `best_layer` chooses. Knows types (`abi.py`), not what functions mean.
"""

from typing import Any, Protocol

import wasmtime
from wasmtime import component as wc

from vespiary.wasm import abi
from vespiary.wasm.imports import HostFunction, current
from vespiary.wasm.outbox import Refused


class GuestError(str):
    """The `err` side of a method's result."""

    __slots__ = ()


class Methods(Protocol):
    """The methods of one actor instance. Keeps the store alive; `close` lets go of everything but the store."""

    def call(self, method: str, *args: Any) -> Any:
        """Call one. Gives the plain value, none, or `GuestError`. Raises `wasmtime.WasmtimeError` for a trap."""
        ...

    def close(self) -> None:
        """Release what points into the store."""
        ...


class CallLayer(Protocol):
    """One way of crossing."""

    def add_function(
        self, instance: wc.LinkerInstance, name: str, signature: abi.Signature, function: HostFunction
    ) -> None:
        """Offer a host function to guests."""
        ...

    def bind(
        self, store: wasmtime.Store, instance: wc.Instance, indexes: dict[str, wc.ExportIndex], scope: str, config: str
    ) -> Methods:
        """Call the constructor. Raises `wasmtime.WasmtimeError` for a trap."""
        ...


def clean(text: str) -> str:
    """Text as a guest can take it: half characters, which have no UTF-8 form, become `?`."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


class StockMethods:
    """An instance called through `Func.__call__`."""

    __slots__ = ("_actor", "_functions", "_indexes", "_instance", "_store")

    def __init__(
        self,
        store: wasmtime.Store,
        instance: wc.Instance,
        indexes: dict[str, wc.ExportIndex],
        scope: str,
        config: str,
    ) -> None:
        self._store = store
        self._instance = instance
        self._indexes = indexes
        self._functions: dict[str, wc.Func] = {}
        make = instance.get_func(store, indexes[abi.constructor_name()])
        assert make is not None  # the world was checked
        self._actor: Any = make(store, clean(scope), clean(config))

    def call(self, method: str, *args: Any) -> Any:
        """Call one method."""
        function = self._functions.get(method)
        if function is None:
            function = self._instance.get_func(self._store, self._indexes[abi.method_name(method)])
            assert function is not None  # the world was checked
            self._functions[method] = function
        value = function(self._store, self._actor, *(clean(arg) if isinstance(arg, str) else arg for arg in args))
        signature = abi.METHODS[method]
        if signature.result == abi.RESULT_STRING:
            return value.payload if value.tag == "ok" else GuestError(value.payload)
        if signature.result == abi.RESULT_NOTHING:
            return None if value is None else GuestError(value)
        return value

    def close(self) -> None:
        """Release the handle."""
        self._actor.close()


class StockLayer:
    """Crossing with wasmtime's own conversions."""

    def add_function(
        self, instance: wc.LinkerInstance, name: str, signature: abi.Signature, function: HostFunction
    ) -> None:
        """Offer a host function to guests."""
        tagged = signature.result == abi.RESULT_STRING
        fallible = signature.result is not None and signature.result.startswith("result")

        def call(_store: Any, *args: Any) -> Any:
            box = current()
            if box is None:
                raise wasmtime.WasmtimeError("the host was called outside a step")
            try:
                value = function(box, *args)
            except Exception as fault:  # noqa: BLE001 - the actor boundary: see outbox.py
                box.broken = f"internal error in a host function: {fault!r}"
                raise wasmtime.WasmtimeError("internal error in a host function") from None
            if not fallible:
                return value
            reason = clean(value.reason) if isinstance(value, Refused) else None
            if tagged:
                return wc.Variant("ok", value) if reason is None else wc.Variant("err", reason)
            return value if reason is None else reason

        instance.add_func(name, call)

    def bind(
        self, store: wasmtime.Store, instance: wc.Instance, indexes: dict[str, wc.ExportIndex], scope: str, config: str
    ) -> Methods:
        """Call the constructor."""
        return StockMethods(store, instance, indexes, scope, config)


def best_layer() -> CallLayer:
    """The lean layer where wasmtime's private bindings are as it knows them, the stock one elsewhere."""
    from vespiary.wasm.lean import LeanLayer, usable

    return LeanLayer() if usable() else StockLayer()
