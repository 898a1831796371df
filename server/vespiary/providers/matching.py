"""Which scripted reply a conversation gets. Pure: the same conversation gets the same reply, in any process and any order.

A reply with `tool` or `result` answers tool results: it is given only while the conversation ends with them. A reply with `turn` is
given at that turn. A reply with none of these is given when the conversation ends with what a person said. The first reply all of
whose conditions hold is given. `times` counts earlier turns of the same conversation, found by playing it again; for a reply that
fails it counts attempts of the same call.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vespiary.providers.base import ChatMessage, ProviderError
from vespiary.providers.script import Reply, Script

_SHOWN = 300
"""Characters of a text that an error shows."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What of a conversation the conditions look at. `results` are the tool results that it ends with, as (tool, content)."""

    system: str
    user: str
    results: tuple[tuple[str, str], ...]
    turn: int


def situation(messages: Sequence[ChatMessage]) -> Situation:
    """The situation after these messages."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    results: list[tuple[str, str]] = []
    for message in reversed(messages):
        if message.role == "system":
            continue
        if message.role != "tool":
            break
        results.append((names.get(message.tool_call_id or "", ""), message.content))
    return Situation(
        system="\n".join(message.content for message in messages if message.role == "system"),
        user=next((message.content for message in reversed(messages) if message.role == "user"), ""),
        results=tuple(reversed(results)),
        turn=1 + sum(message.role == "assistant" for message in messages),
    )


@dataclass(frozen=True, slots=True)
class Match:
    """A reply that is given, and what its regular expressions captured."""

    reply: Reply
    captured: dict[str, str]


def choose(script: Script, messages: Sequence[ChatMessage], attempt: int) -> Match:
    """The reply for this conversation. Raises `ProviderError` (`script.no-match`) that shows what was asked and what is near."""
    used = _used(script, messages)
    now = situation(messages)
    for reply in script.replies:
        if reply.times is not None:
            count = attempt - 1 if reply.error is not None else used[reply.number]
            if count >= reply.times:
                continue
        failed, captured = _judge(reply, now)
        if not failed:
            return Match(reply, captured)
    if script.default is not None:
        return Match(script.default, {})
    raise _no_match(script, now, used)


def _used(script: Script, messages: Sequence[ChatMessage]) -> Counter[int]:
    """How often each counted reply was given earlier in this conversation."""
    used: Counter[int] = Counter()
    if not any(reply.times is not None and reply.error is None for reply in script.replies):
        return used
    for index, message in enumerate(messages):
        if message.role != "assistant":
            continue
        then = situation(messages[:index])
        for reply in script.replies:
            # A reply that fails leaves no message behind.
            if reply.error is not None or (reply.times is not None and used[reply.number] >= reply.times):
                continue
            if not _judge(reply, then)[0]:
                used[reply.number] += 1
                break
    return used


def _judge(reply: Reply, now: Situation) -> tuple[list[str], dict[str, str]]:
    """The conditions that do not hold, in words, and what the others captured."""
    failed: list[str] = []
    captured: dict[str, str] = {}
    for name, condition, where in (("user", reply.user, now.user), ("system", reply.system, now.system)):
        if condition is None:
            continue
        found = condition.find(where)
        if found is None:
            failed.append(f"{name} has no {condition}")
        else:
            captured |= found
    if reply.turn is not None and reply.turn != now.turn:
        failed.append(f"turn is {now.turn} and not {reply.turn}")
    if reply.tool is not None or reply.result is not None:
        if (found := _result(reply, now)) is None:
            failed.append(_missing_result(reply))
        else:
            captured |= found
    elif reply.turn is None and now.results:
        failed.append("the conversation ends with tool results, and it names no tool, result or turn")
    return failed, captured


def _result(reply: Reply, now: Situation) -> dict[str, str] | None:
    for tool, content in now.results:
        if reply.tool is not None and tool != reply.tool:
            continue
        found = {} if reply.result is None else reply.result.find(content)
        if found is not None:
            return found
    return None


def _missing_result(reply: Reply) -> str:
    whose = f"a result of {reply.tool}" if reply.tool else "a tool result"
    return f"there is no {whose.removeprefix('a ')}" + (f" with {reply.result}" if reply.result else "")


def _no_match(script: Script, now: Situation, used: Counter[int]) -> ProviderError:
    said = [f"the last user message is {_cut(now.user)}" if now.user else "there is no user message"]
    said += [f"{tool or 'a tool'} returned {_cut(content)}" for tool, content in now.results]
    judged = sorted(((len(_judge(reply, now)[0]), reply) for reply in script.replies), key=lambda pair: pair[0])
    near: list[str] = []
    for count, reply in judged[:3]:
        why = (
            "; ".join(_judge(reply, now)[0])
            if count
            else f"it was used {used[reply.number] or reply.times} times already"
        )
        near.append(f"- {reply.label}: {why}")
    nearest = "\nNearest:\n" + "\n".join(near) if near else ""
    return ProviderError(
        f"No reply of the script {script.source} matches: at turn {now.turn}, {', and '.join(said)}.{nearest}",
        hint="Add a [[reply]] for this, or a [default].",
        code="script.no-match",
    )


def _cut(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
