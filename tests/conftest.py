"""What every test shares."""

import sys

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are made is a matter of the machine and of what else it does.
settings.register_profile("vespiary", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vespiary")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(*ids): the behaviours of the ledger that this test proves")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build and compile the Python component before any test's time runs, once for all workers."""
    if hasattr(session.config, "workerinput") or session.config.option.collectonly:
        return
    from vespiary.wasm.components import ComponentStore

    ComponentStore(lambda line: print(line, file=sys.stderr)).load("python")


@pytest.fixture
def anyio_backend() -> str:
    """Async tests (`@pytest.mark.anyio`) run on asyncio, as the server does."""
    return "asyncio"
