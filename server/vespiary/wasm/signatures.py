"""Types of a component's functions in WIT's notation, read from wasmtime, to be compared with `abi.py`."""

from collections.abc import Mapping
from typing import Any

from wasmtime import component as wc

from vespiary.wasm.abi import Signature

_PLAIN: Mapping[Any, str] = {
    wc.Bool: "bool",
    wc.S8: "s8",
    wc.S16: "s16",
    wc.S32: "s32",
    wc.S64: "s64",
    wc.U8: "u8",
    wc.U16: "u16",
    wc.U32: "u32",
    wc.U64: "u64",
    wc.F32: "f32",
    wc.F64: "f64",
    wc.Char: "char",
    wc.String: "string",
}


def type_text(ty: Any) -> str:
    """One type, `string` or `result<u64,string>`; resources are called `resource`."""
    plain = _PLAIN.get(ty.__class__)
    if plain is not None:
        return plain
    match ty:
        case wc.OptionType():
            return f"option<{type_text(ty.payload)}>"
        case wc.ResultType():
            ok, err = ty.ok, ty.err
            return f"result<{type_text(ok) if ok else '_'},{type_text(err) if err else '_'}>"
        case wc.ListType():
            return f"list<{type_text(ty.element)}>"
        case wc.TupleType():
            return f"tuple<{','.join(type_text(item) for item in ty.elements)}>"
        case wc.RecordType():
            return "record{" + ",".join(f"{name}:{type_text(item)}" for name, item in ty.fields) + "}"
        case wc.EnumType():
            return "enum{" + ",".join(ty.names) + "}"
        case wc.OwnType():
            return "own<resource>"
        case wc.BorrowType():
            return "borrow<resource>"
        case _:
            return type(ty).__name__.removesuffix("Type").lower()


def function_signature(ty: wc.FuncType) -> Signature:
    """A function's parameters and result."""
    result = ty.result
    return Signature(
        tuple(type_text(item) for _, item in ty.params),
        None if result is None else type_text(result),
    )


def signature_text(signature: Signature) -> str:
    """`func(string) -> result<u64,string>`, for people."""
    arrow = "" if signature.result is None else f" -> {signature.result}"
    return f"func({', '.join(signature.params)}){arrow}"
