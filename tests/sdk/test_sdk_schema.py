"""Schemas of tools, and what becomes of the arguments that a model writes."""

import enum
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary_sdk import Actor, ActorError, tool
from vespiary_sdk._docs import read_docstring
from vespiary_sdk._hints import shape_of
from vespiary_sdk._tools import tools_of
from vespiary_sdk.testing import FakeHost


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Options(TypedDict):
    deep: bool
    label: NotRequired[str]


@dataclass
class Edit:
    """A replacement.

    Attributes:
        start: First line.
    """

    start: int
    text: Annotated[str, "The new text."] = ""
    tags: list[str] = field(default_factory=list[str])


class Everything(Actor):
    @tool
    def all(
        self,
        path: str,
        count: int = 3,
        ratio: float | None = None,
        sure: bool = False,
        mode: Literal["fast", "slow"] = "fast",
        color: Color = Color.RED,
        edits: list[Edit] | None = None,
        table: dict[str, int] | None = None,
        options: Options | None = None,
        either: int | str = 0,
        what: Any = None,
    ) -> Any:
        """Do everything.

        It takes a while.

        Args:
            path: Where to do it,
                relative to the workspace.
            count (int): How often.

        Returns:
            All of it.

        Raises:
            ToolError: Never.
        """
        return [path, count, ratio, sure, mode, color, edits, table, options, either, what]


@requirement("sdk:schema-from-hints")
def test_a_schema_says_types_defaults_and_descriptions() -> None:
    (made,) = FakeHost(Everything).tools
    assert made["name"] == "all"
    assert made["description"] == "Do everything.\n\nIt takes a while.\n\nReturns:\n    All of it."
    edit = {
        "type": "object",
        "properties": {
            "start": {"type": "integer", "description": "First line."},
            "text": {"type": "string", "description": "The new text.", "default": ""},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["start"],
        "additionalProperties": False,
    }
    assert made["parameters"] == {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where to do it, relative to the workspace."},
            "count": {"type": "integer", "description": "How often.", "default": 3},
            "ratio": {"type": "number"},
            "sure": {"type": "boolean", "default": False},
            "mode": {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
            "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "edits": {"type": "array", "items": edit},
            "table": {"type": "object", "additionalProperties": {"type": "integer"}},
            "options": {
                "type": "object",
                "properties": {"deep": {"type": "boolean"}, "label": {"type": "string"}},
                "required": ["deep"],
                "additionalProperties": False,
            },
            "either": {"type": ["integer", "string"], "default": 0},
            "what": {},
        },
        "required": ["path"],
        "additionalProperties": False,
    }


def result(**arguments: Any) -> Any:
    answer = FakeHost(Everything).call("all", **arguments)
    assert answer.ok, answer.content
    return json.loads(answer.content)


@requirement("sdk:slips-are-read")
def test_what_models_get_slightly_wrong_is_read_as_meant() -> None:
    assert result(path="a")[1:6] == [3, None, False, "fast", "red"]
    assert result(path="a", count="5", ratio="1.5", sure="True")[1:4] == [5, 1.5, True]
    assert result(path="a", count=5.0, ratio=2)[1:3] == [5, 2.0]
    assert result(path="a", count=None, sure=None, edits=None)[1:4] == [3, None, False]
    assert result(path="a", edits='[{"start": "2"}]')[6] == [{"start": 2, "text": "", "tags": []}]
    assert result(path="a", table='{"x": "1"}')[7] == {"x": 1}


@requirement("sdk:slips-are-read")
def test_a_union_keeps_the_type_that_was_written() -> None:
    assert result(path="a", either="5")[9] == "5"
    assert result(path="a", either=5)[9] == 5


def problems(**arguments: Any) -> list[str]:
    answer = FakeHost(Everything).call("all", **arguments)
    assert not answer.ok
    first, *rest = answer.content.splitlines()
    assert first == "The arguments of all are not valid; nothing was done."
    return [line.removeprefix("- ") for line in rest]


@requirement("sdk:arguments-checked")
def test_each_problem_is_told_with_its_place() -> None:
    assert problems(count="x", sure=1) == [
        "missing argument 'path'",
        'count: expected an integer, got a string ("x")',
        "sure: expected true or false, got an integer (1)",
    ]
    assert problems(path=5) == ["path: expected a string, got an integer (5)"]
    assert problems(path="a", count=True) == ["count: expected an integer, got true"]
    assert problems(path="a", mode="quick") == ['mode: expected one of "fast", "slow", got a string ("quick")']
    assert problems(path="a", table={"x": []}) == ["table.x: expected an integer, got an array ([])"]


@requirement("sdk:arguments-checked")
def test_problems_inside_lists_name_the_entry_and_unknown_names_the_nearest() -> None:
    assert problems(path="a", edits=[{"start": 1}, {"start": 1, "zz": 2}]) == [
        "edits[1]: unknown field 'zz'; known are start, text, tags"
    ]
    assert problems(path="a", edits=[{"start": 1, "tags": [1]}]) == [
        "edits[0].tags[0]: expected a string, got an integer (1)"
    ]
    assert problems(path="a", edits={"start": 1}) == ['edits: expected an array, got an object ({"start": 1})']
    assert problems(path="a", pth="b") == ["unknown argument 'pth', did you mean 'path'?"]


def test_a_dataclass_that_checks_itself_tells_the_model() -> None:
    @dataclass
    class Even:
        n: int

        def __post_init__(self) -> None:
            if self.n % 2:
                raise ValueError(f"{self.n} is odd")

    found: list[str] = []
    shape_of(Even, "x").take({"n": 3}, "even", found)
    assert found == ["even: 3 is odd"]


@requirement("sdk:unusable-hint-is-told")
def test_a_parameter_without_a_usable_hint_is_an_error_that_names_it() -> None:
    class Bytes(Actor):
        @tool
        def go(self, data: bytes) -> None: ...

    class Bare(Actor):
        @tool  # pyright: ignore[reportUnknownArgumentType]
        def go(self, data) -> None: ...  # type: ignore[no-untyped-def]  # pyright: ignore[reportMissingParameterType, reportUnknownParameterType]

    class Star(Actor):
        @tool
        def go(self, *data: str) -> None: ...

    for cls, words in ((Bytes, "the type bytes"), (Bare, "needs a type hint"), (Star, "named arguments only")):
        with pytest.raises(ActorError, match=r"go\(data\)") as caught:
            tools_of(cls)
        assert words in str(caught.value)
        with pytest.raises(ActorError, match=words):
            FakeHost(cls)


@dataclass
class Node:
    below: "list[Node]"


@requirement("sdk:unusable-hint-is-told")
def test_a_type_that_contains_itself_is_refused() -> None:
    with pytest.raises(ActorError, match="Node contains itself"):
        shape_of(Node, "tree")


def test_two_tools_of_one_name_are_refused() -> None:
    class Twice(Actor):
        @tool(name="same")
        def one(self) -> None: ...

        @tool(name="same")
        def two(self) -> None: ...

    with pytest.raises(ActorError, match="two tools called same"):
        tools_of(Twice)


def test_a_subclass_inherits_tools_and_may_withdraw_them() -> None:
    class Base(Actor):
        @tool
        def kept(self) -> None: ...

        @tool
        def gone(self) -> None: ...

    class Child(Base):
        gone = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

        @tool
        def added(self) -> None: ...

    assert list(tools_of(Child)) == ["kept", "added"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
HINTS: list[Any] = [str, int, float, bool, list[int], dict[str, str], Edit, Options, Color, int | None, str | Edit]


@given(JSON, st.sampled_from(HINTS))
def test_any_json_is_either_taken_or_explained(value: Any, hint: Any) -> None:
    found: list[str] = []
    shape_of(hint, "x").take(value, "x", found)
    assert all(problem.startswith("x") for problem in found)


@given(st.lists(st.fixed_dictionaries({"start": st.integers(), "text": st.text()})))
def test_what_fits_the_schema_is_taken_unchanged(value: list[dict[str, Any]]) -> None:
    found: list[str] = []
    taken = shape_of(list[Edit], "x").take(value, "x", found)
    assert found == []
    assert [{"start": edit.start, "text": edit.text} for edit in taken] == value


@given(st.text())
def test_any_docstring_can_be_read(text: str) -> None:
    read_docstring(text)


class Unbounded(Actor):
    @tool
    def wait(self, seconds: float = float("inf"), share: float = float("nan")) -> str:
        """Wait."""
        return f"{seconds} {share}"


@requirement("sdk:schema-from-hints")
def test_a_default_that_json_does_not_have_is_left_out_of_the_schema() -> None:
    host = FakeHost(Unbounded)
    schema = host.tools[0]["parameters"]
    assert "default" not in schema["properties"]["seconds"]
    assert "default" not in schema["properties"]["share"]
    assert host.call("wait").content == "inf nan"
