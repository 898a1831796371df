"""Requests that nobody has checked, and the agents capability, which does little else."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from support.memory_ports import Ask, MemoryRun, asker
from vespiary.capabilities.agents import AgentsCapability
from vespiary.capabilities.requests import Fields
from vespiary.capabilities.workspace import WorkspaceCapability
from vespiary.model.errors import RequestRefused
from vespiary.model.grants import Grant
from vespiary.model.wire import to_json


def says(call: Callable[[], object]) -> str:
    with pytest.raises(RequestRefused) as caught:
        call()
    assert caught.value.code == "x.request"
    return caught.value.message


@requirement("workspace:requests")
@pytest.mark.parametrize(
    "payload", ["", "nonsense", "[" * 100_000, '{"a": NaN}', '{"a": "\\ud800"}', "3", "null", "[]", '"\ud800"']
)
def test_what_is_no_object_is_refused(payload: str) -> None:
    assert "The request" in says(lambda: Fields.parse("x", payload))


@requirement("workspace:requests")
def test_every_refusal_names_the_field() -> None:
    fields = Fields.parse(
        "x",
        '{"t": "text", "n": 1.5, "b": true, "l": ["a", 2], "m": {"k": 1}, "o": [{"name": 3}, 4], "z": null, "big": 1e300}',
    )
    assert says(lambda: fields.text("n")) == "Field 'n' must be text, not a number."
    assert says(lambda: fields.text("none")) == "Field 'none' is missing; it must be text."
    assert says(lambda: fields.text("z")) == "Field 'z' is missing; it must be text."
    assert says(lambda: fields.text("t", longest=3)) == "Field 't' is longer than 3 characters."
    assert says(lambda: fields.choice("t", ("a", "b"))) == "Field 't' must be one of a, b, not 'text'."
    assert says(lambda: fields.flag("t")) == "Field 't' must be true or false, not text."
    assert says(lambda: fields.integer("n", least=0, most=9)) == "Field 'n' must be a whole number, not a number."
    assert says(lambda: fields.integer("b", least=0, most=9)) == "Field 'b' must be a whole number, not true or false."
    assert says(lambda: fields.number("big", least=0, most=2)) == "Field 'big' must be from 0 to 2, not 1e+300."
    assert says(lambda: fields.number("b", least=0, most=2)) == "Field 'b' must be a number, not true or false."
    assert says(lambda: fields.texts("l")) == "Field 'l[1]' must be text, not a number."
    assert says(lambda: fields.texts("m")) == "Field 'm' must be a list of texts, not an object."
    assert says(lambda: fields.mapping("m")) == "Field 'm.k' must be text, not a number."
    assert says(lambda: fields.mapping("l")) == "Field 'l' must be an object of texts, not a list."
    assert says(lambda: fields.plain("l")) == "Field 'l' must be an object, not a list."
    assert says(lambda: fields.objects("o")) == "Field 'o[1]' must be an object, not a number."
    inner = Fields.parse("x", '{"o": [{"name": 3}]}').objects("o")[0]
    assert says(lambda: inner.text("name")) == "Field 'o[0].name' must be text, not a number."


def test_fields_that_fit_are_given() -> None:
    fields = Fields.parse("x", '{"t": "text", "n": 2.0, "f": 0.5, "l": ["a"], "m": {"k": "v"}, "o": [{"a": 1}]}')
    assert fields.text("t") == "text"
    assert fields.integer("n", least=0, most=9) == 2
    assert fields.number("f", least=0, most=1) == 0.5
    assert fields.texts("l") == ("a",)
    assert fields.mapping("m") == {"k": "v"}
    assert fields.plain("m") == {"k": "v"}
    assert fields.objects("o")[0].integer("a", least=0, most=1) == 1
    assert (fields.maybe_text("none"), fields.maybe_number("none", least=0, most=1)) == (None, None)
    assert (fields.text("none", "d"), fields.flag("none", default=True), fields.texts("none", ())) == ("d", True, ())
    fields.done()


def test_a_field_that_nobody_knows_is_heard_of() -> None:
    fields = Fields.parse("x", '{"path": "a", "pahts": "b"}')
    fields.text("path")
    assert says(fields.done) == "Unknown field 'pahts'."


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@requirement("workspace:requests")
@given(st.dictionaries(st.sampled_from(["op", "path", "text", "base", "glob", "limit", "to"]), json))
def test_no_json_makes_reading_a_request_fail_otherwise(value: dict[str, Any]) -> None:
    fields = Fields.parse("x", to_json(value))
    for name in value:
        for read in (fields.text, fields.texts, fields.mapping, fields.objects, fields.flag):
            with suppress(RequestRefused):
                read(name)


@pytest.fixture
def agents(run: MemoryRun) -> Ask:
    return asker(AgentsCapability(run))


@requirement("workspace:agents")
@pytest.mark.anyio
async def test_the_run_makes_and_ends_agents(run: MemoryRun, agents: Ask) -> None:
    assert await agents(op="spawn", agent="helper", prompt="do it") == {"scope": "zZ9y8x", "name": "helper"}
    assert await agents(op="spawn", agent="helper") == {"scope": "zZ9y8x", "name": "helper"}
    assert await agents(op="stop", scope="zZ9y8x") == {}
    assert run.spawned == [("helper", "do it"), ("helper", None)]
    assert run.stopped == ["zZ9y8x"]


@requirement("workspace:agents")
@pytest.mark.anyio
async def test_agents_need_their_grant_and_a_sound_request(run: MemoryRun, agents: Ask) -> None:
    for request in (
        {"op": "stop", "scope": "../.."},
        {"op": "spawn"},
        {"op": "spawn", "agent": ""},
        {"op": "stop"},
        {"op": "x"},
    ):
        with pytest.raises(RequestRefused) as caught:
            await agents(**request)
        assert caught.value.code == "agents.request"
    run.permit(agents=Grant.DENY)
    with pytest.raises(RequestRefused, match="grants") as caught:
        await agents(op="spawn", agent="helper")
    assert caught.value.code == "agents.denied"
    assert (run.spawned, run.stopped) == ([], [])


def test_what_may_be_repeated_after_a_crash(workspace: WorkspaceCapability, run: MemoryRun) -> None:
    every = ("read", "stat", "list", "search", "write", "create", "delete", "rename")
    assert all(workspace.repeatable(to_json({"op": op})) for op in every)
    assert workspace.repeatable("nonsense")
    assert all(AgentsCapability(run).repeatable(to_json({"op": op})) for op in ("spawn", "stop"))
