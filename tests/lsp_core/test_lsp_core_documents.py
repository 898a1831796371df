"""Documents against an oracle that knows only flat text and one code unit at a time."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from vespiary.fronts.lsp.core.documents import Document, Documents, key_of, split
from vespiary.fronts.lsp.core.encoding import ENCODINGS, Encoding, to_points, to_units
from vespiary.model.edits import content_hash

ALPHABET = "ab\n\r\t é\u00df\u4e2d\U0001f600\U00010437\u2028\x0c\x85"
texts = st.text(alphabet=ALPHABET, max_size=40)
positions = st.tuples(st.integers(0, 8), st.integers(0, 14))
edits = st.lists(st.tuples(positions, positions, texts), max_size=6)


def units(char: str, encoding: Encoding) -> int:
    if encoding == "utf-32":
        return 1
    if encoding == "utf-16":
        return 2 if ord(char) > 0xFFFF else 1
    return 1 if ord(char) < 0x80 else 2 if ord(char) < 0x800 else 3 if ord(char) < 0x10000 else 4


def oracle_offset(text: str, position: tuple[int, int], encoding: Encoding) -> int:
    line, column = position
    at = 0
    while line:
        while at < len(text) and text[at] not in "\r\n":
            at += 1
        if at == len(text):
            return at
        at += 2 if text[at : at + 2] == "\r\n" else 1
        line -= 1
    while at < len(text) and text[at] not in "\r\n":
        column -= units(text[at], encoding)
        if column < 0:
            return at
        at += 1
    return at


def oracle_edit(text: str, start: tuple[int, int], end: tuple[int, int], new: str, encoding: Encoding) -> str:
    a, b = sorted((oracle_offset(text, start, encoding), oracle_offset(text, end, encoding)))
    return text[:a] + new + text[b:]


@requirement("core:documents")
@pytest.mark.parametrize("encoding", ENCODINGS)
@settings(max_examples=400, deadline=None)
@given(text=texts, changes=edits, where=positions)
def test_any_edits_give_the_text_that_the_oracle_gives(
    encoding: Encoding, text: str, changes: list[Any], where: tuple[int, int]
) -> None:
    document = Document("file:///a", text, 1, "", encoding)
    for start, end, new in changes:
        document.splice(start, end, new)
        text = oracle_edit(text, start, end, new, encoding)
        assert document.text == text
        assert document.lines == split(text)
    assert document.hash == content_hash(text)
    assert document.offset_at(*where) == oracle_offset(text, where, encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=texts, data=st.data())
def test_offsets_and_positions_are_inverse(encoding: Encoding, text: str, data: st.DataObject) -> None:
    document = Document("file:///a", text, 1, "", encoding)
    offset = data.draw(st.integers(0, len(text)))
    back = document.offset_at(*document.position_at(offset))
    inside_line_end = text[offset - 1 : offset + 1] == "\r\n" and offset > 0
    assert back == (offset - 1 if inside_line_end else offset)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(line=st.text(alphabet="aé\u4e2d\U0001f600\ud800\udc00", max_size=12), column=st.integers(-2, 40))
def test_columns_count_code_units_even_of_broken_text(encoding: Encoding, line: str, column: int) -> None:
    points = to_points(line, column, encoding)
    assert 0 <= points <= len(line)
    assert sum(units(char, encoding) for char in line[:points]) <= max(column, 0)
    if points < len(line):
        assert sum(units(char, encoding) for char in line[: points + 1]) > column
    if not any("\ud800" <= char <= "\udfff" for char in line):
        assert to_units(line, points, encoding) == sum(units(char, encoding) for char in line[:points])


def change(uri: str, version: int, *changes: dict[str, Any]) -> dict[str, Any]:
    return {"textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)}


def opened(uri: str, text: str) -> Documents:
    documents = Documents()
    documents.did_open({"textDocument": {"uri": uri, "text": text, "version": 1, "languageId": "x"}})
    return documents


def test_one_uri_may_be_spelt_in_several_ways() -> None:
    documents = opened("file:///c%3A/a%20b.py", "x")
    assert documents.text("file:///C:/a b.py") == "x"
    assert documents.text("file:///c%3A/a%20b.py") == "x"
    assert documents.uris() == ["file:///c%3A/a%20b.py"]
    assert key_of("file:///A/b") != key_of("file:///a/b")
    documents.did_change(change("file:///C:/a b.py", 2, {"text": "y"}))
    assert documents.text("file:///c%3A/a%20b.py") == "y"
    documents.did_close({"textDocument": {"uri": "file:///C:/a b.py"}})
    assert "file:///c%3A/a%20b.py" not in documents


def test_the_hooks_are_told_in_order() -> None:
    documents = Documents()
    told: list[tuple[str, str]] = []
    documents.on_open.append(lambda document: told.append(("open", document.text)))
    documents.on_change.append(lambda document: told.append(("change", document.text)))
    documents.on_close.append(lambda document: told.append(("close", document.text)))
    documents.did_open({"textDocument": {"uri": "u", "text": "a", "version": 1}})
    documents.did_change(change("u", 2, {"text": "b"}, {"text": "c"}))
    documents.did_close({"textDocument": {"uri": "u"}})
    documents.did_close({"textDocument": {"uri": "u"}})
    assert told == [("open", "a"), ("change", "c"), ("close", "c")]


@pytest.mark.parametrize(
    "bad",
    [
        {"text": 5},
        {},
        {"text": "x", "range": {"start": {"line": 0}, "end": {"line": 0, "character": 0}}},
        {"text": "x", "range": {"start": {"line": "0", "character": 0}, "end": {"line": 0, "character": 0}}},
    ],
)
def test_a_document_whose_change_cannot_be_read_is_forgotten(bad: dict[str, Any]) -> None:
    documents = opened("u", "a")
    with pytest.raises((KeyError, TypeError)):
        documents.did_change(change("u", 2, bad))
    assert documents.text("u") is None


def test_the_place_of_an_edit_costs_nothing_in_a_large_document() -> None:
    document = Document("u", "line of text\n" * 80_000, 1, "", "utf-16")
    lines = document.lines
    document.splice((40_000, 3), (40_000, 3), "x")
    assert document.lines is lines
    assert document.line(40_000) == "linxe of text"
    assert document.line(80_001) == ""
    assert document._text is None
