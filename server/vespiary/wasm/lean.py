"""The fast way across: the same C functions as wasmtime-py, with fixed buffers and no conversion objects.

wasmtime-py reads a function's type and builds Python objects for each value at each call. The world was checked before
(`world.py`), so here each function is read and written by the types of `abi.py`: arguments live in one array of value slots per
layer, strings are borrowed from Python bytes, results are read and released in place.

Rules that keep the process alive: the result slot is zeroed after each release, since wasmtime drops what it overwrites; bytes
stay referenced while a call borrows them; a `LeanMethods` keeps its store; no exception leaves a callback.

Relies on private bindings of wasmtime-py (`usable` checks names and layout; a test compares with the stock layer).
"""

import ctypes
import logging
from collections.abc import Callable
from ctypes import (
    CFUNCTYPE,
    Structure,
    addressof,
    c_bool,
    c_char_p,
    c_size_t,
    c_uint8,
    c_uint64,
    c_void_p,
    cast,
    string_at,
)
from struct import Struct
from typing import Any

import wasmtime
from wasmtime import _bindings as b
from wasmtime import component as wc

from vespiary.model.steps import Level
from vespiary.wasm import abi
from vespiary.wasm.call import GuestError, Methods
from vespiary.wasm.imports import HostFunction, current
from vespiary.wasm.outbox import Refused

_log = logging.getLogger(__name__)

# Kinds of a value slot (wasmtime/component/val.h).
_BOOL, _U32, _U64, _STRING, _ENUM, _OPTION, _RESULT, _RESOURCE = 0, 6, 8, 12, 17, 18, 19, 21

_SLOT = 32
_MAX_ARGS = 6
_PAIR = Struct("<B7xQQ8x")  # kind, size or scalar, pointer
_LEVELS = {level.value.encode() for level in Level}


class _Slot(Structure):
    """A value: kind, then a union of which strings take two words."""

    _fields_ = [("kind", c_uint8), ("word", c_uint64), ("text", c_char_p), ("rest", c_uint64)]
    kind: int
    word: int
    text: bytes | None
    rest: int


_CALLBACK = CFUNCTYPE(c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)


def usable() -> bool:
    """Whether the private bindings are as this module knows them."""
    try:
        value: Any = b.wasmtime_component_val_t
        union: Any = b.wasmtime_component_valunion_t
        text: Any = b.wasm_byte_vec_t
        result: Any = b.wasmtime_component_valresult_t
        layout = (
            ctypes.sizeof(c_void_p),
            ctypes.sizeof(value),
            ctypes.sizeof(_Slot),
            value.of.offset,
            union.string.offset,
            text.data.offset,
            result.val.offset,
        )
        return layout == (8, _SLOT, _SLOT, 8, 0, 8, 8) and bool(_native_functions())
    except (AttributeError, TypeError):
        return False


def _native_functions() -> tuple[Any, ...]:
    dll: Any = b.dll  # pyright: ignore[reportPrivateImportUsage]
    call = CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t)(
        ("wasmtime_component_func_call", dll)
    )
    delete = CFUNCTYPE(None, c_void_p)(("wasmtime_component_val_delete", dll))
    new_value = CFUNCTYPE(c_void_p, c_void_p)(("wasmtime_component_val_new", dll))
    new_bytes = CFUNCTYPE(None, c_void_p, c_size_t, c_char_p)(("wasm_byte_vec_new", dll))
    new_error = CFUNCTYPE(c_void_p, c_char_p)(("wasmtime_error_new", dll))
    return call, delete, new_value, new_bytes, new_error


if usable():
    _call, _delete, _new_value, _new_bytes, _new_error = _native_functions()


def _write_string(at: int, text: str) -> None:
    """Put an owned string value at an address."""
    data = text.encode("utf-8", "replace")
    _new_bytes(at + 8, len(data), data)
    c_uint8.from_address(at).value = _STRING


def _boxed(fill: Callable[[int], None]) -> int:
    """Move a value into wasmtime's heap and give its address."""
    slot = _Slot()
    fill(addressof(slot))
    return _new_value(addressof(slot))


def _write_result(at: int, result: str | None, value: Any) -> None:
    """Put a host function's answer into its result slot."""
    if result == abi.U64:
        c_uint64.from_address(at + 8).value = value
        c_uint8.from_address(at).value = _U64
    elif result == abi.STRING:
        _write_string(at, value)
    elif result == abi.OPTION_STRING:
        boxed = 0 if value is None else _boxed(lambda to: _write_string(to, value))
        c_uint64.from_address(at + 8).value = boxed
        c_uint8.from_address(at).value = _OPTION
    elif result is not None:
        if isinstance(value, Refused):
            boxed = _boxed(lambda to: _write_string(to, value.reason))
        elif result == abi.RESULT_U64:
            boxed = _boxed(lambda to: _write_result(to, abi.U64, value))
        elif result == abi.RESULT_STRING:
            boxed = _boxed(lambda to: _write_string(to, value))
        else:
            boxed = 0
        c_bool.from_address(at + 8).value = not isinstance(value, Refused)
        c_uint64.from_address(at + 16).value = boxed
        c_uint8.from_address(at).value = _RESULT


_ARGUMENT_KINDS = {abi.STRING: _STRING, abi.U32: _U32, abi.U64: _U64, abi.LEVEL: _ENUM}


def _callback(name: str, signature: abi.Signature, function: HostFunction) -> Any:
    kinds = tuple(_ARGUMENT_KINDS[param] for param in signature.params)
    count = len(kinds)
    slots = Struct("<" + "B7xQQ8x" * count)
    expected_results = 0 if signature.result is None else 1
    result = signature.result

    def call(_data: Any, _context: Any, _ty: Any, args: int, nargs: int, results: int, nresults: int) -> int:
        try:
            box = current()
            if box is None or nargs != count or nresults != expected_results:
                return _new_error(b"the host was called outside a step")
            values: list[Any] = []
            if count:
                raw = slots.unpack(string_at(args, slots.size))
                for at, kind in enumerate(kinds):
                    if raw[at * 3] != kind:
                        return _new_error(b"an argument has another type than the world says")
                    word = raw[at * 3 + 1]
                    if kind in (_STRING, _ENUM):
                        values.append(string_at(raw[at * 3 + 2], word).decode() if word else "")
                    else:
                        values.append(word if kind == _U64 else word & 0xFFFFFFFF)
            _write_result(results, result, function(box, *values))
        except Exception:  # noqa: BLE001
            # Nothing may leave a callback. Our own fault, not the actor's; the trap contains it.
            _log.exception("host function %s failed", name)
            return _new_error(b"internal error in a host function")
        return 0

    return _CALLBACK(call)


class LeanLayer:
    """Crossing through fixed buffers. One per shard thread: its buffers serve one call at a time."""

    def __init__(self) -> None:
        self.args = (_Slot * _MAX_ARGS)()
        self.args_at = addressof(self.args)
        self.result = _Slot()
        self.result_at = addressof(self.result)

    def add_function(
        self, instance: wc.LinkerInstance, name: str, signature: abi.Signature, function: HostFunction
    ) -> None:
        """Offer a host function to guests."""
        callback = _callbacks.get(function)
        if callback is None:
            callback = _callbacks.setdefault(function, _callback(name, signature, function))
        text = name.encode()
        error: Any = _add_func(
            instance.ptr(),
            ctypes.create_string_buffer(text),
            len(text),
            cast(callback, b.wasmtime_component_func_callback_t),
            None,
            _NO_FINALIZER,
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)

    def bind(
        self, store: wasmtime.Store, instance: wc.Instance, indexes: dict[str, wc.ExportIndex], scope: str, config: str
    ) -> Methods:
        """Call the constructor."""
        return LeanMethods(self, store, instance, indexes, scope, config)


_callbacks: dict[HostFunction, Any] = {}
"""By host function, for ever: the C side keeps bare pointers to them."""

_add_func: Any = b.wasmtime_component_linker_instance_add_func  # pyright: ignore[reportUnknownVariableType]
_NO_FINALIZER: Any = CFUNCTYPE(None, c_void_p)(0)


class LeanMethods:
    """An instance called through its layer's buffers."""

    __slots__ = ("_actor", "_context", "_functions", "_indexes", "_instance", "_layer", "_store")

    def __init__(
        self,
        layer: LeanLayer,
        store: wasmtime.Store,
        instance: wc.Instance,
        indexes: dict[str, wc.ExportIndex],
        scope: str,
        config: str,
    ) -> None:
        self._layer = layer
        self._store = store
        self._context = cast(store._context(), c_void_p).value
        self._instance = instance
        self._indexes = indexes
        self._functions: dict[str, tuple[Any, int]] = {}
        self._actor = 0
        self._actor = self._invoke(abi.constructor_name(), abi.CONSTRUCTOR, 0, (scope, config))

    def call(self, method: str, *args: Any) -> Any:
        """Call one method."""
        return self._invoke(abi.method_name(method), abi.METHODS[method], 1, args)

    def _function(self, name: str) -> int:
        known = self._functions.get(name)
        if known is None:
            function = self._instance.get_func(self._store, self._indexes[name])
            assert function is not None  # the world was checked
            known = (function, addressof(function._func))
            self._functions[name] = known
        return known[1]

    def _invoke(self, name: str, signature: abi.Signature, first: int, params: tuple[Any, ...]) -> Any:
        layer = self._layer
        slots = layer.args
        if first:
            own = slots[0]
            own.kind = _RESOURCE
            own.word = self._actor
        for at, param in enumerate(params, first):
            slot = slots[at]
            if isinstance(param, str):
                data = param.encode("utf-8", "replace")
                slot.kind = _STRING
                slot.word = len(data)
                slot.text = data  # ctypes keeps the bytes referenced for as long as the slot points to them
            elif isinstance(param, bool):
                slot.kind = _BOOL
                slot.word = int(param)
            else:
                slot.kind = _U64
                slot.word = param
        at = layer.result_at
        error = _call(self._function(name), self._context, layer.args_at, first + len(params), at, 1)
        for used in range(first, first + len(params)):
            slots[used].text = None  # large payloads are not kept alive until the next call
        if error:
            raise wasmtime.WasmtimeError._from_ptr(cast(error, ctypes.POINTER(b.wasmtime_error_t)))
        try:
            return _read_result(at, signature.result)
        finally:
            if signature.result != "own<resource>":
                _delete(at)
            ctypes.memset(at, 0, _SLOT)

    def close(self) -> None:
        """Release the handle; the store is closed by its owner, after this."""
        if self._actor:
            b.wasmtime_component_resource_any_delete(
                cast(self._actor, ctypes.POINTER(b.wasmtime_component_resource_any_t))
            )
            self._actor = 0
        self._functions.clear()


def _text_at(at: int) -> str:
    kind, size, pointer = _PAIR.unpack(string_at(at, _SLOT))
    if kind != _STRING:
        raise wasmtime.WasmtimeError("a result has another type than the world says")
    return string_at(pointer, size).decode() if size else ""


def _read_result(at: int, ty: str | None) -> Any:
    kind, word, pointer = _PAIR.unpack(string_at(at, _SLOT))
    if ty == "own<resource>" and kind == _RESOURCE:
        return word
    if ty == abi.OPTION_STRING and kind == _OPTION:
        return _text_at(word) if word else None
    if kind == _RESULT:
        if word & 0xFF:
            return _text_at(pointer) if ty == abi.RESULT_STRING else None
        return GuestError(_text_at(pointer))
    raise wasmtime.WasmtimeError("a result has another type than the world says")
