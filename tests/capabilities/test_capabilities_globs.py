"""Globs and ignore rules: the same answers as git, and no pattern that makes them slow."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger import requirement
from vespiary.capabilities.globs import GlobInvalid, compiled
from vespiary.capabilities.ignore import Ignore

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

PATHS = [
    "a",
    "b.py",
    "ab",
    ".a",
    "a b",
    "d/a",
    "d/b.py",
    "d/e/a",
    "d/e/b.py",
    "d/e/f/ab",
    "x/d/a",
    "x/d/e/b.py",
    "a]",
    "a-b",
    "!a",
    "#a",
]
PIECES = [
    "a",
    "b",
    "d",
    "e",
    "*",
    "**",
    "/",
    "?",
    "[ab]",
    "[!a]",
    "[a-c]",
    ".py",
    "!",
    "#",
    "\\",
    " ",
    ".",
    "]",
    "[",
    "-",
    "x",
]
# Two stars that are no whole component mean different things to git, depending on what precedes them.
lines = st.lists(
    st.lists(st.sampled_from(PIECES), max_size=6)
    .map("".join)
    .filter(lambda line: not re.search(r"[^/!]\*\*|\*\*[^/]|^!.+!\*\*", line)),
    max_size=4,
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", "."], cwd=root, check=True)
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        if not (root / path).exists():
            (root / path).write_text("", encoding="utf-8", newline="")
    return root


def ignored_by_git(root: Path, rules: str) -> set[str]:
    (root / ".gitignore").write_text(rules, encoding="utf-8", newline="")
    command = [
        "git",
        "-c",
        f"core.excludesFile={os.devnull}",
        "-c",
        "core.ignoreCase=false",
        "check-ignore",
        "--stdin",
        "-z",
        "--no-index",
    ]
    done = subprocess.run(command, cwd=root, input="\0".join(PATHS).encode(), capture_output=True, check=False)
    return {path for path in done.stdout.decode().split("\0") if path}


def ignored_by_us(rules: str) -> set[str]:
    ignore = Ignore().below("", rules)

    def left_out(path: str) -> bool:
        parts = path.split("/")
        folders = ["/".join(parts[:count]) for count in range(1, len(parts))]
        return any(ignore.ignores(folder, is_folder=True) for folder in folders) or ignore.ignores(
            path, is_folder=False
        )

    return {path for path in PATHS if left_out(path)}


@requirement("workspace:ignored")
@needs_git
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines)
def test_rules_mean_what_they_mean_to_git(repository: Path, rules: list[str]) -> None:
    text = "\n".join(rules) + "\n"
    assert ignored_by_us(text) == ignored_by_git(repository, text)


@needs_git
@pytest.mark.parametrize(
    "rules",
    [
        "a\n!d/a\n",
        "/a\n",
        "d/\n",
        "d/*\n!d/e\n",
        "**/e\n",
        "d/**\n",
        "d/**/b.py\n",
        "/**/a\n",
        "*.py\n!b.py\n",
        "\\!a\n",
        "\\#a\n",
        "a\\ b\n",
        "a   \n",
        "[a-\n",
        "a]\n",
        "[]]\n",
        "!*\n*\n",
        "# comment\n\n  \n",
        "\ufeffa\n",
        "a\r\nb.py\r\n",
        "d/e/\n!d/e/a\n",
        "[/[ab]\n",
    ],
)
def test_known_rules_mean_what_they_mean_to_git(repository: Path, rules: str) -> None:
    assert ignored_by_us(rules) == ignored_by_git(repository, rules)


@requirement("workspace:globs-bounded")
@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 100 + "b", "a" * 255),
        ("*?" * 100 + "b", "a" * 255),
        ("**/a*/" * 50 + "b", "/".join(["a"] * 500)),
        ("*/**/" * 50 + "b", "/".join(["a"] * 500)),
        ("[a-z]*" * 100 + "!", "a" * 255),
        ("**/" + "*a" * 50 + "/**/" + "*a" * 50 + "b", "/".join(["a" * 100] * 20)),
    ],
)
def test_no_pattern_takes_long(pattern: str, path: str) -> None:
    matcher = compiled(pattern)
    begun = time.process_time()
    assert matcher.fullmatch(path) is None
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        ("*.py", ["a.py", "d/a.py"], ["a.pyc", "a.py/b"]),
        ("src/*", ["src/a"], ["src/a/b", "x/src/a"]),
        ("src/**", ["src/a", "src/a/b"], ["src"]),
        ("**/test_*.py", ["test_a.py", "d/e/test_b.py"], ["tests.py"]),
        ("{a,b}/*.{x,y}", ["a/1.x", "b/2.y"], ["c/1.x", "a/1.z"]),
        ("a{b}c", ["a{b}c"], ["abc"]),
        ("[!a]b", ["bb"], ["ab", "/b"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("d\\e", ["d/e"], ["de"]),
        ("a*b*c", ["abc", "aXbYc", "abbcc"], ["acb"]),
        ("*ab", ["ab", "aab", "abab"], ["aba"]),
    ],
)
def test_globs_for_people(pattern: str, fits: list[str], not_fits: list[str]) -> None:
    matcher = compiled(pattern)
    assert [path for path in fits if matcher.fullmatch(path) is None] == []
    assert [path for path in not_fits if matcher.fullmatch(path) is not None] == []


@pytest.mark.parametrize("pattern", ["x" * 2000, "{a,b}" * 10])
def test_a_glob_out_of_bounds_is_refused(pattern: str) -> None:
    with pytest.raises(GlobInvalid):
        compiled(pattern)
