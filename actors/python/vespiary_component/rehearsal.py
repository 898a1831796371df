"""The built-in actors at work while the component is built, so that each instance finds their code specialised and its caches full.

Talks to an actor as the host does: with messages that its conversation needs, a call of each of its tools, and an answer to each
request. What comes of it does not matter and is thrown away.
"""

import contextlib
import json
from typing import Any, Protocol

from vespiary_sdk._instance import HOST_SCOPE

from vespiary_component.warm import SCOPE, NullPort

ROUNDS = 12
"""Enough for the interpreter to take code for hot."""

_MOST_ANSWERS = 12

_TOOL_CALL = {"id": "1", "name": "look", "arguments": '{"path": "a"}'}
_LOOK = {"name": "look", "description": "Look.", "parameters": {"type": "object"}}
_FILE: dict[str, Any] = {
    "path": "a",
    "kind": "file",
    "text": "one\nthree\n",
    "hash": "0",
    "size": 8,
    "entries": [{"path": "a", "kind": "file", "size": 8}],
    "matches": [{"path": "a", "line": 1, "column": 1, "text": "one"}],
    "truncated": False,
}
_RAN: dict[str, Any] = {
    "status": "exited",
    "code": 0,
    "stdout": "out\n",
    "stderr": "",
    "stdout_truncated": False,
    "stderr_truncated": False,
    "duration_ms": 1,
}
_WORDS = ("one", "two")


class Exported(Protocol):
    """What the component exports."""

    def describe(self) -> str:
        """Its tools and subscriptions."""
        ...

    def handle(self, id: str, message_type: str, sender: str, scope: str, payload: str, /) -> None:
        """Take a message."""
        ...

    def reply(self, id: int, ok: bool, payload: str, /) -> None:
        """Take an answer."""
        ...

    def snapshot(self) -> str | None:
        """Give the state."""
        ...


def rehearse(actor: Exported, port: NullPort) -> None:
    """One conversation."""
    tools: list[dict[str, Any]] = []
    with contextlib.suppress(Exception):
        tools = json.loads(actor.describe())["tools"]
    _tell(actor, "vespiary.actor.ready", HOST_SCOPE, {"actor": f"{SCOPE}/warm"})
    _tell(actor, "vespiary.agent.ready", HOST_SCOPE, {"tools": [_LOOK]})
    _tell(actor, "vespiary.agent.message", HOST_SCOPE, {"role": "user", "text": "Look."})
    _answer(actor, port)
    for tool in tools:
        call = {"call": tool["name"], "name": tool["name"], "arguments": _arguments(tool["parameters"])}
        _tell(actor, "vespiary.tool.call", SCOPE, call)
        _answer(actor, port)
    with contextlib.suppress(Exception):
        actor.snapshot()


def _tell(actor: Exported, message_type: str, scope: str, payload: Any) -> None:
    with contextlib.suppress(Exception):
        actor.handle("root:1", message_type, f"{scope}/host", scope, json.dumps(payload))


def _answer(actor: Exported, port: NullPort) -> None:
    """Answer what is asked, and the calls of tools, until all is said."""
    for count in range(_MOST_ANSWERS):
        for call in port.take_calls():
            _tell(actor, "vespiary.tool.result", SCOPE, {**call, "ok": True, "content": "found\n" * 20})
        if not port.open:
            return
        number = next(iter(port.open))
        capability = port.open.pop(number)
        with contextlib.suppress(Exception):
            actor.reply(number, True, json.dumps(_content(capability, last=count > 1)))


def _content(capability: str, *, last: bool) -> dict[str, Any]:
    if capability == "llm":
        message: dict[str, Any] = {"role": "assistant", "content": "Done." if last else "Looking."}
        if not last:
            message["tool_calls"] = [_TOOL_CALL]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {"message": message, "finish": "stop" if last else "tool_calls", "usage": usage, "model": "m"}
    return _RAN if capability == "command" else _FILE


def _arguments(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in schema.get("required", []):
        found[name] = _sample(schema["properties"][name], _WORDS[len(found) % 2])
    return found


def _sample(schema: dict[str, Any], word: str) -> Any:
    match schema.get("type"):
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "array":
            return [_sample(schema.get("items", {}), word)]
        case "object":
            return _arguments(schema)
        case _:
            return word
