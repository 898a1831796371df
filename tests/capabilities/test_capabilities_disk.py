"""The disk as an editor, and the file operations under it, with and without open folders."""

import os
import threading
from functools import partial
from pathlib import Path

import pytest
from ledger import requirement
from support.memory_ports import contents
from vespiary.app.disk import DiskEditor
from vespiary.capabilities.safe_files import Folder, SafeFiles
from vespiary.model.edits import (
    ApplyState,
    CreateFile,
    DeleteFile,
    RenameFile,
    ReplaceText,
    TextEdit,
    content_hash,
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[True, False], ids=["open-folders", "plain-paths"])
def relative(request: pytest.FixtureRequest) -> bool:
    if request.param and os.name == "nt":
        pytest.skip("Windows has no operations relative to open folders")
    return request.param


@pytest.fixture
def disk(root: Path, relative: bool) -> DiskEditor:
    return DiskEditor(root, files=partial(SafeFiles, relative=relative))


def replacing(path: str, old: str, new: str) -> ReplaceText:
    return ReplaceText(path, content_hash(old), (TextEdit(0, len(old), new),), content_hash(new))


@requirement("workspace:atomic")
async def test_the_four_changes(root: Path, disk: DiskEditor) -> None:
    assert (await disk.apply(CreateFile("a/b.txt", "one"), "l")).state is ApplyState.APPLIED
    assert (await disk.apply(replacing("a/b.txt", "one", "two"), "l")).state is ApplyState.APPLIED
    assert (root / "a" / "b.txt").read_text(encoding="utf-8") == "two"
    assert (await disk.apply(RenameFile("a/b.txt", "c/d.txt", content_hash("two")), "l")).state is ApplyState.APPLIED
    assert (root / "c" / "d.txt").read_text(encoding="utf-8") == "two"
    assert (await disk.apply(DeleteFile("c/d.txt", content_hash("two")), "l")).state is ApplyState.APPLIED
    assert contents(root) == {}


@requirement("workspace:stale")
async def test_a_change_to_another_text_is_stale(root: Path, disk: DiskEditor) -> None:
    (root / "a").write_text("now", encoding="utf-8", newline="")
    for change in (
        replacing("a", "then", "x"),
        DeleteFile("a", content_hash("then")),
        RenameFile("a", "b", content_hash("then")),
        replacing("gone", "then", "x"),
        DeleteFile("gone", content_hash("then")),
        RenameFile("gone", "b", content_hash("then")),
    ):
        result = await disk.apply(change, "l")
        assert result.state is ApplyState.STALE
        assert result.reason
    assert contents(root) == {"a": "now"}


async def test_what_exists_is_not_overwritten(root: Path, disk: DiskEditor) -> None:
    (root / "a").write_text("a", encoding="utf-8", newline="")
    (root / "b").write_text("b", encoding="utf-8", newline="")
    (root / "folder").mkdir()
    for change in (
        CreateFile("a", "x"),
        CreateFile("folder", "x"),
        CreateFile("a/below", "x"),
        RenameFile("a", "b", content_hash("a")),
        RenameFile("a", "folder", content_hash("a")),
        CreateFile("../x", "x"),
        CreateFile(".git/x", "x"),
    ):
        assert (await disk.apply(change, "l")).state is ApplyState.REFUSED
    assert contents(root) == {"a": "a", "b": "b"}


async def test_edits_that_do_not_give_what_they_promise_are_refused(root: Path, disk: DiskEditor) -> None:
    (root / "a").write_text("a", encoding="utf-8", newline="")
    lying = ReplaceText("a", content_hash("a"), (TextEdit(0, 1, "b"),), content_hash("c"))
    wild = ReplaceText("a", content_hash("a"), (TextEdit(5, 9, "b"),), content_hash("c"))
    for change in (lying, wild):
        assert (await disk.apply(change, "l")).state is ApplyState.REFUSED
    assert contents(root) == {"a": "a"}


async def test_a_read_only_file_is_refused(root: Path, disk: DiskEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_text("a", encoding="utf-8", newline="")
    (root / "a").chmod(0o444)

    def as_nobody(self: Folder, name: str) -> bool:
        return bool(self.stat(name).st_mode & 0o222)

    monkeypatch.setattr(Folder, "writable", as_nobody)  # the tests may run as root, who may write anything
    result = await disk.apply(replacing("a", "a", "b"), "l")
    assert result.state is ApplyState.REFUSED
    assert "read-only" in (result.reason or "")


@requirement("workspace:atomic")
async def test_a_failed_write_leaves_the_file_and_nothing_beside_it(
    root: Path, disk: DiskEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a").write_text("a", encoding="utf-8", newline="")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for change in (replacing("a", "a", "b"), CreateFile("b", "x")):
        result = await disk.apply(change, "l")
        assert result.state is ApplyState.REFUSED
        assert "No space left" in (result.reason or "")
    assert contents(root) == {"a": "a"}


@requirement("workspace:atomic")
async def test_a_reader_never_sees_half_of_a_file(root: Path, disk: DiskEditor) -> None:
    texts = ["x" * 300_000, "y" * 300_000]
    (root / "a").write_text(texts[0], encoding="utf-8", newline="")
    seen: set[str] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add((root / "a").read_text(encoding="utf-8"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(20):
            result = await disk.apply(replacing("a", texts[turn % 2], texts[(turn + 1) % 2]), "l")
            assert result.state is ApplyState.APPLIED
    finally:
        done.set()
        reader.join()
    assert seen <= set(texts)


@requirement("workspace:atomic")
async def test_a_file_that_changes_while_it_is_written_is_stale(
    root: Path, disk: DiskEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a").write_text("a", encoding="utf-8", newline="")
    written = Folder.write_new

    def meddle(self: Folder, name: str, data: bytes, mode: int | None) -> None:
        written(self, name, data, mode)
        (root / "a").write_text("somebody else's", encoding="utf-8", newline="")

    monkeypatch.setattr(Folder, "write_new", meddle)
    assert (await disk.apply(replacing("a", "a", "b"), "l")).state is ApplyState.STALE
    assert contents(root) == {"a": "somebody else's"}


@requirement("workspace:atomic")
async def test_success_is_what_the_file_says(root: Path, disk: DiskEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_text("a", encoding="utf-8", newline="")
    replace = Folder.replace

    def meddle(self: Folder, source: str, target: str) -> None:
        replace(self, source, target)
        (root / "a").write_text("somebody else's", encoding="utf-8", newline="")

    monkeypatch.setattr(Folder, "replace", meddle)
    result = await disk.apply(replacing("a", "a", "b"), "l")
    assert result.state is ApplyState.REFUSED
    assert "somebody else" in (result.reason or "")


async def test_a_file_system_without_hard_links_will_do(
    root: Path, disk: DiskEditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert (await disk.apply(CreateFile("a", "x"), "l")).state is ApplyState.APPLIED
    assert (await disk.apply(CreateFile("a", "y"), "l")).state is ApplyState.REFUSED
    assert contents(root) == {"a": "x"}


@requirement("workspace:raced-links")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no operations relative to open folders")
async def test_a_link_put_in_the_way_does_not_lead_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a").write_text("a", encoding="utf-8", newline="")
    (root / "folder").mkdir()
    (root / "folder" / "a").write_text("a", encoding="utf-8", newline="")
    folder = SafeFiles.folder

    def swap(self: SafeFiles, parts: tuple[str, ...], *, create: bool = False):
        # Between the check of the path and its use, the folder becomes a link to the outside.
        if not (root / "folder").is_symlink():
            (root / "folder").rename(root / "moved")
            (root / "folder").symlink_to(outside)
        return folder(self, parts, create=create)

    disk = DiskEditor(root)
    for change in (
        replacing("folder/a", "a", "evil"),
        CreateFile("folder/b", "evil"),
        DeleteFile("folder/a", content_hash("a")),
        RenameFile("folder/a", "folder/c", content_hash("a")),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(SafeFiles, "folder", swap)
            assert (await disk.apply(change, "l")).state is not ApplyState.APPLIED
        (root / "folder").unlink()
        (root / "moved").rename(root / "folder")
    assert contents(outside) == {"a": "a"}


async def test_nothing_is_open_on_disk(disk: DiskEditor) -> None:
    assert disk.buffer("a") is None
    assert list(disk.buffers()) == []
