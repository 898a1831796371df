"""The build of the component: its identity, and what is said when it cannot be made."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from ledger import requirement

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "server/vespiary/wasm/build.py"


def quiet(text: str) -> None:
    """Nobody is told."""


@pytest.fixture
def script() -> ModuleType:
    """The build script, loaded by itself as the build of the wheel does."""
    spec = importlib.util.spec_from_file_location("build_by_itself", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "wit/world.wit",
        "actors/python/vespiary_sdk/__init__.py",
        "actors/python/entry/actor.py",
        "actors/files/files.py",
        "actors/files/actor.toml",
        "actors/files/README.md",
        "actors/half/half.py",
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a\nb\n", encoding="utf-8", newline="\n")
    return tmp_path


@requirement("sdk:source-hash")
@pytest.mark.parametrize(
    "name",
    [
        "wit/world.wit",
        "actors/python/vespiary_sdk/__init__.py",
        "actors/python/entry/actor.py",
        "actors/files/files.py",
    ],
)
def test_the_identity_changes_with_every_source(script: ModuleType, tree: Path, name: str) -> None:
    before = script.source_hash(tree / "wit", tree / "actors")
    (tree / name).write_text("a\nc\n", encoding="utf-8", newline="\n")
    assert script.source_hash(tree / "wit", tree / "actors") != before


@requirement("sdk:source-hash")
def test_the_identity_ignores_line_ends_places_and_what_is_not_built_in(script: ModuleType, tree: Path) -> None:
    before = script.source_hash(tree / "wit", tree / "actors")
    (tree / "wit/world.wit").write_bytes(b"a\r\nb\r\n")
    (tree / "actors/files/README.md").write_text("other", encoding="utf-8", newline="")
    (tree / "actors/half/half.py").write_text("no actor.toml", encoding="utf-8", newline="")
    moved = tree / "moved"
    (tree / "wit").rename(tree / "wit2")
    (tree / "actors").rename(moved)
    assert script.source_hash(tree / "wit2", moved) == before


@requirement("sdk:source-hash")
def test_the_identity_changes_with_a_new_built_in_actor(script: ModuleType, tree: Path) -> None:
    before = script.source_hash(tree / "wit", tree / "actors")
    (tree / "actors/half/actor.toml").write_text("", encoding="utf-8", newline="")
    assert script.source_hash(tree / "wit", tree / "actors") != before


@requirement("sdk:no-builder-is-told")
def test_without_the_builder_the_error_says_what_to_install(
    script: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "componentize_py", None)
    with pytest.raises(script.BuildError, match=r'pip install "componentize-py==[\d.]+"'):
        script.build(tree / "out.wasm", wit=tree / "wit", actors=tree / "actors", progress=quiet)


def test_a_build_that_fails_tells_why_and_leaves_nothing(script: ModuleType, tree: Path) -> None:
    output = tree / "out" / "python.wasm"
    with pytest.raises(script.BuildError, match="componentize-py failed"):
        script.build(output, wit=tree / "wit", actors=tree / "actors", progress=quiet)
    assert list(output.parent.iterdir()) == []


def test_the_build_script_needs_the_standard_library_only() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).partition(".")[0] for name in names} <= set(sys.stdlib_module_names)
