"""Checks a component against the world of an actor before it is instantiated.

What passes here is what the call layer may rely on: it reads arguments by the types of `abi.py`, so a component that imports one
of our functions with another type must not get further. Collects every fault before it speaks.
"""

import re
from typing import Any

import wasmtime
from wasmtime import component as wc

from vespiary.wasm import abi
from vespiary.wasm.errors import ComponentRejected
from vespiary.wasm.shims import SHIMS
from vespiary.wasm.signatures import function_signature, signature_text

_WASI = re.compile(r"wasi:([a-z0-9-]+/[a-z0-9-]+)@0\.2\.\d+\Z")
_COMPONENT_MAGIC = b"\0asm\x0d\0\x01\0"
_MODULE_MAGIC = b"\0asm\x01\0\0\0"
_SHOWN = 12


def check_bytes(data: bytes, name: str) -> None:
    """Refuse what cannot be a component by its first bytes. Text is left to the parser, which takes WAT."""
    if data.startswith(_COMPONENT_MAGIC):
        return
    if data.startswith(_MODULE_MAGIC):
        raise ComponentRejected(
            f"{name} is a core WebAssembly module, not a component.",
            hint="Turn it into a component of the world vespiary:actor/vespiary-actor, for example with componentize-py or jco.",
        )
    if data.startswith(b"\0asm"):
        raise ComponentRejected(
            f"{name} is WebAssembly of an unknown version.", hint="Build it again as a component of WASI 0.2."
        )
    head = data[:4096]
    if b"\0" in head or not head.strip() or not name.endswith(".wat"):
        raise ComponentRejected(
            f"{name} is not a WebAssembly component.", hint="Give a .wasm component, or a .wat file with its text."
        )


def wasi_interface(name: str) -> str | None:
    """`wasi:clocks/wall-clock@0.2.6` gives `clocks/wall-clock`; anything that is not WASI 0.2 gives none."""
    match = _WASI.match(name)
    return match.group(1) if match else None


def check_world(component: wc.Component, engine: wasmtime.Engine, name: str) -> dict[str, dict[str, Any]]:
    """Check imports and exports. Gives the imported WASI instances with their items, for the linker.

    Raises `ComponentRejected` naming all that is missing and all that an actor must not ask for.
    """
    try:
        imports = {key: item.ty for key, item in component.type.imports(engine).items()}
        exports = {key: item.ty for key, item in component.type.exports(engine).items()}
        forbidden, wasi = _check_imports(imports, engine)
        missing = _check_exports(exports, engine)
    except (RecursionError, TypeError, ValueError) as fault:
        raise ComponentRejected(
            f"{name} uses types that an actor cannot have: {fault}.",
            hint="See wit/world.wit for the world of an actor.",
        ) from fault
    if not missing and not forbidden:
        return wasi
    sentences: list[str] = []
    if missing:
        sentences.append(f"it lacks {_listing(missing)}")
    if forbidden:
        sentences.append(f"it asks for {_listing(forbidden)}")
    raise ComponentRejected(
        f"{name} is not an actor of the world {abi.PACKAGE}/vespiary-actor@{abi.VERSION}: {'; '.join(sentences)}.",
        hint="Build it against wit/world.wit of this version; an actor gets nothing from the host beside that and WASI 0.2.",
    )


def _check_imports(imports: dict[str, Any], engine: wasmtime.Engine) -> tuple[list[str], dict[str, dict[str, Any]]]:
    known = {abi.interface_name(interface): functions for interface, functions in abi.IMPORTS.items()}
    forbidden: list[str] = []
    wasi: dict[str, dict[str, Any]] = {}
    for name, ty in imports.items():
        interface = wasi_interface(name)
        if not isinstance(ty, wc.ComponentInstanceType) or (interface is None and name not in known):
            forbidden.append(name)
            continue
        items = {key: item.ty for key, item in ty.exports(engine).items()}
        if interface is not None:
            wasi[name] = items
            expected = {key: shim.signature for key, shim in SHIMS.get(interface, {}).items()}
            forbidden += _wrong_functions(name, items, expected, closed=False)
        else:
            forbidden += _wrong_functions(name, items, known[name], closed=True)
    return forbidden, wasi


def _wrong_functions(
    name: str, items: dict[str, Any], expected: dict[str, abi.Signature], *, closed: bool
) -> list[str]:
    wrong: list[str] = []
    for key, ty in items.items():
        if isinstance(ty, wc.FuncType):
            wanted = expected.get(key)
            if wanted is None:
                if closed:
                    wrong.append(f"{name} {key}")
            elif (found := function_signature(ty)) != wanted:
                wrong.append(f"{name} {key} as {signature_text(found)} instead of {signature_text(wanted)}")
        elif closed and isinstance(ty, wc.ComponentType | wc.ModuleType | wc.ComponentInstanceType | wc.ResourceType):
            wrong.append(f"{name} {key}")
    return wrong


def _check_exports(exports: dict[str, Any], engine: wasmtime.Engine) -> list[str]:
    actor = exports.get(abi.EXPORT)
    if not isinstance(actor, wc.ComponentInstanceType):
        return [f"the export {abi.EXPORT}"]
    items = {key: item.ty for key, item in actor.exports(engine).items()}
    expected = {abi.constructor_name(): abi.CONSTRUCTOR} | {
        abi.method_name(method): abi.Signature(("borrow<resource>", *signature.params), signature.result)
        for method, signature in abi.METHODS.items()
    }
    missing: list[str] = []
    for key, wanted in expected.items():
        ty = items.get(key)
        if not isinstance(ty, wc.FuncType):
            missing.append(f"{key} in {abi.EXPORT}")
        elif (found := function_signature(ty)) != wanted:
            missing.append(f"{key} as {signature_text(wanted)} (it has {signature_text(found)})")
    return missing


def _listing(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
