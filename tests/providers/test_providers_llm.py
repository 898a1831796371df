"""The `llm` capability: a model call on behalf of an actor."""

import json
import random
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from support.fake_openai import FakeOpenAI, Reply, call, cut, fail, hang
from support.ports import CALLER, RecordingRun
from vespiary.capabilities.llm import LlmCapability
from vespiary.capabilities.llm_request import read_request
from vespiary.model.errors import RequestRefused
from vespiary.model.events import ReasoningDelta, Status, TextDelta, UsageEvent
from vespiary.model.runs import Usage
from vespiary.model.steps import Caller
from vespiary.providers.base import Provider, ProviderError
from vespiary.providers.openai import Endpoint, OpenAIProvider
from vespiary.providers.retry import RetryingProvider
from vespiary.providers.script import parse_script
from vespiary.providers.scripted import ScriptedProvider

HI: dict[str, Any] = {"role": "user", "content": "hi"}
TOOL: dict[str, Any] = {"name": "read_file", "description": "Reads.", "parameters": {"type": "object"}}


async def no_sleep(_: float) -> None:
    """Time flies."""


def scripted(text: str) -> Callable[[Caller, str], Provider]:
    provider = RetryingProvider(
        ScriptedProvider(parse_script(text), sleep=no_sleep), sleep=no_sleep, source=random.Random(1)
    )
    return lambda _caller, _name: provider


async def ask(capability: LlmCapability, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await capability(CALLER, json.dumps({"messages": [HI], **request})))
    return answer


@pytest.mark.anyio
@requirement("llm:answer")
async def test_a_call_is_streamed_to_the_run_and_answered_as_one_message() -> None:
    run = RecordingRun()
    script = """
    chunk = 3
    [[reply]]
    text = "Hello"
    reasoning = "hm"
    usage = { input_tokens = 3, output_tokens = 4 }
    tool_calls = [{ name = "read_file", arguments = { path = "a" } }, { name = "read_file" }]
    """
    answer = await ask(LlmCapability(run, scripted(script)), tools=[TOOL])
    assert answer == {
        "message": {
            "role": "assistant",
            "content": "Hello",
            "reasoning": "hm",
            "tool_calls": [
                {"id": "call_1_1", "name": "read_file", "arguments": '{"path": "a"}'},
                {"id": "call_1_2", "name": "read_file", "arguments": "{}"},
            ],
        },
        "finish": "tool_calls",
        "usage": {"input_tokens": 3, "output_tokens": 4, "reasoning_tokens": 0, "cached_tokens": 0, "calls": 1},
        "model": "scripted",
    }
    usage = Usage(3, 4, calls=1)
    assert run.events == [
        ReasoningDelta("hm"),
        TextDelta("Hel"),
        TextDelta("lo"),
        UsageEvent("scripted", usage, usage),
    ]


@pytest.mark.anyio
@requirement("llm:answer")
async def test_an_answer_can_be_handed_back_as_a_message() -> None:
    script = '[[reply]]\nturn = 1\ntool_calls = [{ name = "f" }]\n[[reply]]\ntext = "ok"\ntool = "f"\n'
    capability = LlmCapability(RecordingRun(), scripted(script))
    message = (await ask(capability))["message"]
    result = {"role": "tool", "content": "x", "tool_call_id": message["tool_calls"][0]["id"]}
    assert (await ask(capability, messages=[HI, message, result]))["message"]["content"] == "ok"


@pytest.mark.anyio
@requirement("llm:retries", "providers:retry")
async def test_a_rate_limit_is_waited_out_and_told() -> None:
    run = RecordingRun()
    script = '[[reply]]\ntimes = 1\nerror = { status = 429, retry_after = 2 }\n[[reply]]\ntext = "ok"\n'
    answer = await ask(LlmCapability(run, scripted(script)))
    assert answer["message"]["content"] == "ok"
    (status,) = [event for event in run.events if isinstance(event, Status)]
    assert status.state == "retrying"
    assert "429" in (status.detail or "")
    assert "in 2 s" in (status.detail or "")


@pytest.mark.anyio
@requirement("llm:retries", "providers:cut")
async def test_after_a_cut_the_first_half_is_dropped_and_the_restart_is_told() -> None:
    run = RecordingRun()
    script = '[[reply]]\ntimes = 1\ntext = "half"\nerror = { cut = true }\n[[reply]]\ntext = "whole"\n'
    answer = await ask(LlmCapability(run, scripted(script)))
    assert answer["message"]["content"] == "whole"
    assert [type(event) for event in run.events] == [TextDelta, Status, TextDelta, UsageEvent]
    assert isinstance(run.events[1], Status)
    assert run.events[1].state == "restarted"


@pytest.mark.anyio
@requirement("llm:retries", "providers:retry", "providers:cut", "providers:errors")
async def test_a_real_endpoint_that_fails_in_every_way_is_survived() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    bad = [fail(429, retry_after=1), fail(500), cut(), Reply(body=b"")]
    async with FakeOpenAI([*bad, call("read_file", {"path": "a"}, split=5, pieces=2)]) as server:
        provider = RetryingProvider(
            OpenAIProvider(Endpoint(server.base_url, "m")), sleep=sleep, source=random.Random(1)
        )
        answer = await ask(LlmCapability(RecordingRun(), lambda _caller, _name: provider), tools=[TOOL])
        await provider.aclose()
    assert answer["message"]["tool_calls"][0]["arguments"] == '{"path": "a"}'
    assert len(slept) == 4
    assert slept[0] >= 1


@pytest.mark.anyio
@requirement("providers:cancel")
async def test_a_cancelled_request_leaves_the_endpoint_at_once() -> None:
    async with FakeOpenAI([hang()]) as server:
        provider = RetryingProvider(OpenAIProvider(Endpoint(server.base_url, "m")))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                LlmCapability(RecordingRun(), lambda _caller, _name: provider), CALLER, json.dumps({"messages": [HI]})
            )
            await server.until(lambda server: server.calls == 1)
            tasks.cancel_scope.cancel()
        await server.until(lambda server: server.disconnects == 1, timeout=1)
        await provider.aclose()


@pytest.mark.anyio
async def test_the_provider_s_reason_reaches_the_actor() -> None:
    with pytest.raises(ProviderError, match="no such thing"):
        await ask(
            LlmCapability(RecordingRun(), scripted('[[reply]]\nerror = { status = 400, message = "no such thing" }\n'))
        )


@pytest.mark.anyio
@requirement("llm:refusals")
async def test_only_the_models_that_the_agent_was_given_are_called() -> None:
    asked: list[str] = []
    provider = scripted('[[reply]]\ntext = "ok"\n')

    def models(caller: Caller, name: str) -> Provider:
        asked.append(name)
        return provider(caller, name)

    capability = LlmCapability(RecordingRun(model="small", models=["large"]), models)
    await ask(capability)
    await ask(capability, model="large")
    assert asked == ["small", "large"]
    with pytest.raises(RequestRefused) as caught:
        await ask(capability, model="huge")
    assert caught.value.code == "llm.model-refused"
    assert asked == ["small", "large"]


ASSISTANT: dict[str, Any] = {"role": "assistant", "tool_calls": [{"id": "c", "name": "f", "arguments": "{}"}]}


NONSENSE: list[tuple[Any, str]] = [
    ("nonsense", "not JSON"),
    ([], "must be an object"),
    ({}, "Field 'messages' is missing"),
    ({"messages": []}, "must hold at least one message"),
    ({"messages": "hi"}, "'messages' must be a list"),
    ({"messages": [{"role": "king", "content": ""}]}, "'messages[0].role' must be one of"),
    ({"messages": [{"role": "user", "content": 1}]}, "'messages[0].content' must be text"),
    ({"messages": [{"role": "user", "contents": "x"}]}, "'messages[0].contents'. Known fields: content"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id' must be the id of an earlier tool call"),
    ({"messages": [{**ASSISTANT, "role": "user"}]}, "only an assistant message has them"),
    (
        {"messages": [HI, {"role": "assistant", "tool_calls": [{"id": "c"}]}]},
        "'messages[1].tool_calls[0].name' is missing",
    ),
    ({"messages": [HI], "tools": [{"name": "a b"}]}, "'tools[0].name' must be"),
    ({"messages": [HI], "tools": [TOOL, TOOL]}, "two called 'read_file'"),
    ({"messages": [HI], "tools": [{"name": "f", "parameters": []}]}, "must be a JSON schema"),
    ({"messages": [HI], "tool_choice": "maybe"}, "'tool_choice' must be one of"),
    ({"messages": [HI], "tool_choice": "required"}, "cannot be required without tools"),
    ({"messages": [HI], "max_tokens": 0}, "'max_tokens' must be from 1"),
    ({"messages": [HI], "temperature": 9}, "'temperature' must be from 0 to 2"),
    ({"messages": [HI], "maxtokens": 1}, "Unknown field 'maxtokens'"),
]


@pytest.mark.parametrize(("request_", "says"), NONSENSE)
@requirement("llm:refusals")
def test_a_malformed_request_is_refused_with_what_is_wrong(request_: Any, says: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        read_request(request_ if isinstance(request_, str) else json.dumps(request_))
    assert caught.value.code == "llm.request"
    assert says in str(caught.value)


def test_a_tool_may_carry_its_schema_as_text() -> None:
    _, request = read_request(json.dumps({"messages": [HI], "tools": [{**TOOL, "parameters": '{"type": "object"}'}]}))
    assert request.tools[0].parameters == {"type": "object"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "role", "content", "tools", "name", "tool_calls", "stop"]), inner
        )
    ),
    max_leaves=15,
)


@given(JSON | st.text())
@requirement("llm:refusals")
def test_any_request_is_read_or_refused(value: Any) -> None:
    for payload in (json.dumps(value), str(value)):
        try:
            read_request(payload)
        except RequestRefused:
            continue
