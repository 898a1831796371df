"""What a model sees of a file: numbers, header, gaps, limits."""

import pytest
from files_view import VIEW_LIMIT, WINDOW, lines_of, view
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary_sdk import ToolError


def show(text: str, start: int | None = None, end: int | None = None, modified: bool = False) -> str:
    return view("a.py", text, len(text.encode()), modified, start, end)


@requirement("actors:read-lines")
def test_a_whole_file_is_shown_with_line_numbers() -> None:
    assert show("one\n\ntwo") == "a.py (3 lines)\n1:one\n2:\n3:two"
    assert show("one\n") == "a.py (1 line)\n1:one"
    assert show("") == "a.py (0 lines)\n[the file is empty]"


@requirement("actors:read-lines")
def test_the_header_says_what_is_special() -> None:
    assert show("a\r\nb\r\n", modified=True) == "a.py (2 lines, CRLF line endings, unsaved in the editor)\n1:a\n2:b"


@requirement("actors:read-range")
def test_a_range_says_what_it_leaves_out() -> None:
    text = "".join(f"l{number}\n" for number in range(1, 11))
    assert show(text, 4, 5) == "a.py (10 lines)\n[... 3 lines omitted ...]\n4:l4\n5:l5\n[... 5 lines omitted ...]"
    assert show(text, 9, 99) == "a.py (10 lines)\n[... 8 lines omitted ...]\n9:l9\n10:l10"
    assert show(text, None, 1) == "a.py (10 lines)\n1:l1\n[... 9 lines omitted ...]"
    assert show(text, 10) == "a.py (10 lines)\n[... 9 lines omitted ...]\n10:l10"


@requirement("actors:read-range")
def test_only_a_start_gives_a_bounded_window() -> None:
    shown = show("x\n" * 1000, 101).splitlines()
    assert shown[2] == "101:x"
    assert shown[-2] == f"{100 + WINDOW}:x"
    assert shown[-1] == f"[... {900 - WINDOW} lines omitted ...]"


@requirement("actors:read-range")
@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (0, 3, "counted from 1"),
        (-2, None, "counted from 1"),
        (None, 0, "counted from 1"),
        (3, 2, "end_line (2) is before start_line (3)"),
        (4, None, "start_line is 4, but a.py has 3 lines"),
        (10**40, 10**41, "but a.py has 3 lines"),
    ],
)
def test_a_range_that_means_nothing_is_refused(start: int | None, end: int | None, told: str) -> None:
    with pytest.raises(ToolError) as caught:
        show("a\nb\nc\n", start, end)
    assert told in str(caught.value)


@requirement("actors:read-limits")
def test_a_large_file_is_not_shown_whole_but_in_parts() -> None:
    text = "some words on a line\n" * 10_000
    with pytest.raises(
        ToolError, match=r"210,000 bytes in 10,000 lines.*start_line and end_line \(about 3,100 lines fit\)"
    ):
        show(text)
    part = show(text, 1, 10_000)
    assert len(part) < VIEW_LIMIT + 200
    last = int(part.splitlines()[-2].partition(":")[0])
    assert f"{10_000 - last:,} lines omitted; the view is full, go on with start_line {last + 1}" in part


@requirement("actors:read-limits")
def test_a_file_beyond_the_limit_is_not_shown_at_all() -> None:
    with pytest.raises(ToolError, match="search_files"):
        view("big.bin", "x", 10 * 1024 * 1024 + 1, False, 1, 1)


@requirement("actors:read-limits")
def test_a_line_longer_than_a_view_is_cut() -> None:
    shown = show("a\n" + "x" * 100_000 + "\nb\n", 2, 3)
    assert "34,464 characters of this line omitted" in shown
    assert "go on with start_line 3" in shown
    with pytest.raises(ToolError, match="about 1 lines fit"):
        show("x" * 100_000)


@given(st.text(alphabet="ab\r\n\x0b\x0c\x1c\x85\u2028", max_size=40))
def test_lines_are_those_of_editors(text: str) -> None:
    lines = lines_of(text)
    assert "\n".join(lines) == text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n") or not lines


@given(st.lists(st.text(alphabet="ab", max_size=3), min_size=1, max_size=30), st.data())
def test_every_line_of_a_range_is_shown_once_with_its_number(lines: list[str], data: st.DataObject) -> None:
    lines[-1] += "x"
    start = data.draw(st.integers(1, len(lines)))
    end = data.draw(st.integers(start, len(lines) + 5))
    shown = [line for line in show("\n".join(lines), start, end).splitlines()[1:] if not line.startswith("[")]
    assert shown == [f"{number}:{lines[number - 1]}" for number in range(start, min(end, len(lines)) + 1)]
