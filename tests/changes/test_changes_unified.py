"""Unified diffs: what git takes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger import requirement
from vespiary.changes.unified import shortened, unified

LINES = st.lists(st.sampled_from(["a\n", "b\n", "\n", "c d\r\n", "x\ry\n", "é\n", "-- a\n", "+++\n"]), max_size=30)
TEXTS = st.tuples(LINES, st.sampled_from(["", "", "end"])).map(lambda pair: "".join(pair[0]) + pair[1])

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git_apply(folder: Path, diff: str) -> None:
    command = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "--unidiff-zero", "-"]
    done = subprocess.run(command, cwd=folder, input=diff.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode() + diff


@requirement("changes:unified")
@needs_git
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS, st.integers(0, 4))
def test_git_applies_the_diff(tmp_path: Path, old: str, new: str, context: int) -> None:
    diff = unified("a file.txt", old, new, context)
    if old == new:
        assert diff == ""
        return
    file = tmp_path / "a file.txt"
    file.write_bytes(old.encode())
    git_apply(tmp_path, diff)
    assert file.read_bytes() == new.encode()


@needs_git
@pytest.mark.parametrize("path", ["plain.txt", "with space.txt", 'quo"te.txt', "ünï.txt", "deep/er/file"])
def test_git_makes_renames_and_deletes_files(tmp_path: Path, path: str) -> None:
    git_apply(tmp_path, unified(path, None, "one\ntwo"))
    assert (tmp_path / path).read_bytes() == b"one\ntwo"
    git_apply(tmp_path, unified(path, "one\ntwo", "one\ntwo\n", to="new " + path.replace("/", "_")))
    moved = tmp_path / ("new " + path.replace("/", "_"))
    assert moved.read_bytes() == b"one\ntwo\n"
    git_apply(tmp_path, unified(moved.name, "one\ntwo\n", None))
    assert not moved.exists()


def test_a_missing_newline_at_the_end_is_shown() -> None:
    assert unified("a.txt", "one\n", "one\ntwo") == (
        "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1,2 @@\n one\n+two\n\\ No newline at end of file\n"
    )


def test_an_empty_new_file_has_no_hunk() -> None:
    assert unified("a.txt", None, "") == "diff --git a/a.txt b/a.txt\nnew file mode 100644\n"


def test_a_long_diff_is_cut_at_a_line_and_says_so() -> None:
    text = "".join(f"+line {number}\n" for number in range(100))
    cut = shortened(text, 100)
    assert cut.startswith("+line 0\n")
    assert cut.endswith("\n... 88 more lines of this diff are left out ...\n")
    assert shortened(text, 10_000) == text
