"""Lines and positions, as the protocol counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.changes.lines import Encoding, LineIndex, code_points, split_lines, units

ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")
texts = st.text(st.sampled_from("ab é😀\n\r\x0c\u2028\x85\t"), max_size=40)


@requirement("changes:lines")
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\nb\r\nc\rd", ["a\n", "b\r\n", "c\r", "d"]),
        ("a\n\n", ["a\n", "\n"]),
        ("a\x0cb\u2028c\x85d\x0be\n", ["a\x0cb\u2028c\x85d\x0be\n"]),
        ("\n\r", ["\n", "\r"]),
    ],
)
def test_only_the_three_line_endings_end_lines(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines


@requirement("changes:positions")
@given(texts, st.sampled_from(ENCODINGS))
def test_an_offset_survives_the_way_to_a_position_and_back(text: str, encoding: Encoding) -> None:
    index = LineIndex(text)
    for offset in range(len(text) + 1):
        line, character = index.position(offset, encoding)
        back = index.offset(line, character, encoding)
        inside_crlf = text[offset - 1 : offset + 1] == "\r\n" and offset > 0
        assert back == (offset - 1 if inside_crlf else offset)


@pytest.mark.parametrize(("encoding", "character"), [("utf-8", 6), ("utf-16", 3), ("utf-32", 2)])
def test_characters_are_counted_in_the_units_of_the_encoding(encoding: Encoding, character: int) -> None:
    index = LineIndex("x\né😀!")
    assert index.position(4, encoding) == (1, character)
    assert index.offset(1, character, encoding) == 4


def test_what_lies_outside_is_cut_to_the_text() -> None:
    index = LineIndex("ab\r\ncd\n")
    assert index.count == 3
    assert index.offset(0, 99) == 2
    assert index.offset(2, 0) == 7
    assert index.offset(9, 9) == 7
    assert index.offset(-1, 3) == 0
    assert index.position(99) == (2, 0)
    assert index.position(-5) == (0, 0)


def test_half_a_character_is_its_begin() -> None:
    assert code_points("😀a", 1, "utf-16") == 0
    assert code_points("😀a", 2, "utf-16") == 1
    assert code_points("é", 1, "utf-8") == 0
    assert units("\ud83d", "utf-16") == 1
