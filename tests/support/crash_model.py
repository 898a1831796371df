"""A model whose replies are a function of the conversation: whoever asks again gets the same again.

Every reply and every text that it writes into a file holds a digest of the whole conversation so far, so that a single character
that was other than in an undisturbed run shows in the end. Knows nothing of crashes.
"""

import hashlib
import json
import re
from typing import Any

from support.fake_openai import Asked, Reply, call, say

Json = dict[str, Any]
Call = tuple[str, Json]

LIFE = "VESPIARY_CRASH_LIFE"
"""The environment variable that holds the key of a life, so that the model knows who asks."""
LINES = 12
FILES = ("a", "b", "c")
ROLES = ("root", "one", "two", "lead", "deep")
"""Agents of the run: `root` has `one`, `two` and `lead` made, `lead` has `deep` made."""
BELOW = {"root": ("one", "two", "lead"), "lead": ("deep",)}


def files() -> dict[str, str]:
    """The workspace that the conversation begins with."""
    return {
        f"{role}/{name}.txt": "".join(f"{role} {name} {line}\n" for line in range(LINES))
        for role in ROLES
        for name in FILES
    }


def canonical(messages: list[Json]) -> str:
    """What of a conversation counts, in one form for the provider's and the actor's way to write it."""
    plain: list[Any] = []
    for message in messages:
        calls: list[Any] = []
        for each in message.get("tool_calls") or ():
            function = each.get("function", each)
            calls.append([each.get("id"), function["name"], function["arguments"]])
        plain.append([message["role"], message.get("content") or "", calls, message.get("tool_call_id")])
    return json.dumps(plain, ensure_ascii=False)


def key(messages: list[Json]) -> str:
    """Which conversation, and how far it is: for people to read, and unique."""
    spoken = sum(message["role"] == "assistant" for message in messages)
    digest = hashlib.sha256(canonical(messages).encode()).hexdigest()[:16]
    return f"{role_of(messages)} {spoken} {digest}"


def role_of(messages: list[Json]) -> str:
    """The agent that asks."""
    first = next(message["content"] for message in messages if message["role"] == "user")
    found = re.search(r"role=(\w+)", first)
    assert found is not None, first
    return found[1]


def answer(asked: Asked, *, pause: float = 0.004, command: str | None = None) -> Reply:
    """The reply to a request, streamed in pieces `pause` seconds apart."""
    messages = asked.messages
    role = role_of(messages)
    turn = sum(message["role"] == "assistant" for message in messages)
    digest = key(messages).rpartition(" ")[2]
    text = f"Turn {turn} of {role} after {digest}. "
    calls = _calls(role, turn, digest)
    if turn == 0 and role == "root" and command is not None:
        calls.append(("execute_bash", {"command": command}))
    more: Json = {"split": 300, "pause": pause, "pieces": 16, "latency": pause}
    if not calls:
        return say(f"{role} is done after {digest}.", **more)
    return Reply(text=text, tool_calls=calls, **more)


def _calls(role: str, turn: int, digest: str) -> list[Call]:
    a, b, c = (f"{role}/{name}.txt" for name in FILES)
    match turn:
        case 0:
            below = [("delegate", {"agent": _agent(each), "prompt": f"role={each}"}) for each in BELOW.get(role, ())]
            return [("read_file", {"path": path}) for path in (a, b, c)] + below
        case 1:
            both = [
                _edit(path, [(f"{role} {name} 3\n", f"{role} {name} 3 {digest}\n"), (f"{role} {name} 7\n", "")])
                for name, path in (("a", a), ("b", b))
            ]
            report = [] if role == "root" else [("report", {"text": f"{role} {digest}"})]
            return [*both, ("delete_file", {"path": c}), *report]
        case 2:
            return [
                _edit(a, [(f"{role} a 5\n", f"{role} a 5 {digest}\n")]),
                ("create_file", {"path": f"{role}/new.txt", "content": f"new {digest}\n"}),
                ("read_file", {"path": b}),
            ]
        case 3:
            report = [] if role == "root" else [("report", {"text": f"{role} {digest}"})]
            return [
                ("rename_file", {"path": f"{role}/new.txt", "to": f"{role}/moved.txt"}),
                _edit(b, [(f"{role} b 11\n", f"{role} b 11 {digest}\n")]),
                *report,
            ]
        case _:
            return []


def _agent(role: str) -> str:
    return "lead" if role == "lead" else "child"


def _edit(path: str, edits: list[tuple[str, str]]) -> Call:
    return "edit_file", {"path": path, "edits": [{"old_string": old, "new_string": new} for old, new in edits]}


__all__ = ["answer", "call", "canonical", "files", "key", "role_of"]
