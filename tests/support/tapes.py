"""A conversation of the assistant as a tape: every input and what came of it, to be played to another instance."""

import json
from dataclasses import dataclass, field
from typing import Any

from support.talks import SCOPE, Talk
from vespiary_sdk.testing import FakeHost, completion

Outputs = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Input:
    """A message (`type` is its type), or an answer to the oldest open request of a capability (`type` is `llm` or `timer`)."""

    type: str
    payload: Any
    sender: str = "000000/host"
    ok: bool = True

    @property
    def is_answer(self) -> bool:
        return "." not in self.type


@dataclass
class Tape:
    """Inputs, what came of each, and the states that there were: by the number of inputs before them."""

    inputs: list[Input] = field(default_factory=list[Input])
    outputs: list[Outputs] = field(default_factory=list[Outputs])
    states: dict[int, str] = field(default_factory=dict[int, str])


class Recorder:
    """Plays a native assistant and notes everything."""

    def __init__(self, config: dict[str, Any] | None = None, talk: Talk | None = None) -> None:
        self.talk = talk or Talk(config, ready=False)
        self.tape = Tape()
        self.note()

    @property
    def host(self) -> FakeHost:
        return self.talk.host

    def note(self) -> None:
        if (state := self.host.snapshot()) is not None:
            self.tape.states[len(self.tape.inputs)] = state

    def play(self, entry: Input) -> Outputs:
        """One input, noted with what came of it."""
        outputs = play(self.host, entry)
        self.tape.inputs.append(entry)
        self.tape.outputs.append(outputs)
        self.note()
        return outputs

    def open_calls(self) -> list[str]:
        """The tool calls that wait for a result."""
        answered = {result["call"] for result in self.talk.sent("vespiary.tool.result")}
        answered |= {entry.payload["call"] for entry in self.tape.inputs if entry.type == "vespiary.tool.result"}
        return [call["call"] for call in self.talk.calls if call["call"] not in answered]

    def waits_for(self, capability: str) -> bool:
        return any(request.capability == capability for request in self.host.requests)

    def ready(self, *tools: dict[str, Any]) -> None:
        self.play(Input("vespiary.agent.ready", {"scope": SCOPE, "tools": list(tools)}))

    def ask(self, text: str) -> None:
        self.play(Input("vespiary.agent.message", {"role": "user", "text": text}))

    def say(self, text: str, *calls: tuple[str, Any], finish: str | None = None) -> None:
        self.play(Input("llm", completion(text, tool_calls=calls, finish=finish)))

    def result(self, call: str, content: str, actor: str = "tools") -> None:
        payload = {"call": call, "name": "?", "ok": True, "content": content}
        self.play(Input("vespiary.tool.result", payload, f"{SCOPE}/{actor}"))


def play(host: FakeHost, entry: Input) -> Outputs:
    """One input to a native assistant. Requests are told without their numbers, which a new instance counts from the start."""
    sent, open_, cancelled = len(host.sent), list(host.requests), len(host.cancelled)
    if entry.is_answer:
        request = next(request for request in host.requests if request.capability == entry.type)
        if entry.ok:
            host.answer(request, entry.payload)
        else:
            host.refuse(request, entry.payload["code"], entry.payload["message"])
    else:
        host.send(entry.type, entry.payload, id="root:m1", sender=entry.sender, scope=entry.sender.partition("/")[0])
    outputs: Outputs = [("send", message.type, plain(message.payload)) for message in host.sent[sent:]]
    outputs += [
        ("request", request.capability, plain(request.payload)) for request in host.requests if request not in open_
    ]
    outputs += [("cancel", request.capability) for request in host.cancelled[cancelled:] if request in open_]
    return sorted(outputs, key=str)


def plain(value: Any) -> str:
    """JSON in one form."""
    return json.dumps(value, sort_keys=True)
