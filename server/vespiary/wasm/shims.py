"""The little of WASI 0.2 that an actor may touch, answered from the step instead of the host.

No environment, no arguments, no folders; the wall clock stands at the step's time; the monotonic clock advances a microsecond
with each look; random bytes come from the step's seed. Everything else of WASI traps. So nothing of the host shows, and a step
repeated sees the same. Called through wasmtime's own conversions: these are rare, and their types are richer than ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wasmtime import WasmtimeError
from wasmtime.component import Record

from vespiary.wasm.abi import U64, Signature
from vespiary.wasm.outbox import Outbox

MAX_RANDOM = 16_384
"""Bytes of one WASI read; the conversion costs 3 us each, and a host call cannot be interrupted."""

_INSTANT = "record{seconds:u64,nanoseconds:u32}"


@dataclass(frozen=True, slots=True)
class Shim:
    """A host function: what a component must import it as, and what it answers."""

    signature: Signature
    answer: Callable[..., Any]


def _fact(read: Callable[[Outbox], Any]) -> Callable[..., Any]:
    return read


def _instant(nanoseconds: int) -> Record:
    record: Any = Record()
    record.seconds, record.nanoseconds = divmod(nanoseconds, 1_000_000_000)
    return record


def _random_bytes(box: Outbox, count: int) -> bytes:
    if count > MAX_RANDOM:
        # A WasmtimeError, and nothing else, may leave a host function: it becomes a trap of this one guest.
        raise WasmtimeError(f"{count} random bytes at once; {MAX_RANDOM} are the most")
    return box.wasi_random().take(count)


def _nothing(_box: Outbox) -> list[Any]:
    return []


_RANDOM_BYTES = Shim(Signature((U64,), "list<u8>"), _random_bytes)
_RANDOM_U64 = Shim(Signature((), U64), _fact(lambda box: box.wasi_random().take_u64()))

SHIMS: Mapping[str, Mapping[str, Shim]] = {
    "cli/environment": {
        "get-environment": Shim(Signature((), "list<tuple<string,string>>"), _nothing),
        "get-arguments": Shim(Signature((), "list<string>"), _nothing),
        "initial-cwd": Shim(Signature((), "option<string>"), _fact(lambda _box: None)),
    },
    "clocks/wall-clock": {
        "now": Shim(Signature((), _INSTANT), _fact(lambda box: _instant(box.now))),
        "resolution": Shim(Signature((), _INSTANT), _fact(lambda _box: _instant(1_000))),
    },
    "clocks/monotonic-clock": {
        "now": Shim(Signature((), U64), _fact(lambda box: box.tick())),
        "resolution": Shim(Signature((), U64), _fact(lambda _box: 1_000)),
    },
    "random/random": {"get-random-bytes": _RANDOM_BYTES, "get-random-u64": _RANDOM_U64},
    "random/insecure": {"get-insecure-random-bytes": _RANDOM_BYTES, "get-insecure-random-u64": _RANDOM_U64},
    "random/insecure-seed": {
        "insecure-seed": Shim(
            Signature((), "tuple<u64,u64>"),
            _fact(lambda box: (box.wasi_random().take_u64(), box.wasi_random().take_u64())),
        ),
    },
    "filesystem/preopens": {
        "get-directories": Shim(Signature((), "list<tuple<own<resource>,string>>"), _nothing),
    },
}
"""By interface without its version, then by function."""
