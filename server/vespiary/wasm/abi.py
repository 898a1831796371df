"""The actor world as the host reads it: every function of `wit/` with its types, in WIT's own notation.

A test compares this table with `wit/*.wit`. Knows names and types only; what a function does is in `imports.py`.
"""

from dataclasses import dataclass

PACKAGE = "vespiary:actor"
VERSION = "0.1.0"
EXPORT = f"{PACKAGE}/actor@{VERSION}"
RESOURCE = "actor"

STRING = "string"
U32 = "u32"
U64 = "u64"
BOOL = "bool"
LEVEL = "enum{debug,info,warn,error}"
OPTION_STRING = "option<string>"
RESULT_NOTHING = "result<_,string>"
RESULT_STRING = "result<string,string>"
RESULT_U64 = "result<u64,string>"


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameter types in order, and the result type; no result is none. For a method, `self` is left out."""

    params: tuple[str, ...]
    result: str | None = None


_START = Signature((STRING,), RESULT_U64)

IMPORTS: dict[str, dict[str, Signature]] = {
    "messaging": {
        "send": Signature((STRING, STRING), RESULT_NOTHING),
        "send-to": Signature((STRING, STRING, STRING), RESULT_NOTHING),
    },
    "agents": {"parent": Signature((), OPTION_STRING), "start": _START},
    "logger": {"log": Signature((LEVEL, STRING))},
    "context": {
        "now": Signature((), U64),
        "random": Signature((U32,), STRING),
        "scope": Signature((), STRING),
        "self": Signature((), STRING),
        "host": Signature((), STRING),
    },
    "requests": {"cancel": Signature((U64,))},
    "timer": {"start": Signature((U64,), U64)},
    "workspace": {"start": _START},
    "llm": {"start": _START},
    "command": {"start": _START},
    "http": {"start": _START},
}

CONSTRUCTOR = Signature((STRING, STRING), "own<resource>")

METHODS: dict[str, Signature] = {
    "describe": Signature((), RESULT_STRING),
    "handle": Signature((STRING, STRING, STRING, STRING, STRING), RESULT_NOTHING),
    "reply": Signature((U64, BOOL, STRING), RESULT_NOTHING),
    "snapshot": Signature((), OPTION_STRING),
    "restore": Signature((STRING,), RESULT_NOTHING),
}


def interface_name(interface: str) -> str:
    """The full name under which a component imports one of our interfaces."""
    return f"{PACKAGE}/{interface}@{VERSION}"


def constructor_name() -> str:
    """The name of the constructor within the exported interface."""
    return f"[constructor]{RESOURCE}"


def method_name(method: str) -> str:
    """The name of a method within the exported interface."""
    return f"[method]{RESOURCE}.{method}"
