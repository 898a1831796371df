"""What went wrong in a guest, in words for the actor's author. Knows wasmtime's texts; decides the kind of failure."""

import re
from typing import Any

import orjson

from vespiary.model.steps import FailureKind, StepFailure

MAX_MESSAGE = 8_000
_NUMBERED = re.compile(r"\d+: ")
_UNKNOWN_IMPORT = re.compile(r"unknown import: `?([^`]+?)`? has not been defined")

_TRAPS = {
    "call stack exhausted": "the actor's calls went too deep (call stack exhausted)",
    "wasm `unreachable` instruction executed": "the actor gave up (abort or panic)",
    "out of bounds memory access": "the actor read or wrote beyond its memory",
    "uninitialized element": "the actor called code that is not there, most often because it ran out of memory",
    "indirect call type mismatch": "the actor called code that is not there, most often because it ran out of memory",
    "integer divide by zero": "the actor divided by zero",
}


def cause_of(error: BaseException) -> str:
    """The innermost cause that wasmtime names, without the WebAssembly backtrace."""
    text = str(error)
    _, found, causes = text.rpartition("Caused by:")
    lines = [line.strip() for line in (causes if found else text).strip().splitlines() if line.strip()]
    if not lines:
        return "no reason given"
    last = lines[-1] if found else lines[0]
    return _NUMBERED.sub("", last, count=1) if _NUMBERED.match(last) else last


def trap_failure(error: BaseException, doing: str) -> StepFailure:
    """A failure for a trap that was neither a deadline nor an interrupt. `doing` says which call ended."""
    text = str(error)
    cause = cause_of(error)
    if (
        "exceeds memory limits" in text
        or "memory minimum size" in text
        or "failed to allocate memory" in text
        or "out of memory" in text
    ):
        return failure(FailureKind.MEMORY, f"{doing}: the actor needs more memory than its limit ({cause}).")
    if unknown := _UNKNOWN_IMPORT.search(text):
        return failure(FailureKind.TRAP, f"{doing}: the actor used {unknown.group(1)}, which actors do not have.")
    for known, words in _TRAPS.items():
        if known in text:
            return failure(FailureKind.TRAP, f"{doing}: {words}.")
    return failure(FailureKind.TRAP, f"{doing}: {cause.removeprefix('wasm trap: ')}.")


def handler_failure(report: str) -> StepFailure:
    """A failure for the `err` of `handle` or `reply`: `[{"message", "error"}]`, or whatever else the guest wrote there."""
    try:
        entries: Any = orjson.loads(report)
    except (ValueError, RecursionError):
        entries = None
    texts: list[str] = []
    if isinstance(entries, list):
        for entry in entries:  # pyright: ignore[reportUnknownVariableType]
            error: Any = entry.get("error") if isinstance(entry, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            if isinstance(error, str) and error.strip():
                texts.append(error)
    message = "\n".join(texts) if texts else report.strip()
    return failure(FailureKind.HANDLER, message or "The handler failed without saying why.")


def failure(kind: FailureKind, message: str) -> StepFailure:
    """A failure whose message is bounded, keeping its end: a traceback says most there."""
    if len(message) > MAX_MESSAGE:
        half = MAX_MESSAGE // 2
        message = f"{message[:half]}\n…\n{message[-half:]}"
    return StepFailure(kind, message)
