"""The sandbox under test, with each of its call layers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.sandbox import Sandbox
from vespiary.wasm.call import CallLayer, StockLayer
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests
from vespiary.wasm.lean import LeanLayer


def ignore(_sentence: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that the WAT actors of one test process share."""
    return tmp_path_factory.mktemp("cache") / "components"


@pytest.fixture(params=["lean", "stock"])
def layer(request: pytest.FixtureRequest) -> CallLayer:
    """Both ways of crossing the boundary."""
    return LeanLayer() if request.param == "lean" else StockLayer()


@pytest.fixture
def sandbox(tmp_path: Path, cache: Path, layer: CallLayer) -> Iterator[Sandbox]:
    """Guests with their own folder for components."""
    guests = WasmGuests(ComponentStore(ignore, folder=cache, layer=layer), layer=layer)
    yield Sandbox(guests, tmp_path)
    guests.close()


@pytest.fixture(scope="session")
def python_store() -> ComponentStore:
    """The generic component, from the user's cache: built and compiled once per machine."""
    store = ComponentStore(ignore)
    store.load("python")
    return store


@pytest.fixture
def python(tmp_path: Path, python_store: ComponentStore) -> Iterator[Sandbox]:
    """Guests that run Python actors."""
    guests = WasmGuests(python_store)
    yield Sandbox(guests, tmp_path)
    guests.close()
