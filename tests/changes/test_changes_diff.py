"""Edits between texts: they lead where they should, are small, and can be taken back."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.changes.diff import EditsInvalid, apply_edits, diff, inverse
from vespiary.model.edits import TextEdit

PIECES = ["a", "b", "foo = 1", "}", "", "\n", "\r\n", "\r", "\t", "\x0c", "é", "😀", "\u2028", "\ud83d", "\ude00"]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


@st.composite
def near(draw: st.DrawFn) -> tuple[str, str]:
    """A text and a version of it with a few stretches changed."""
    old = draw(texts)
    new = old
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(new)))
        end = draw(st.integers(start, min(len(new), start + 6)))
        new = new[:start] + draw(texts.map(lambda text: text[:8])) + new[end:]
    return old, new


pairs = st.one_of(near(), st.tuples(texts, texts))


def split_apart(text: str, at: int) -> bool:
    pair = text[at - 1 : at + 1] if at else ""
    return pair in ("\r\n", "\ud83d\ude00")


@requirement("changes:diff-apply")
@given(pairs)
def test_applying_the_difference_gives_the_new_text(pair: tuple[str, str]) -> None:
    old, new = pair
    assert apply_edits(old, diff(old, new)) == new


@requirement("changes:inverse")
@given(pairs)
def test_the_inverse_gives_the_old_text_back(pair: tuple[str, str]) -> None:
    old, new = pair
    edits = diff(old, new)
    assert apply_edits(new, inverse(old, edits)) == old


@requirement("changes:edit-shape")
@given(pairs)
def test_edits_ascend_apart_from_one_another_and_split_no_pair(pair: tuple[str, str]) -> None:
    old, new = pair
    edits = diff(old, new)
    for before, after in pairwise(edits):
        assert before.end < after.start
    for edit in edits:
        assert old[edit.start : edit.end] != edit.text
        assert not split_apart(old, edit.start)
        assert not split_apart(old, edit.end)
    for back in inverse(old, edits):
        assert not split_apart(new, back.start)
        assert not split_apart(new, back.end)


@given(texts)
def test_equal_texts_have_no_difference(text: str) -> None:
    assert diff(text, text) == ()


@requirement("changes:edit-small")
@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ("one\ntwo\nthree\n", "one\ntwo!\nthree\n", (TextEdit(7, 7, "!"),)),
        ("one\nthree\n", "one\ntwo\nthree\n", (TextEdit(4, 4, "two\n"),)),
        ("one\ntwo\nthree\n", "one\nthree\n", (TextEdit(4, 8, ""),)),
        ("x = 1\ny = 1\n", "x = 2\ny = 2\n", (TextEdit(4, 5, "2"), TextEdit(10, 11, "2"))),
        ("a\nb", "a\nb\n", (TextEdit(3, 3, "\n"),)),
        ("", "a", (TextEdit(0, 0, "a"),)),
        ("a", "", (TextEdit(0, 1, ""),)),
        ("a\n", "a\r\n", (TextEdit(1, 2, "\r\n"),)),
        ("x\n😀 y\n", "x\n😀 z\n", (TextEdit(4, 5, "z"),)),
    ],
)
def test_edits_are_as_small_as_the_change(old: str, new: str, edits: tuple[TextEdit, ...]) -> None:
    assert diff(old, new) == edits


def test_two_far_changes_are_two_small_edits() -> None:
    lines = [f"line {number}\n" for number in range(20_000)]
    old = "".join(lines)
    lines[10], lines[19_990] = "first\n", "last\n"
    new = "".join(lines)
    edits = diff(old, new)
    assert len(edits) == 2
    assert apply_edits(old, edits) == new


@requirement("changes:diff-bounded")
@pytest.mark.parametrize("alphabet", [1, 3, 50, 100_000])
def test_large_texts_with_little_in_common_take_bounded_time(alphabet: int) -> None:
    old = "".join(f"{number * 7919 % alphabet} old\n" for number in range(60_000))
    new = "".join(f"{number * 104_729 % alphabet} {'old' if number % 3 else 'new'}\n" for number in range(60_000))
    begun = time.process_time()
    edits = diff(old, new)
    assert time.process_time() - begun < 5
    assert apply_edits(old, edits) == new


@pytest.mark.parametrize(
    "edits",
    [
        (TextEdit(0, 9, ""),),
        (TextEdit(-1, 0, ""),),
        (TextEdit(2, 1, ""),),
        (TextEdit(0, 2, ""), TextEdit(1, 3, "")),
        (TextEdit(2, 3, ""), TextEdit(0, 1, "")),
    ],
)
def test_edits_that_do_not_fit_are_refused(edits: tuple[TextEdit, ...]) -> None:
    with pytest.raises(EditsInvalid):
        apply_edits("abcd", edits)
    with pytest.raises(EditsInvalid):
        inverse("abcd", edits)
