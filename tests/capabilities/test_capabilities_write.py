"""Proposals: applied to the text they were made against or not at all, and told either way."""

import os
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from ledger import requirement
from support.memory_ports import Ask, MemoryEditor, MemoryRun, contents
from vespiary.capabilities.safe_files import Folder
from vespiary.model.edits import ReplaceText, TextEdit, content_hash
from vespiary.model.errors import RequestRefused
from vespiary.model.events import EditState
from vespiary.model.grants import Grant
from vespiary.model.runs import ChangeKind, FileChanged

pytestmark = pytest.mark.anyio


async def refused(ask: Ask, **request: object) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await ask(**request)
    return caught.value


@requirement("workspace:told")
async def test_a_write_is_applied_as_small_edits_and_told(
    root: Path, editor: MemoryEditor, run: MemoryRun, ask: Ask
) -> None:
    (root / "a.py").write_bytes(b"x = 1\ny = 2\n")
    answer = await ask(op="write", path="a.py", base=content_hash("x = 1\ny = 2\n"), text="x = 1\ny = 3\n")
    after = content_hash("x = 1\ny = 3\n")
    diff = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"
    assert answer == {"state": "applied", "hash": after, "diff": diff}
    assert (root / "a.py").read_bytes() == b"x = 1\ny = 3\n"
    change = ReplaceText("a.py", content_hash("x = 1\ny = 2\n"), (TextEdit(10, 11, "3"),), after)
    assert editor.applied == [(change, "coder: edit a.py")]
    assert [(edit.path, edit.state, edit.diff) for edit in run.edits] == [("a.py", EditState.APPLIED, diff)]
    assert run.files == [FileChanged("a.py", ChangeKind.MODIFIED)]


@requirement("workspace:buffers-first")
async def test_a_write_to_an_open_document_goes_to_the_buffer(root: Path, editor: MemoryEditor, ask: Ask) -> None:
    (root / "a.py").write_text("saved\n", encoding="utf-8", newline="")
    editor.type("a.py", "typed\n")
    assert (
        await refused(ask, op="write", path="a.py", base=content_hash("saved\n"), text="x")
    ).code == "workspace.stale"
    await ask(op="write", path="a.py", base=content_hash("typed\n"), text="typed\nmore\n")
    assert editor.open["a.py"].text == "typed\nmore\n"
    assert (root / "a.py").read_text(encoding="utf-8") == "saved\n"


@requirement("workspace:stale")
async def test_a_stale_write_is_refused_and_says_what_to_do(root: Path, run: MemoryRun, ask: Ask) -> None:
    (root / "a.py").write_text("new\n", encoding="utf-8", newline="")
    error = await refused(ask, op="write", path="a.py", base=content_hash("old\n"), text="mine\n")
    assert error.code == "workspace.stale"
    assert "Read it again" in str(error)
    assert (root / "a.py").read_text(encoding="utf-8") == "new\n"
    assert [edit.state for edit in run.edits] == [EditState.STALE]
    assert run.files == []


@requirement("workspace:stale")
async def test_a_document_that_changes_at_the_last_moment_is_left_alone(
    editor: MemoryEditor, run: MemoryRun, ask: Ask
) -> None:
    editor.type("a.py", "one\n")
    editor.meddle = lambda: editor.type("a.py", "one, typed\n")
    error = await refused(ask, op="write", path="a.py", base=content_hash("one\n"), text="two\n")
    assert error.code == "workspace.stale"
    assert editor.open["a.py"].text == "one, typed\n"
    assert [edit.state for edit in run.edits] == [EditState.STALE]
    assert "+two" in run.edits[0].diff


@requirement("workspace:told")
async def test_an_edit_that_the_editor_refuses_is_told_with_its_reason(
    root: Path, editor: MemoryEditor, run: MemoryRun, ask: Ask
) -> None:
    (root / "a.py").write_text("one\n", encoding="utf-8", newline="")
    editor.refuses = "The person said no."
    error = await refused(ask, op="write", path="a.py", base=content_hash("one\n"), text="two\n")
    assert (error.code, error.message) == ("workspace.refused", "The person said no.")
    assert [(edit.state, edit.reason) for edit in run.edits] == [(EditState.REFUSED, "The person said no.")]
    assert run.files == []


@requirement("workspace:once")
async def test_a_write_that_was_applied_before_is_not_applied_again(
    root: Path, editor: MemoryEditor, run: MemoryRun, ask: Ask
) -> None:
    (root / "a.py").write_bytes(b"one\n")
    request = {"op": "write", "path": "a.py", "base": content_hash("one\n"), "text": "two\n"}
    await ask(**request)
    again = await ask(**request)
    assert (again["state"], again["diff"]) == ("applied", "")
    assert len(editor.applied) == 1
    assert len(run.files) == 1


async def test_a_file_is_created_with_its_folders(root: Path, run: MemoryRun, ask: Ask) -> None:
    answer = await ask(op="create", path="a/b/c.txt", text="über\r\n")
    assert answer["hash"] == content_hash("über\r\n")
    assert answer["diff"].startswith("diff --git a/a/b/c.txt b/a/b/c.txt\nnew file mode 100644\n--- /dev/null\n")
    assert (root / "a" / "b" / "c.txt").read_bytes() == "über\r\n".encode()
    assert run.files == [FileChanged("a/b/c.txt", ChangeKind.CREATED)]
    assert (await refused(ask, op="create", path="a/b/c.txt", text="x")).code == "workspace.exists"
    assert (await refused(ask, op="create", path="a/b", text="x")).code == "workspace.exists"
    assert (await refused(ask, op="create", path="a/b/c.txt/d", text="x")).code == "workspace.path"
    assert (await refused(ask, op="create", path=".", text="x")).code == "workspace.path"


async def test_a_new_buffer_counts_as_an_existing_file(editor: MemoryEditor, ask: Ask) -> None:
    editor.type("new.py", "")
    assert (await refused(ask, op="create", path="new.py", text="x")).code == "workspace.exists"


async def test_a_file_is_deleted(root: Path, run: MemoryRun, ask: Ask) -> None:
    (root / "a.txt").write_bytes(b"x\n")
    assert (await refused(ask, op="delete", path="a.txt", base="0")).code == "workspace.stale"
    answer = await ask(op="delete", path="a.txt", base=content_hash("x\n"))
    assert answer == {"state": "applied", "diff": answer["diff"]}
    assert "deleted file" in answer["diff"]
    assert not (root / "a.txt").exists()
    assert run.files == [FileChanged("a.txt", ChangeKind.DELETED)]
    assert (await refused(ask, op="delete", path="a.txt", base=content_hash("x\n"))).code == "workspace.missing"


async def test_a_file_is_renamed(root: Path, run: MemoryRun, ask: Ask) -> None:
    (root / "a.txt").write_bytes(b"x\n")
    (root / "taken").write_bytes(b"y\n")
    base = content_hash("x\n")
    assert (await refused(ask, op="rename", path="a.txt", to="taken", base=base)).code == "workspace.exists"
    assert (await refused(ask, op="rename", path="a.txt", to="../b", base=base)).code == "workspace.path"
    assert (await refused(ask, op="rename", path="a.txt", to="b", base="0")).code == "workspace.stale"
    answer = await ask(op="rename", path="a.txt", to="deep/b.txt", base=base)
    assert answer["hash"] == base
    assert "rename to deep/b.txt" in answer["diff"]
    assert contents(root) == {"taken": "y\n", "deep/b.txt": "x\n"}
    assert run.files == [FileChanged("deep/b.txt", ChangeKind.RENAMED, was="a.txt")]
    assert run.edits[-1].to == "deep/b.txt"


async def test_a_rename_may_change_only_the_case_of_letters(root: Path, ask: Ask) -> None:
    (root / "a.txt").write_bytes(b"x\n")
    await ask(op="rename", path="a.txt", to="A.TXT", base=content_hash("x\n"))
    assert contents(root) == {"A.TXT": "x\n"}


@requirement("workspace:round-trip")
async def test_byte_order_mark_line_endings_and_permissions_stay(root: Path, ask: Ask) -> None:
    file = root / "run.sh"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n\x0clast")
    file.chmod(0o750)
    text = (await ask(op="read", path="run.sh"))["text"]
    await ask(op="write", path="run.sh", base=content_hash(text), text=text.replace("two", "2"))
    assert file.read_bytes() == b"\xef\xbb\xbfone\r\n2\rthree\n\x0clast"
    if os.name != "nt":
        assert file.stat().st_mode & 0o777 == 0o750


@requirement("workspace:round-trip")
@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
async def test_a_link_stays_a_link_and_its_file_is_changed(root: Path, ask: Ask) -> None:
    (root / "src").mkdir()
    (root / "src" / "a.txt").write_bytes(b"x\n")
    (root / "link.txt").symlink_to("src/a.txt")
    await ask(op="write", path="link.txt", base=content_hash("x\n"), text="y\n")
    assert (root / "link.txt").is_symlink()
    assert (root / "src" / "a.txt").read_bytes() == b"y\n"
    await ask(op="delete", path="link.txt", base=content_hash("y\n"))
    assert not (root / "link.txt").is_symlink()
    assert (root / "src" / "a.txt").exists()


@requirement("workspace:symlinks-inside")
@pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")
async def test_nothing_is_written_outside(root: Path, tmp_path: Path, ask: Ask) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"x")
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "a")
    base = content_hash("x")
    for request in (
        {"op": "create", "path": "link/new", "text": "x"},
        {"op": "create", "path": "../new", "text": "x"},
        {"op": "write", "path": "file", "base": base, "text": "y"},
        {"op": "delete", "path": "link/a", "base": base},
        {"op": "rename", "path": "link/a", "to": "b", "base": base},
        {"op": "create", "path": ".git/hooks/pre-commit", "text": "x"},
    ):
        assert (await refused(ask, **request)).code == "workspace.path"
    assert contents(outside) == {"a": "x"}


async def test_a_text_that_could_not_be_read_again_is_refused(root: Path, ask: Ask) -> None:
    (root / "a").write_bytes(b"x")
    assert (await refused(ask, op="write", path="a", base=content_hash("x"), text="a\x00b")).code == "workspace.binary"
    huge = "x" * (10 * 1024 * 1024 + 1)
    assert (await refused(ask, op="create", path="b", text=huge)).code == "workspace.too-large"
    assert contents(root) == {"a": "x"}


@requirement("workspace:grants")
async def test_changes_need_the_grant_and_a_run_that_is_no_plan(root: Path, run: MemoryRun, ask: Ask) -> None:
    (root / "a").write_bytes(b"x")
    requests = (
        {"op": "write", "path": "a", "base": content_hash("x"), "text": "y"},
        {"op": "create", "path": "b", "text": "y"},
        {"op": "delete", "path": "a", "base": content_hash("x")},
        {"op": "rename", "path": "a", "to": "b", "base": content_hash("x")},
    )
    run.permit(write=Grant.ASK)
    for request in requests:
        error = await refused(ask, **request)
        assert error.code == "workspace.denied"
        assert '[agents.coder.grants] write = "allow"' in str(error)
    run.permit(write=Grant.ALLOW)
    run.plan()
    for request in requests:
        assert (await refused(ask, **request)).code == "workspace.plan"
    assert contents(root) == {"a": "x"}
    assert (await ask(op="read", path="a"))["text"] == "x"


@requirement("workspace:serial")
async def test_of_many_changes_to_one_text_at_once_one_wins(root: Path, run: MemoryRun, ask: Ask) -> None:
    (root / "a").write_bytes(b"0\n")
    outcomes: list[str] = []

    async def write(number: int) -> None:
        try:
            await ask(op="write", path="a", base=content_hash("0\n"), text=f"{number}\n")
            outcomes.append(f"{number}\n")
        except RequestRefused as error:
            outcomes.append(error.code)

    async with anyio.create_task_group() as group:
        for number in range(1, 21):
            group.start_soon(write, number)
    winners = [outcome for outcome in outcomes if outcome != "workspace.stale"]
    assert winners == [(root / "a").read_text(encoding="utf-8")]
    assert len(outcomes) == 20
    assert contents(root).keys() == {"a"}


@requirement("workspace:serial")
async def test_changes_that_follow_one_another_all_land(root: Path, ask: Ask) -> None:
    (root / "a").write_bytes(b"")

    async def append(number: int) -> None:
        while True:
            seen = await ask(op="read", path="a")
            with suppress(RequestRefused):  # stale: somebody else was first
                await ask(op="write", path="a", base=seen["hash"], text=seen["text"] + f"{number}\n")
                return

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(append, number)
    assert sorted((root / "a").read_text(encoding="utf-8").split()) == [str(number) for number in range(8)]


@requirement("workspace:told")
async def test_a_change_that_was_under_way_when_its_run_was_cancelled_is_still_noted(
    root: Path, run: MemoryRun, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a").write_bytes(b"one\n")
    replace = Folder.replace
    with anyio.CancelScope() as scope:

        def cancelling(self: Folder, source: str, target: str) -> None:
            anyio.from_thread.run_sync(scope.cancel)
            replace(self, source, target)

        monkeypatch.setattr(Folder, "replace", cancelling)
        await ask(op="write", path="a", base=content_hash("one\n"), text="two\n")
        await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert contents(root) == {"a": "two\n"}
    assert [edit.state for edit in run.edits] == [EditState.APPLIED]
    assert run.files == [FileChanged("a", ChangeKind.MODIFIED)]
