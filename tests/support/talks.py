"""A conversation with the built-in assistant, on a fake host: what the model says and what tools give is up to the test."""

from typing import Any

from assistant import Assistant
from vespiary_sdk.testing import FakeHost, Request, Sent, completion

SCOPE = "abc123"


def tool_spec(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": f"{name} it", "parameters": {"type": "object"}, **more}


class Talk:
    """An assistant whose agent has the tools `look` and `run`, or those given."""

    def __init__(self, config: dict[str, Any] | None = None, *, tools: Any = None, ready: bool = True) -> None:
        self.host = FakeHost(Assistant, config, name="assistant", scope=SCOPE, collect_failures=True)
        self.tools = [tool_spec("look"), tool_spec("run")] if tools is None else tools
        if ready:
            self.ready()

    def ready(self) -> list[Sent]:
        return self.host.send(
            "vespiary.agent.ready", {"scope": SCOPE, "name": "coder", "actors": [], "tools": self.tools}
        )

    def ask(self, text: str, role: str = "user", sender: str = "000000/host") -> list[Sent]:
        scope = sender.partition("/")[0]
        return self.host.send("vespiary.agent.message", {"role": role, "text": text}, sender=sender, scope=scope)

    @property
    def waiting(self) -> Request:
        """The model call under way."""
        (request,) = [request for request in self.host.requests if request.capability == "llm"]
        return request

    @property
    def thinking(self) -> bool:
        return any(request.capability == "llm" for request in self.host.requests)

    @property
    def heard(self) -> list[dict[str, Any]]:
        """What the model was told last, without the system prompt."""
        return self.waiting.payload["messages"][1:]

    @property
    def prompt(self) -> str:
        first = self.waiting.payload["messages"][0]
        assert first["role"] == "system"
        return first["content"]

    def say(self, text: str = "", *tool_calls: tuple[str, Any], **more: Any) -> list[Sent]:
        """The model replies."""
        return self.host.answer(self.waiting, completion(text, tool_calls=tool_calls, **more))

    def reply(self, message: dict[str, Any], finish: str = "stop") -> list[Sent]:
        """The model replies with just this message."""
        answer = {
            "message": {"role": "assistant", "content": "", **message},
            "finish": finish,
            "usage": {},
            "model": "m",
        }
        return self.host.answer(self.waiting, answer)

    def result(
        self, call: str, content: str, ok: bool = True, sender: str = f"{SCOPE}/tools", **more: Any
    ) -> list[Sent]:
        """A tool answers."""
        payload = {"call": call, "name": "?", "ok": ok, "content": content}
        scope = sender.partition("/")[0]
        return self.host.send("vespiary.tool.result", payload, sender=sender, scope=scope, **more)

    def sent(self, type_: str) -> list[Any]:
        return [message.payload for message in self.host.sent if message.type == type_]

    @property
    def calls(self) -> list[dict[str, Any]]:
        return self.sent("vespiary.tool.call")

    @property
    def done(self) -> list[dict[str, Any]]:
        return self.sent("vespiary.agent.done")

    @property
    def states(self) -> list[str]:
        return [payload["state"] for payload in self.sent("vespiary.agent.status")]


def well_formed(messages: list[dict[str, Any]]) -> None:
    """What a provider takes back."""
    assert messages[-1]["role"] in ("user", "tool")
    open_calls: list[str] = []
    used: set[str] = set()
    before = None
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] == open_calls.pop(0)
        else:
            assert not open_calls
            assert message["role"] != before
        before = message["role"]
        ids = [call["id"] for call in message.get("tool_calls", ())]
        assert not used & set(ids)
        assert len(ids) == len(set(ids))
        used |= set(ids)
        open_calls += ids
        if message["role"] == "assistant":
            assert message["content"].strip() or ids
    assert not open_calls
