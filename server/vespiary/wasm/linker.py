"""Connects a checked component's imports to the host: our interfaces, the WASI shims, and traps for all else.

One linker serves every instance of a component: host functions find their step through `imports.current`.
"""

from collections.abc import Callable
from typing import Any

import wasmtime
from wasmtime import component as wc

from vespiary.wasm import abi
from vespiary.wasm.call import CallLayer
from vespiary.wasm.imports import IMPLEMENTATIONS, current
from vespiary.wasm.shims import SHIMS
from vespiary.wasm.world import wasi_interface


def make_linker(
    engine: wasmtime.Engine, component: wc.Component, wasi: dict[str, dict[str, Any]], layer: CallLayer
) -> wc.Linker:
    """A linker for this component. `wasi` is what `check_world` gave."""
    linker = wc.Linker(engine)
    with linker.root() as root:
        for interface, functions in abi.IMPORTS.items():
            with root.add_instance(abi.interface_name(interface)) as instance:
                for name, signature in functions.items():
                    layer.add_function(instance, name, signature, IMPLEMENTATIONS[interface][name])
        for full_name, items in wasi.items():
            shims = SHIMS.get(wasi_interface(full_name) or "")
            if shims is None:
                continue
            with root.add_instance(full_name) as instance:
                for name, ty in items.items():
                    if isinstance(ty, wc.FuncType):
                        shim = shims.get(name)
                        answer = _forbidden(full_name, name) if shim is None else _in_step(shim.answer)
                        instance.add_func(name, answer)
    linker.define_unknown_imports_as_traps(component)
    return linker


def _in_step(answer: Callable[..., Any]) -> Callable[..., Any]:
    def call(_store: Any, *args: Any) -> Any:
        box = current()
        if box is None:
            raise wasmtime.WasmtimeError("the host was called outside a step")
        return answer(box, *args)

    return call


def _forbidden(interface: str, name: str) -> Callable[..., Any]:
    def refuse(_store: Any, *_args: Any) -> Any:
        raise wasmtime.WasmtimeError(f"an actor may not use {interface} {name}")

    return refuse
