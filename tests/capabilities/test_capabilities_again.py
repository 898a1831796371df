"""Requests that are made again because a crash lost their answer: what was done is not done twice, and what was not is done."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from ledger import requirement
from support import crashes
from support.memory_ports import CALLER, Ask, MemoryEditor, MemoryRun, contents
from vespiary.capabilities.agents import AgentsCapability
from vespiary.capabilities.ports import Noted
from vespiary.capabilities.safe_files import SafeFiles
from vespiary.capabilities.temporary import tidy
from vespiary.capabilities.workspace import WorkspaceCapability
from vespiary.model.edits import ReplaceText, content_hash
from vespiary.model.errors import RequestRefused
from vespiary.model.events import EditState
from vespiary.model.runs import ChangeKind, FileChanged

pytestmark = pytest.mark.anyio

posix = pytest.mark.skipif(os.name == "nt", reason="forks, and asks whether processes live")

TEXT = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n"
Again = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def again(workspace: WorkspaceCapability) -> Again:
    """`await again(op=...)`: a request after a crash."""

    async def ask(**request: Any) -> dict[str, Any]:
        return json.loads(await workspace(replace(CALLER, again=True), json.dumps(request)))

    return ask


async def refused(ask: Again, **request: Any) -> str:
    with pytest.raises(RequestRefused) as caught:
        await ask(**request)
    return caught.value.code


def write(root: Path, path: str, text: str) -> None:
    (root / path).write_bytes(text.encode())


@requirement("workspace:again")
async def test_a_creation_that_was_carried_out_is_answered_and_told_as_it_was(
    root: Path, run: MemoryRun, editor: MemoryEditor, ask: Ask, again: Again
) -> None:
    request = {"op": "create", "path": "a/new.py", "text": "\ufeffone\r\n"}
    assert await again(**request) == await again(**request)
    assert run.edits[0] == run.edits[1]
    assert run.files == [FileChanged("a/new.py", ChangeKind.CREATED)] * 2
    assert len(editor.applied) == 1
    assert await refused(ask, **request) == "workspace.exists"
    assert await refused(again, **{**request, "text": "other"}) == "workspace.exists"
    assert await refused(again, op="create", path="a", text="") == "workspace.exists"
    assert contents(root) == {"a/new.py": "\ufeffone\r\n"}


@requirement("workspace:again")
async def test_a_deletion_that_was_carried_out_is_answered_and_told(
    root: Path, run: MemoryRun, editor: MemoryEditor, ask: Ask, again: Again
) -> None:
    write(root, "a.py", "one\n")
    request = {"op": "delete", "path": "a.py", "base": content_hash("one\n")}
    assert (await again(**request))["diff"]
    assert await again(**request) == {"state": "applied", "diff": ""}
    assert [(edit.path, edit.state) for edit in run.edits] == [("a.py", EditState.APPLIED)] * 2
    assert run.files == [FileChanged("a.py", ChangeKind.DELETED)] * 2
    assert len(editor.applied) == 1
    assert await refused(ask, **request) == "workspace.missing"
    write(root, "a.py", "another\n")
    assert await refused(again, **request) == "workspace.stale"


@requirement("workspace:again")
async def test_a_renaming_that_was_carried_out_is_answered_and_told(
    root: Path, run: MemoryRun, editor: MemoryEditor, ask: Ask, again: Again
) -> None:
    write(root, "a.py", "one\n")
    request = {"op": "rename", "path": "a.py", "to": "sub/b.py", "base": content_hash("one\n")}
    assert await again(**request) == await again(**request)
    assert run.edits[0] == run.edits[1]
    assert run.edits[1].to == "sub/b.py"
    assert run.files == [FileChanged("sub/b.py", ChangeKind.RENAMED, was="a.py")] * 2
    assert len(editor.applied) == 1
    assert await refused(ask, **request) == "workspace.missing"
    write(root, "sub/b.py", "another\n")
    assert await refused(again, **request) == "workspace.missing"
    write(root, "a.py", "one\n")
    assert await refused(again, **request) == "workspace.exists"


@requirement("workspace:again")
@pytest.mark.parametrize("opened", [True, False])
async def test_a_write_of_several_hunks_that_was_carried_out_is_not_stale(
    root: Path, run: MemoryRun, editor: MemoryEditor, again: Again, opened: bool
) -> None:
    write(root, "a.py", TEXT)
    if opened:
        editor.type("a.py", TEXT)
    text = TEXT.replace("one", "1").replace("five", "5\n5").replace("ten\n", "")
    request = {"op": "write", "path": "a.py", "base": content_hash(TEXT), "text": text}
    first = await again(**request)
    assert first["diff"].count("@@ ") == 1
    assert await again(**request) == {**first, "diff": ""}
    ((change, _),) = editor.applied
    assert isinstance(change, ReplaceText)
    assert len(change.edits) >= 3
    assert [edit.state for edit in run.edits] == [EditState.APPLIED] * 2
    assert run.files == [FileChanged("a.py", ChangeKind.MODIFIED)] * 2
    assert (editor.open["a.py"].text if opened else contents(root)["a.py"]) == text


@requirement("workspace:again")
async def test_a_write_that_changes_nothing_is_told_neither_time(root: Path, run: MemoryRun, again: Again) -> None:
    write(root, "a.py", "one\n")
    for _ in range(2):
        answer = await again(op="write", path="a.py", base=content_hash("one\n"), text="one\n")
        assert answer["diff"] == ""
    assert run.told == []


@requirement("workspace:again")
async def test_a_document_that_a_person_changed_meanwhile_is_left_alone(editor: MemoryEditor, again: Again) -> None:
    editor.type("a.py", "one, and typed\n")
    request = {"op": "write", "path": "a.py", "base": content_hash("one\n"), "text": "two\n"}
    assert await refused(again, **request) == "workspace.stale"
    assert editor.open["a.py"].text == "one, and typed\n"


@requirement("workspace:again")
async def test_what_was_created_counts_as_it_stands_in_the_editor(
    root: Path, editor: MemoryEditor, again: Again
) -> None:
    write(root, "new.py", "one\n")
    editor.type("new.py", "one\n")
    assert (await again(op="create", path="new.py", text="one\n"))["state"] == "applied"
    editor.type("new.py", "one, and typed\n")
    assert await refused(again, op="create", path="new.py", text="one\n") == "workspace.exists"


@requirement("workspace:again")
async def test_a_deleted_or_renamed_file_may_still_be_open_in_the_editor(
    root: Path, editor: MemoryEditor, again: Again
) -> None:
    editor.type("a.py", "one\n")
    assert (await again(op="delete", path="a.py", base=content_hash("one\n")))["state"] == "applied"
    write(root, "b.py", "one\n")
    request = {"op": "rename", "path": "a.py", "to": "b.py", "base": content_hash("one\n")}
    assert (await again(**request))["state"] == "applied"
    assert editor.applied == []


@requirement("workspace:again")
@posix
async def test_only_what_a_dead_process_left_behind_is_removed(root: Path, again: Again) -> None:
    dead = (await anyio.run_process([sys.executable, "-c", "import os; print(os.getpid())"])).stdout.decode().strip()
    left, other = f".vespiary-{dead}-abc.tmp", f".vespiary-{os.getppid()}-abc.tmp"
    for name in (left, f".vespiary-{os.getpid()}-abc.tmp", other, ".vespiary-x.tmp", "vespiary-1-a.tmp", "a.py"):
        write(root, name, "one\n")
    await again(op="write", path="a.py", base=content_hash("one\n"), text="two\n")
    assert sorted(contents(root)) == sorted([other, ".vespiary-x.tmp", "vespiary-1-a.tmp", "a.py"])
    (root / left).mkdir()
    with SafeFiles(root).folder(()) as folder:
        tidy(folder)  # what cannot be removed stays


def scenarios(source: Random) -> list[dict[str, Any]]:
    """Random requests of every kind: most can be carried out, some are refused, which a crash must not change either."""
    found: list[dict[str, Any]] = []
    for _ in range(2):
        lines = [f"{source.choice('abc')}{number}\n" for number in range(source.randint(0, 12))]
        text = "".join(lines)
        edited = "".join(line for line in lines if source.random() > 0.2) + source.choice(["", "new\n", "\r\nlast"])
        files = {"a": text, "sub/b": "b\n", "taken": source.choice([text, "x"])}
        base = content_hash(text) if source.random() > 0.1 else "0" * 16
        place = source.choice(["new", "sub/new", "deep/er/new", "taken"])
        for request in (
            {"op": "write", "path": "a", "base": base, "text": edited},
            {"op": "create", "path": place, "text": edited},
            {"op": "delete", "path": "a", "base": base},
            {"op": "rename", "path": "a", "to": place, "base": base},
        ):
            found.append({"files": files, "request": request})
    made = {"op": "create", "path": "deep/er/new", "text": "one\n"}
    return [*found, {"files": {}, "request": made}, {"files": {}, "request": made, "linkless": True}]


@requirement("workspace:again")
@posix
@pytest.mark.parametrize("seed", range(2))
def test_wherever_a_crash_comes_the_files_are_as_if_there_had_been_none(seed: int) -> None:
    found = scenarios(Random(seed))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = subprocess.run(
        [sys.executable, crashes.__file__],
        input="\n".join(map(json.dumps, found)),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    points = 0
    for scenario, line in zip(found, told.stdout.splitlines(), strict=True):
        undisturbed, *disturbed = json.loads(line)
        for after in disturbed:
            points += 1
            told_of = (scenario["request"], after["point"])
            assert after["tree"] == undisturbed["tree"], told_of
            assert after["files"] == undisturbed["files"], told_of
            assert after["edits"] == undisturbed["edits"], told_of
            answer = {key: value for key, value in undisturbed["answer"].items() if key != "diff"}
            assert {key: value for key, value in after["answer"].items() if key != "diff"} == answer, told_of
    assert points > 20


@requirement("workspace:agents")
async def test_an_agent_that_is_to_be_ended_again_is_left_to_the_run(run: MemoryRun) -> None:
    capability = AgentsCapability(run)
    await capability(replace(CALLER, again=True), '{"op": "stop", "scope": "zZ9y8x"}')
    assert run.stopped == ["zZ9y8x"]


@requirement("crash:edit-once")
@pytest.mark.parametrize("op", ["write", "create", "delete", "rename"])
async def test_a_change_that_was_noted_as_made_gets_its_answer_whatever_became_of_the_file(
    root: Path, run: MemoryRun, editor: MemoryEditor, ask: Ask, again: Again, op: str
) -> None:
    write(root, "a.py", "one\n")
    wishes = {"write": {"text": "two\n"}, "rename": {"to": "b.py"}, "create": {"path": "c.py", "text": "new\n"}}
    request = {"op": op, "path": "a.py", "base": content_hash("one\n"), **wishes.get(op, {})}
    if op == "create":
        del request["base"]
    answer = await ask(**request)
    assert [json.loads(each) for each in run.intended] == [answer]
    for path in contents(root):
        write(root, path, "another agent went on from there\n")
    run.known = Noted(run.intended[0], made=True)
    assert await again(**request) == answer
    assert len(editor.applied) == len(run.files) == len(run.edits) == 1


@requirement("crash:edit-once")
@pytest.mark.parametrize("op", ["write", "delete"])
async def test_a_change_that_was_made_but_not_noted_so_gets_the_diff_that_was_to_be_told(
    root: Path, run: MemoryRun, ask: Ask, again: Again, op: str
) -> None:
    write(root, "a.py", "one\n")
    request = {"op": op, "path": "a.py", "base": content_hash("one\n"), **({"text": "two\n"} if op == "write" else {})}
    answer = await ask(**request)
    assert answer["diff"]
    run.known = Noted(run.intended[0])
    assert await again(**request) == answer
    assert run.edits[1].diff == answer["diff"]


@requirement("crash:edit-once")
async def test_a_change_that_was_only_intended_is_made(root: Path, run: MemoryRun, ask: Ask, again: Again) -> None:
    write(root, "a.py", "one\n")
    request = {"op": "write", "path": "a.py", "base": content_hash("one\n"), "text": "two\n"}
    answer = await ask(**request)
    write(root, "a.py", "one\n")
    run.known = Noted(run.intended[0])
    assert await again(**request) == answer
    assert contents(root) == {"a.py": "two\n"}
