"""The pure parts: event streams, printed tool calls, thinking. Whatever is fed, and however it is cut."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.providers.base import ToolSpec
from vespiary.providers.sse import EventParser, EventTooLong
from vespiary.providers.text_calls import Parsed, TextCall, TextCalls
from vespiary.providers.think import ThinkSplitter

TOOLS = (
    ToolSpec(
        "read_file", "", {"type": "object", "properties": {"path": {"type": "string"}, "line": {"type": "integer"}}}
    ),
    ToolSpec("run", "", {"type": "object", "properties": {}}),
)


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces."""
    marks = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(marks)]


def events(pieces: list[bytes]) -> list[str]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.end()


def parsed(pieces: list[str], tools: tuple[ToolSpec, ...] = TOOLS) -> list[Parsed]:
    """What comes out, with neighbouring texts joined."""
    calls = TextCalls(tools)
    joined: list[Parsed] = []
    for item in [item for piece in pieces for item in calls.feed(piece)] + calls.end():
        if joined and isinstance(item, str) and isinstance(joined[-1], str):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)),
    st.lists(st.integers(0)),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
@example(["é\u2028x"], [7], "\r\n")
@requirement("providers:split-anywhere")
def test_events_are_the_same_however_the_bytes_were_cut(data: list[str], places: list[int], end: str) -> None:
    stream = "".join(f"data: {each.strip() or 'x'}{end}: comment{end}id: 1{end}{end}" for each in data).encode()
    marks = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    pieces = [stream[first:last] for first, last in itertools.pairwise(marks)]
    assert events(pieces) == events([stream])
    assert len(events([stream])) == len(data)


@given(st.lists(st.binary()))
def test_any_bytes_are_some_events_or_none(pieces: list[bytes]) -> None:
    assert events(pieces) == events([b"".join(pieces)])


def test_an_event_of_several_lines_and_one_without_a_blank_line_are_read() -> None:
    assert events([b"\xef\xbb\xbfevent: x\ndata: a\ndata:b\n\ndata: last"]) == ["a\nb", "last"]


def test_an_event_without_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vespiary.providers.sse.MAX_EVENT", 100)
    with pytest.raises(EventTooLong):
        events([b"data: " + b"x" * 60, b"x" * 60])
    with pytest.raises(EventTooLong):
        events([b"data: 123456\n"] * 20)


FRAGMENTS = [
    *("<tool_call>", "</tool_call>", "<function=read_file>", "<parameter=path>", "</parameter>", "</function>"),
    *('{"name": "read_file", "arguments": {"path": "a"}}', "```json\n", "```", " ", "\n", "text", '"', "[", "}"),
    *("<", "{", '{"name"', "<think>", "</think>"),
]
NOISE = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5)).map("".join)


@given(NOISE, st.lists(st.integers(0), max_size=8))
@requirement("providers:text-kept", "providers:text-calls")
def test_printed_calls_are_the_same_however_the_text_was_cut(text: str, places: list[int]) -> None:
    assert parsed(cut(text, places)) == parsed([text])


@given(NOISE, st.lists(st.integers(0), max_size=8))
@requirement("providers:text-kept")
def test_where_no_tool_is_named_all_text_is_kept(text: str, places: list[int]) -> None:
    others = (ToolSpec("unrelated", "", {}),)
    assert "".join(str(item) for item in parsed(cut(text, places), others)) == text
    assert "".join(str(item) for item in parsed(cut(text, places), ())) == text


@given(NOISE, st.lists(st.integers(0), max_size=8))
def test_thinking_is_the_same_however_the_text_was_cut(text: str, places: list[int]) -> None:
    def split(pieces: list[str]) -> tuple[str, str]:
        splitter = ThinkSplitter()
        found = [each for piece in pieces for each in splitter.feed(piece)] + splitter.end()
        return "".join(piece for is_thought, piece in found if is_thought), "".join(p for t, p in found if not t)

    assert split(cut(text, places)) == split([text])
    if not text.lstrip().startswith("<think>"):
        assert split(cut(text, places)) == ("", text)


def test_thinking_at_the_beginning_is_told_apart() -> None:
    splitter = ThinkSplitter()
    found = [
        each for piece in ("\n<thi", "nk>a<b", "</thin", "k>\n\nsaid") for each in splitter.feed(piece)
    ] + splitter.end()
    assert found == [(True, "a<b"), (False, "said")]


CALL = TextCall("read_file", '{"path": "a.py"}')
OTHER = '{"name": "other", "arguments": {}}'
JSON = '{"name": "read_file", "arguments": {"path": "a.py"}}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<tool_call>{JSON}</tool_call>", [CALL]),
        (
            f"Let me see.\n<tool_call>\n{JSON}\n</tool_call>\n<tool_call>{JSON}</tool_call>\n",
            ["Let me see.\n", CALL, CALL],
        ),
        (f"<tool_call>{JSON}\n{JSON}</tool_call>", [CALL, CALL]),
        (f"<tool_call>{JSON}", [CALL]),
        (JSON, [CALL]),
        (f"```json\n{JSON}\n```", [CALL]),
        (f"[{JSON}, {JSON}]", [CALL, CALL]),
        ('{"type": "function", "function": {"name": "read_file", "parameters": {"path": "a.py"}}}', [CALL]),
        ("<function=read_file><parameter=path>a.py</parameter></function>", [CALL]),
        ("<function=read_file>\n<parameter=path>\na.py\n</parameter>\n</function>\n</tool_call>", [CALL]),
        ("<tool_call>\n<function=read_file>\n<parameter=path>\na.py\n</parameter>\n</function>\n</tool_call>", [CALL]),
        ('<function=read_file>{"path": "a.py"}</function>', [CALL]),
        ("<function=run></function> then", [TextCall("run", "{}"), " then"]),
        (
            "<function=read_file><parameter=path>true</parameter><parameter=line>3</parameter></function>",
            [TextCall("read_file", '{"path": "true", "line": 3}')],
        ),
        ("<function=run><parameter=x>True</parameter></function>", [TextCall("run", '{"x": true}')]),
        (
            '<tool_call>{"name": "read_file", "arguments": {"path": "a}}</tool_call>',
            [TextCall("read_file", '{"path": "a}')],
        ),
        (
            '<tool_call>{"name": "other", "arguments": {}}</tool_call>',
            ['<tool_call>{"name": "other", "arguments": {}}</tool_call>'],
        ),
        ("<function=other></function>", ["<function=other></function>"]),
        (f"Here is {JSON}", [f"Here is {JSON}"]),
        ('{"name": "read_file"}', ['{"name": "read_file"}']),
        ('{"name": "read_file", "arguments": {}, "extra": 1}', ['{"name": "read_file", "arguments": {}, "extra": 1}']),
        ("if a < b: x", ["if a < b: x"]),
    ],
)
@requirement("providers:text-calls")
def test_a_printed_call_is_a_call_and_everything_else_is_text(text: str, expected: list[Any]) -> None:
    assert parsed(list(text)) == expected
    assert parsed([text]) == expected


def test_ordinary_text_is_not_held_back() -> None:
    calls = TextCalls(TOOLS)
    assert calls.feed("Hello") == ["Hello"]
    assert calls.feed(" wor") == [" wor"]
    assert calls.feed("ld < ") == ["ld < "]


def test_arguments_keep_what_json_can_hold() -> None:
    arguments = {"path": 'a\n"b"</tool_call>é'}
    (call,) = parsed([json.dumps({"name": "read_file", "arguments": arguments})])
    assert isinstance(call, TextCall)
    assert json.loads(call.arguments) == arguments
