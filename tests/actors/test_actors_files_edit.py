"""Edits as a function on text: exactness, order, line endings, and what is said when an edit does not fit."""

import re
from typing import Any

import pytest
from files import Edit
from files_edit import apply_edits, fit, join_endings, plain, split_endings
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from ledger import requirement
from vespiary_sdk import ToolError


def edit(old: str, new: str, everywhere: bool = False) -> Edit:
    return Edit(old, new, everywhere)


def refused(text: str, *edits: Edit) -> str:
    with pytest.raises(ToolError) as caught:
        apply_edits(text, edits)
    return str(caught.value)


@requirement("actors:edit-sequence")
def test_each_edit_sees_what_the_ones_before_it_did() -> None:
    assert apply_edits("a b c", [edit("a", "x"), edit("x b", "y")]) == "y c"


@requirement("actors:edit-sequence")
def test_when_one_edit_does_not_fit_it_is_named() -> None:
    told = refused("a b c", edit("a", "x"), edit("q", "y"))
    assert told.startswith("Edit 2 of 2: old_string was not found")
    assert told.endswith("None of the edits was made.")


@requirement("actors:edit-unique")
def test_a_text_that_stands_in_several_places_is_refused_with_their_lines() -> None:
    told = refused("x\ny\nx\n", edit("x", "z"))
    assert "2 times in the file (lines 1, 3)" in told
    assert apply_edits("x\ny\nx\n", [edit("x", "z", True)]) == "z\ny\nz\n"


@requirement("actors:edit-unique")
def test_places_that_overlap_are_several_places() -> None:
    assert "2 times" in refused("}\n}\n}\n", edit("}\n}", "]"))


@requirement("actors:edit-unique")
def test_very_many_places_are_not_all_counted_nor_listed() -> None:
    told = refused("x\n" * 5000, edit("x", "y"))
    assert "at least 1000 times" in told
    assert "lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ..." in told


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        ([edit("", "x")], "old_string is empty"),
        ([edit("a", "a")], "are the same"),
        ([edit("a", "b"), edit("b", "a")], "leave the file as it is"),
        ([edit("a\r\n", "a\n")], "are the same"),
    ],
)
def test_edits_that_mean_nothing_are_refused(edits: list[Edit], told: str) -> None:
    assert told in refused("a\n", *edits)


def test_an_edit_that_would_make_the_file_too_large_is_refused() -> None:
    assert "would become larger" in refused("a" * 100_000, edit("a", "b" * 1000, everywhere=True))


def test_an_empty_file_is_filled_with_an_empty_old_string() -> None:
    assert apply_edits("", [edit("", "one\n")]) == "one\n"


@requirement("actors:edit-help")
def test_line_numbers_in_the_old_text_are_pointed_out() -> None:
    assert "Leave out the line numbers" in refused("def f():\n    pass\n", edit("1:def f():\n2:    pass", "x"))


@requirement("actors:edit-help")
def test_text_with_other_white_space_is_shown_as_it_stands() -> None:
    told = refused("if a:\n        b = 1\n        c = 2\n", edit("if a:\n    b = 1\n    c = 2", "x"))
    assert "other white space:\n1:if a:\n2:        b = 1\n3:        c = 2" in told


@requirement("actors:edit-help")
def test_text_that_was_escaped_twice_is_recognised() -> None:
    assert "escaped once too often" in refused('say("a")\nend\n', edit('say("a")\\nend', "x"))


@requirement("actors:edit-help")
def test_a_line_break_too_many_is_pointed_out() -> None:
    assert "without the line breaks" in refused("one\ntwo", edit("two\n", "2\n"))


@requirement("actors:edit-help")
def test_the_nearest_lines_are_shown() -> None:
    text = "".join(f"line {number}\n" for number in range(50)) + "    total = compute_sum(values)\n    return total\n"
    told = refused(text, edit("    total = compute_sums(value)\n    return total\n", "x"))
    assert "The nearest lines are:\n51:    total = compute_sum(values)\n52:    return total" in told
    assert "two" in refused("one\ntwo\n", edit("tow", "2"))


@requirement("actors:edit-help")
def test_when_nothing_is_near_the_advice_is_to_read_again() -> None:
    assert "Read the file again" in refused("alpha\nbeta\n", edit("0123456789", "x"))


@requirement("actors:edit-help")
def test_help_stays_short_and_quick_however_large_the_file() -> None:
    text = "".join(
        f"value_{number % 977} = compute({number}, 'something that is long enough')\n" for number in range(60_000)
    )
    told = refused(text, edit("value_x = compute('something that is not long enough')\n" * 40, "x"))
    assert len(told) < 4000


@requirement("actors:edit-endings")
def test_a_plain_newline_matches_every_line_ending_and_endings_are_kept() -> None:
    assert apply_edits("a\r\nb\r\nc\r\n", [edit("a\nb", "a\nx\nb")]) == "a\r\nx\r\nb\r\nc\r\n"
    assert apply_edits("a\rb\rc", [edit("b", "x\ny")]) == "a\rx\ry\rc"
    assert apply_edits("a\nb\r\nc\n", [edit("b\nc", "b\nx\nc")]) == "a\nb\r\nx\r\nc\n"
    assert apply_edits("a\r\nb", [edit("b", "b\nc")]) == "a\r\nb\r\nc"
    assert apply_edits("a\r\nb\r\n", [edit("a\r\nb", "q")]) == "q\r\n"


TEXT = st.text(alphabet="ab \n", max_size=30)
PIECE = st.text(alphabet="ab \n", min_size=1, max_size=4)
ANY_TEXT = st.text(alphabet="ab\r\n\u2028é😀", max_size=30)


@given(ANY_TEXT)
def test_endings_taken_apart_and_put_together_give_the_text(text: str) -> None:
    normal, endings = split_endings(text)
    assert "\r" not in normal
    assert join_endings(normal, endings) == text


@given(ANY_TEXT, st.text(alphabet="ab\r\né😀", min_size=1, max_size=4), ANY_TEXT, st.booleans())
@example("a\r\nb\n", "\n", "", True)
@example("b\r\n\n", "\r\n", "\n\n\n", True)
@example("a\rb\n", "b", "", False)
@example("a\ra\n", "a", "\r", True)
@settings(max_examples=500, deadline=None)
@requirement("actors:edit-endings")
def test_an_edit_of_any_text_is_the_edit_of_its_lines_with_its_endings(
    old_text: str, old: str, new: str, everywhere: bool
) -> None:
    normal, wanted, given_ = plain(old_text), plain(old), plain(new)
    try:
        after = apply_edits(old_text, [edit(old, new, everywhere)])
    except ToolError:
        overlapping = sum(normal.startswith(wanted, at) for at in range(len(normal)))
        fits = overlapping >= 1 and (everywhere or overlapping == 1)
        assert not fits or wanted == given_ or normal.replace(wanted, given_) == normal
        return
    assert plain(after) == normal.replace(wanted, given_)
    kinds = set(re.findall(r"\r\n|\r|\n", old_text))
    if kinds:  # no ending comes in that was not there
        assert set(re.findall(r"\r\n|\r|\n", after)) <= kinds


@given(st.lists(st.sampled_from(["\r\n", "\n"]), min_size=1, max_size=8), st.data())
@requirement("actors:edit-endings")
def test_lines_that_no_edit_touches_keep_their_endings(endings: list[str], data: st.DataObject) -> None:
    lines = [f"line{number};" for number in range(len(endings))]
    text = "".join(line + ending for line, ending in zip(lines, endings, strict=True))
    at = data.draw(st.integers(0, len(lines) - 1))
    new = data.draw(st.sampled_from(["x", "", "x\ny", "x\ny\nz"]))
    after = apply_edits(text, [edit(lines[at], new)])
    before, _, rest = text.partition(lines[at])
    assert after.startswith(before)
    assert after.endswith(rest)


@given(TEXT, st.lists(st.tuples(PIECE, TEXT, st.booleans()), min_size=1, max_size=4))
def test_a_crlf_text_is_edited_like_its_plain_form(text: str, raw: list[Any]) -> None:
    edits = [edit(*each) for each in raw]
    assume("\n" in text)
    expected, refusal = _outcome(text, edits)
    after, other_refusal = _outcome(text.replace("\n", "\r\n"), edits)
    assert refusal == other_refusal
    assert after.replace("\r\n", "\n") == expected


def _outcome(text: str, edits: list[Edit]) -> tuple[str, str]:
    try:
        return apply_edits(text, edits), ""
    except ToolError as error:
        return "", str(error)


def test_how_stale_edits_stand_to_the_new_text_is_told() -> None:
    told = fit("one\ntwo\nthree\n", [edit("two", "2"), edit("thre e", "3"), edit("", "x")])
    assert told == "Edit 1: old_string is there now at line 2.\nEdit 2: " + told.partition("Edit 2: ")[2]
    assert "3:three" in told
    assert "more edits" in fit("x", [edit("y", "z")] * 9)
