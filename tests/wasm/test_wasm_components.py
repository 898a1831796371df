"""Where the generic Python component comes from."""

from collections.abc import Callable
from pathlib import Path

import pytest
import vespiary
from ledger import requirement
from support.wat import WatActor
from vespiary.wasm import build
from vespiary.wasm.cache import component_hash
from vespiary.wasm.components import ComponentStore, python_source
from vespiary.wasm.errors import ComponentMissing
from vespiary.wasm.storage import PrivateFolder


def nothing(_sentence: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder that is the installation for this test."""
    package = tmp_path / "root" / "server" / "vespiary"
    package.mkdir(parents=True)
    monkeypatch.setattr(vespiary, "__file__", str(package / "__init__.py"))
    return package


@pytest.fixture
def checkout(installation: Path) -> Path:
    """A source checkout around the package."""
    root = installation.parents[1]
    (root / "wit").mkdir()
    (root / "wit" / "world.wit").write_text("package a:b;", encoding="utf-8", newline="")
    (root / "actors" / "python").mkdir(parents=True)
    return root


class Builder:
    """Stands in for the builder, which takes half a minute; writes a small component instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.fails = False
        monkeypatch.setattr(build, "build", self.build)

    def build(self, output: Path, *, wit: Path, actors: Path, progress: Callable[[str], None]) -> None:
        assert (wit / "world.wit").exists()
        assert actors.is_dir()
        self.calls += 1
        if self.fails:
            raise build.BuildError("componentize-py is not installed.")
        progress("building")
        output.write_bytes(WatActor().bytes())


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> Builder:
    return Builder(monkeypatch)


def test_an_installed_wheel_brings_the_component(installation: Path, tmp_path: Path, builder: Builder) -> None:
    (installation / "_assets").mkdir()
    (installation / "_assets" / "python.wasm").write_bytes(b"packaged")
    source = python_source(PrivateFolder(tmp_path / "c"), nothing)
    assert source.read() == b"packaged"
    assert source.identity == component_hash(b"packaged")
    assert builder.calls == 0


def test_an_installation_without_it_says_what_to_do(installation: Path, tmp_path: Path) -> None:
    assert installation.is_dir()
    with pytest.raises(ComponentMissing, match="source checkout"):
        python_source(PrivateFolder(tmp_path / "c"), nothing)


@requirement("wasm:cache-kept")
def test_a_checkout_builds_it_once_and_again_when_a_source_changed(
    checkout: Path, tmp_path: Path, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = ["one"]

    def latest(_wit: Path, _actors: Path) -> str:
        return sources[-1]

    monkeypatch.setattr(build, "source_hash", latest)
    for expected in (1, 1):
        store = ComponentStore(nothing, folder=tmp_path / "c")
        # Its bytes are text, which only a .wat file may be: what matters here is that they were asked for.
        with pytest.raises(Exception, match="not a WebAssembly component"):
            store.load("python")
        assert builder.calls == expected
    sources.append("two")
    python_source(PrivateFolder(tmp_path / "c"), nothing)
    assert builder.calls == 2
    assert checkout.is_dir()


@requirement("wasm:cache-damage")
def test_a_damaged_build_is_built_again_when_it_is_needed(checkout: Path, tmp_path: Path, builder: Builder) -> None:
    folder = PrivateFolder(tmp_path / "c")
    python_source(folder, nothing)
    (kept,) = folder.path.glob("*.wasm")
    kept.write_bytes(b"damaged")
    source = python_source(folder, nothing)
    assert builder.calls == 1, "nothing was read yet"
    assert source.read() == WatActor().bytes()
    assert builder.calls == 2
    assert checkout.is_dir()


def test_a_build_that_fails_says_why(checkout: Path, tmp_path: Path, builder: Builder) -> None:
    builder.fails = True
    with pytest.raises(ComponentMissing, match="componentize-py is not installed"):
        python_source(PrivateFolder(tmp_path / "c"), nothing)
    assert checkout.is_dir()
