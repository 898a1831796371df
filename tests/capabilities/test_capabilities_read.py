"""Reading and listing the workspace as the editor sees it."""

import os
import time
from pathlib import Path

import anyio
import pytest
from ledger import requirement
from support.memory_ports import Ask, MemoryEditor, MemoryRun
from vespiary.capabilities.search import Search
from vespiary.capabilities.search_process import search_apart
from vespiary.capabilities.texts import MAX_BYTES
from vespiary.model.edits import content_hash
from vespiary.model.errors import RequestRefused
from vespiary.model.grants import Grant

pytestmark = pytest.mark.anyio


async def code(ask: Ask, **request: object) -> str:
    with pytest.raises(RequestRefused) as caught:
        await ask(**request)
    return caught.value.code


async def test_a_file_is_read_with_its_hash(root: Path, ask: Ask) -> None:
    (root / "ä.txt").write_bytes("eins\r\nzwei é😀".encode())
    answer = await ask(op="read", path="./ä.txt")
    assert answer == {
        "path": "ä.txt",
        "text": "eins\r\nzwei é😀",
        "hash": content_hash("eins\r\nzwei é😀"),
        "size": len("eins\r\nzwei é😀".encode()),
    }


@requirement("workspace:buffers-first")
async def test_an_unsaved_buffer_is_what_is_read(root: Path, editor: MemoryEditor, ask: Ask) -> None:
    (root / "a.txt").write_text("on disk", encoding="utf-8", newline="")
    editor.type("a.txt", "being typed")
    answer = await ask(op="read", path="a.txt")
    assert (answer["text"], answer["modified"]) == ("being typed", True)
    assert (await ask(op="stat", path="a.txt"))["hash"] == content_hash("being typed")


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
async def test_a_buffer_is_found_by_the_link_to_its_file(root: Path, editor: MemoryEditor, ask: Ask) -> None:
    (root / "a.txt").write_text("on disk", encoding="utf-8", newline="")
    (root / "link.txt").symlink_to("a.txt")
    editor.type("a.txt", "being typed")
    assert (await ask(op="read", path="link.txt"))["text"] == "being typed"


async def test_a_new_buffer_without_a_file_is_read_listed_and_found(editor: MemoryEditor, ask: Ask) -> None:
    editor.type("src/new.py", "needle = 1\n")
    assert (await ask(op="read", path="src/new.py"))["text"] == "needle = 1\n"
    assert (await ask(op="list"))["entries"] == [{"path": "src/new.py", "kind": "file"}]
    assert (await ask(op="search", pattern="needle"))["matches"] == [
        {"path": "src/new.py", "line": 1, "text": "needle = 1"}
    ]


@requirement("workspace:text-only")
async def test_what_is_no_text_is_refused(root: Path, ask: Ask) -> None:
    (root / "nul").write_bytes(b"a\x00b")
    (root / "latin").write_bytes("é".encode("latin-1"))
    with (root / "huge").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    (root / "folder").mkdir()
    assert await code(ask, op="read", path="nul") == "workspace.binary"
    assert await code(ask, op="read", path="latin") == "workspace.binary"
    assert await code(ask, op="read", path="huge") == "workspace.too-large"
    assert await code(ask, op="read", path="folder") == "workspace.path"
    assert await code(ask, op="read", path=".") == "workspace.path"
    assert await code(ask, op="read", path="none") == "workspace.missing"
    assert await code(ask, op="read", path="nul/below") == "workspace.path"
    assert await code(ask, op="read", path="n" * 300) == "workspace.path"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
async def test_a_named_pipe_is_refused_and_does_not_block(root: Path, ask: Ask) -> None:
    os.mkfifo(root / "pipe")
    with anyio.fail_after(5):
        assert await code(ask, op="read", path="pipe") == "workspace.path"
        assert (await ask(op="stat", path="pipe"))["kind"] == "missing"
        assert (await ask(op="list"))["entries"] == []


async def test_stat_tells_what_is_there(root: Path, ask: Ask) -> None:
    (root / "a").write_text("x", encoding="utf-8", newline="")
    (root / "bin").write_bytes(b"\x00")
    (root / "folder").mkdir()
    assert await ask(op="stat", path="a") == {"path": "a", "kind": "file", "size": 1, "hash": content_hash("x")}
    assert await ask(op="stat", path="bin") == {"path": "bin", "kind": "file", "size": 1}
    assert await ask(op="stat", path="folder") == {"path": "folder", "kind": "folder"}
    assert await ask(op="stat", path="none/deep") == {"path": "none/deep", "kind": "missing"}
    assert await ask(op="stat", path=".") == {"path": ".", "kind": "folder"}


@requirement("workspace:round-trip")
async def test_a_byte_order_mark_is_no_part_of_the_text(root: Path, ask: Ask) -> None:
    (root / "a").write_bytes(b"\xef\xbb\xbfhello")
    answer = await ask(op="read", path="a")
    assert (answer["text"], answer["hash"]) == ("hello", content_hash("hello"))


def tree(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("needle\n", encoding="utf-8", newline="")


@requirement("workspace:ignored")
async def test_a_listing_leaves_out_what_git_ignores(root: Path, ask: Ask) -> None:
    tree(
        root,
        "a.py",
        "b.log",
        "build/x",
        "src/a.py",
        "src/gen/y",
        "src/keep.log",
        ".git/config",
        ".vespiary/j",
        "sub/.git/x",
    )
    (root / ".gitignore").write_text("*.log\n/build/\n", encoding="utf-8", newline="")
    (root / "src" / ".gitignore").write_text("!keep.log\ngen\n", encoding="utf-8", newline="")
    answer = await ask(op="list")
    paths = [entry["path"] for entry in answer["entries"]]
    assert paths == [".gitignore", "a.py", "src", "sub", "src/.gitignore", "src/a.py", "src/keep.log"]
    assert answer["truncated"] is False
    found = await ask(op="search", pattern="needle")
    assert [match["path"] for match in found["matches"]] == ["a.py", "src/a.py", "src/keep.log"]


async def test_a_listing_is_bounded_in_depth_and_number(root: Path, ask: Ask) -> None:
    tree(root, "a", "b/c", "b/d/e")
    assert [entry["path"] for entry in (await ask(op="list", depth=1))["entries"]] == ["a", "b"]
    assert [entry["path"] for entry in (await ask(op="list", depth=2))["entries"]] == ["a", "b", "b/c", "b/d"]
    limited = await ask(op="list", limit=2)
    assert ([entry["path"] for entry in limited["entries"]], limited["truncated"]) == (["a", "b"], True)
    assert (await ask(op="list", limit=5))["truncated"] is False
    assert [entry["path"] for entry in (await ask(op="list", path="b"))["entries"]] == ["b/c", "b/d", "b/d/e"]
    assert await code(ask, op="list", path="a") == "workspace.path"
    assert await code(ask, op="list", path="none") == "workspace.missing"


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("*.py", ["a.py", "src/b.py", "src/deep/c.py"]),
        ("src/*.py", ["src/b.py"]),
        ("src/**/*.py", ["src/b.py", "src/deep/c.py"]),
        ("**/*.{py,ts}", ["a.py", "src/b.py", "src/d.ts", "src/deep/c.py"]),
        ("[ab].py", ["a.py", "src/b.py"]),
        ("./a.py", ["a.py"]),
    ],
)
async def test_a_glob_chooses(root: Path, ask: Ask, glob: str, expected: list[str]) -> None:
    tree(root, "a.py", "src/b.py", "src/d.ts", "src/deep/c.py")
    assert [entry["path"] for entry in (await ask(op="list", glob=glob))["entries"]] == expected


async def test_a_glob_is_also_meant_from_the_folder_that_is_listed(root: Path, ask: Ask) -> None:
    tree(root, "src/deep/c.py", "src/b.py")
    answer = await ask(op="list", path="src", glob="deep/*.py")
    assert [entry["path"] for entry in answer["entries"]] == ["src/deep/c.py"]


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
async def test_links_are_listed_only_if_they_stay_inside(root: Path, tmp_path: Path, ask: Ask) -> None:
    (tmp_path / "secret").write_text("needle", encoding="utf-8", newline="")
    tree(root, "real.txt", "folder/x")
    (root / "in.txt").symlink_to("real.txt")
    (root / "out.txt").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to(".")
    assert [entry["path"] for entry in (await ask(op="list"))["entries"]] == [
        "folder",
        "in.txt",
        "real.txt",
        "folder/x",
    ]
    paths = {match["path"] for match in (await ask(op="search", pattern="needle"))["matches"]}
    assert paths == {"in.txt", "real.txt", "folder/x"}


async def test_search_gives_lines(root: Path, ask: Ask) -> None:
    (root / "a.txt").write_bytes(b"one\r\nTwo\x0cstill two\rthree TWO\n" + b"x" * 2000 + b"two")
    plain = await ask(op="search", pattern="two", ignore_case=True)
    assert [(match["line"], match["text"][:20]) for match in plain["matches"]] == [
        (2, "Two\x0cstill two"),
        (3, "three TWO"),
        (4, "x" * 20),
    ]
    assert len(plain["matches"][2]["text"]) == 501
    exact = await ask(op="search", pattern="TWO")
    assert [match["line"] for match in exact["matches"]] == [3]
    assert (await ask(op="search", pattern="t.o"))["matches"] == []
    limited = await ask(op="search", pattern="two", ignore_case=True, limit=2)
    assert (len(limited["matches"]), limited["truncated"]) == (2, True)
    assert (await ask(op="search", pattern="two", ignore_case=True, limit=3))["truncated"] is False
    assert await code(ask, op="search", pattern="x", path="none") == "workspace.missing"


@requirement("workspace:buffers-first")
@pytest.mark.parametrize("regex", [False, True])
async def test_search_sees_unsaved_text(root: Path, editor: MemoryEditor, ask: Ask, regex: bool) -> None:
    (root / "a.txt").write_text("old needle\n", encoding="utf-8", newline="")
    editor.type("a.txt", "no\nnew needle\n")
    answer = await ask(op="search", pattern="needle", regex=regex)
    assert answer["matches"] == [{"path": "a.txt", "line": 2, "text": "new needle"}]
    assert (await ask(op="search", pattern="needle", path="a.txt", regex=regex))["matches"] == answer["matches"]


async def test_search_by_regular_expression(root: Path, ask: Ask) -> None:
    tree(root, "a.py", "b.txt")
    answer = await ask(op="search", pattern=r"^nee(d|t)le$", regex=True, glob="*.py")
    assert answer == {"matches": [{"path": "a.py", "line": 1, "text": "needle"}], "truncated": False}
    assert await code(ask, op="search", pattern="(", regex=True) == "workspace.request"


@requirement("workspace:regex-bounded")
async def test_a_regular_expression_that_runs_for_ever_stops_nobody_else(root: Path, ask: Ask) -> None:
    (root / "a.txt").write_text("a" * 60 + "b\n", encoding="utf-8", newline="")
    ticks = 0
    begun = time.monotonic()
    with anyio.move_on_after(1.0) as scope:
        async with anyio.create_task_group() as group:

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await anyio.sleep(0.01)
                    ticks += 1

            group.start_soon(tick)
            await ask(op="search", pattern=r"(a+)+$", regex=True)
    assert scope.cancelled_caught
    assert ticks > 20
    assert time.monotonic() - begun < 3


@requirement("workspace:grants")
async def test_reading_needs_the_grant(root: Path, run: MemoryRun, ask: Ask) -> None:
    tree(root, "a")
    for grant in (Grant.DENY, Grant.ASK):
        run.permit(read=grant)
        for request in (
            {"op": "read", "path": "a"},
            {"op": "list"},
            {"op": "search", "pattern": "x"},
            {"op": "stat", "path": "a"},
        ):
            assert await code(ask, **request) == "workspace.denied"


@requirement("workspace:requests")
@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({}, "'op' is missing"),
        ({"op": "burn"}, "must be one of read"),
        ({"op": "read"}, "'path' is missing"),
        ({"op": "read", "path": 3}, "'path' must be text, not a number"),
        ({"op": "read", "path": "a", "pth": "b"}, "Unknown field 'pth'"),
        ({"op": "list", "depth": 0}, "'depth' must be from 1 to"),
        ({"op": "list", "limit": True}, "must be a whole number, not true or false"),
        ({"op": "list", "glob": "{a,b}" * 20}, "stand for more than"),
        ({"op": "search", "pattern": ""}, "must not be empty"),
        ({"op": "write", "path": "a", "base": "x"}, "'text' is missing"),
    ],
)
async def test_a_malformed_request_is_refused_with_a_sentence(ask: Ask, request_: dict[str, object], says: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        await ask(**request_)
    assert caught.value.code == "workspace.request"
    assert says in str(caught.value)


@requirement("workspace:regex-bounded")
async def test_a_regular_expression_that_runs_for_ever_is_stopped(root: Path) -> None:
    (root / "a.txt").write_text("a" * 60 + "b\n", encoding="utf-8", newline="")
    with anyio.fail_after(10), pytest.raises(RequestRefused, match="took longer") as caught:
        await search_apart(Search(str(root), r"(a+)+$", regex=True, seconds=0.1), grace=0.3)
    assert caught.value.code == "workspace.search"


async def test_the_search_process_imports_nothing_from_the_workspace(
    root: Path, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    for name in ("json", "re", "vespiary", "sitecustomize"):
        (root / f"{name}.py").write_text(
            "raise SystemExit('needle: imported from the workspace')\n", encoding="utf-8", newline=""
        )
    answer = await ask(op="search", pattern="need.e", regex=True)
    assert len(answer["matches"]) == 4


async def test_half_a_surrogate_pair_in_a_buffer_reaches_no_actor(editor: MemoryEditor, ask: Ask) -> None:
    editor.type("a.txt", "needle \ud83d\n")
    assert await code(ask, op="read", path="a.txt") == "workspace.binary"
    for regex in (False, True):
        found = await ask(op="search", pattern="needle", regex=regex)
        assert found["matches"][0]["text"] == "needle ?"


@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
async def test_a_link_into_a_private_folder_is_neither_listed_nor_searched(root: Path, ask: Ask) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("token = secret\n", encoding="utf-8", newline="")
    (root / "notes.txt").symlink_to(".git/config")
    assert (await ask(op="list"))["entries"] == []
    for regex in (False, True):
        assert (await ask(op="search", pattern="secret", regex=regex))["matches"] == []
