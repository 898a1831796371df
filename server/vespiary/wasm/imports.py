"""What the host functions of the actor world do: each hands its arguments to the outbox of the step that runs.

Knows neither wasmtime nor how arguments cross the boundary; `abi.py` holds their types, `linker.py` connects the two.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from vespiary.wasm.outbox import Outbox, host_facts

HostFunction = Callable[..., Any]
"""Takes the outbox and the arguments. Gives the plain value of the result's `ok` side (none for nothing), or `Refused`."""


class _Current(threading.local):
    box: Outbox | None = None


_current = _Current()


def set_current(box: Outbox | None) -> None:
    """Make this the outbox of the step that runs on this thread; none after the step."""
    _current.box = box


def current() -> Outbox | None:
    """The outbox of the step that runs on this thread."""
    return _current.box


def _fact(read: Callable[[Outbox], Any]) -> HostFunction:
    return read


def _starter(capability: str) -> HostFunction:
    def start(box: Outbox, request: str) -> Any:
        return box.request(capability, request)

    return start


def _send_to(box: Outbox, scope: str, message_type: str, payload: str) -> Any:
    return box.send(message_type, payload, scope)


IMPLEMENTATIONS: Mapping[str, Mapping[str, HostFunction]] = {
    "messaging": {"send": Outbox.send, "send-to": _send_to},
    "agents": {"parent": _fact(lambda box: box.parent_scope), "start": _starter("agents")},
    "logger": {"log": Outbox.log},
    "context": {
        "now": _fact(lambda box: box.now),
        "random": Outbox.random_hex,
        "scope": _fact(lambda box: box.scope),
        "self": _fact(lambda box: box.actor),
        "host": _fact(lambda _box: host_facts()),
    },
    "requests": {"cancel": Outbox.cancel},
    "timer": {"start": Outbox.timer},
    "workspace": {"start": _starter("workspace")},
    "llm": {"start": _starter("llm")},
    "command": {"start": _starter("command")},
    "http": {"start": _starter("http")},
}
"""By interface, then by function, as in `abi.IMPORTS`."""
