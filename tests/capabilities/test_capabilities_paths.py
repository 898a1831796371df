"""Paths that try to leave the workspace."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.capabilities.paths import Paths, inside, parts_of, protected
from vespiary.capabilities.safe_files import SafeFiles
from vespiary.model.errors import RequestRefused

links = pytest.mark.skipif(os.name == "nt", reason="making links needs rights on Windows")


def refused(call: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(RequestRefused) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    assert caught.value.code == "workspace.path"
    return str(caught.value)


@requirement("workspace:paths-inside")
@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../x",
        "a/../../x",
        "a/..",
        "..\\x",
        "a\\..\\..\\x",
        "/etc/passwd",
        "//server/share",
        "\\\\server\\share\\x",
        "\\x",
        "C:\\x",
        "c:/x",
        "C:x",
        "\\\\?\\C:\\x",
        "a\x00b",
        "a\nb",
        "",
        "  ",
        "x" * 5000,
    ],
)
def test_a_path_that_leaves_the_workspace_is_refused(root: Path, path: str) -> None:
    refused(Paths(root).locate, path)


@requirement("workspace:private-folders")
@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".GIT/config",
        ".git",
        "sub/.git/hooks/pre-commit",
        ".git./config",
        ".git /config",
        ".git::$INDEX_ALLOCATION/config",
        "GIT~1/config",
        ".g\u200cit/config",
        ".vespiary/journal",
        ".Vespiary",
        "VESPIA~1/x",
    ],
)
def test_the_folders_of_git_and_vespiary_are_refused(root: Path, path: str) -> None:
    assert "belongs to" in refused(Paths(root).locate, path)


@pytest.mark.parametrize(
    "name", [".gitignore", ".github", "git", ".gitmodules", "vespiary.toml", "digit~1", "...", "..x"]
)
def test_names_that_only_look_alike_are_fine(root: Path, name: str) -> None:
    assert protected(name) is None
    if os.name != "nt":
        assert Paths(root).locate(name).path == name


@pytest.mark.parametrize("name", ["CON", "nul.txt", "a/COM1", "LPT¹.log", "x:stream", "a ", "a.", "what?", "CONIN$"])
def test_names_that_mean_devices_on_windows_are_refused_there(name: str) -> None:
    refused(parts_of, name, windows=True)
    if not name.startswith("x:"):
        assert parts_of(name, windows=False)


def test_names_that_some_system_takes_for_the_same_share_a_lock(root: Path) -> None:
    keys = {Paths(root).locate(name).key for name in ("Ca\u0301fe/A.txt", "c\u00e1fe/a.txt", "C\u00c1FE/a.TXT")}
    assert len(keys) == 1


def test_paths_are_normalised(root: Path) -> None:
    assert Paths(root).locate("./a//b\\c/").path == "a/b/c"
    assert Paths(root).locate(".").path == "."
    assert Paths(root).locate("./").real == ()


@requirement("workspace:symlinks-inside")
@links
def test_links_that_lead_out_are_refused(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s", encoding="utf-8", newline="")
    (root / "file").symlink_to(outside / "secret")
    (root / "folder").symlink_to(outside)
    (root / "dangling").symlink_to(outside / "not-yet")
    (root / "relative").symlink_to("../outside")
    (root / "chain").symlink_to("folder")
    for path in ("file", "folder", "folder/secret", "folder/new", "folder/new/er", "dangling", "relative/x", "chain/x"):
        assert "leaves the workspace" in refused(Paths(root).locate, path)


@links
def test_links_that_stay_inside_are_followed(root: Path) -> None:
    (root / "src").mkdir()
    (root / "src" / "a.py").write_text("x", encoding="utf-8", newline="")
    (root / "link.py").symlink_to("src/a.py")
    (root / "folder").symlink_to("src")
    located = Paths(root).locate("link.py")
    assert (located.path, located.real, located.entry) == ("link.py", ("src", "a.py"), ("link.py",))
    assert Paths(root).locate("folder/new.py").real == ("src", "new.py")
    assert inside(root, "folder/a.py") == Path(os.path.realpath(root)) / "src" / "a.py"


@links
def test_links_into_private_folders_are_refused(root: Path) -> None:
    (root / ".git").mkdir()
    (root / "innocent").symlink_to(".git")
    assert "belongs to git" in refused(Paths(root).locate, "innocent/config")


@links
def test_a_link_to_itself_leads_nowhere(root: Path) -> None:
    (root / "loop").symlink_to("loop")
    real = Paths(root).locate("loop/x").real
    with pytest.raises(NotADirectoryError), SafeFiles(root).folder(real[:-1]):
        pass


@links
def test_a_workspace_may_itself_be_reached_by_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    (root / "a").write_text("x", encoding="utf-8", newline="")
    assert Paths(tmp_path / "alias").locate("a").real == ("a",)


@given(st.text(st.sampled_from("a./\\:~ \u200cgitGIT*?"), max_size=20))
def test_whatever_is_accepted_stays_inside(path: str) -> None:
    root = Path(os.path.realpath("."))
    try:
        parts = parts_of(path)
    except RequestRefused:
        return
    joined = Path(os.path.normpath(root.joinpath(*parts)))
    assert joined == root or root in joined.parents
    assert not any(part.casefold() == ".git" for part in joined.relative_to(root).parts)
