"""What every test shares."""

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are made is a matter of the machine and of what else it does.
# Continuous integration tries the same examples each time, so that it tells of the change; whoever works here searches further.
settings.register_profile(
    "vespiary", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("vespiary")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "requirement(*ids): the behaviours of the ledger that this test proves")
    config.addinivalue_line(
        "markers", "unrepeated: what this test records is not replayed, since it damages or invents journals"
    )
    _hear_signals()
    _own_state(config)


def _own_state(config: pytest.Config) -> None:
    """What Vespiary keeps for this person (trust, the journal's key) is no matter of tests."""
    if hasattr(config, "workerinput") or "VESPIARY_STATE_DIR" in os.environ:
        return
    place = tempfile.mkdtemp(prefix="vespiary-state-")
    os.environ["VESPIARY_STATE_DIR"] = place
    config.add_cleanup(lambda: shutil.rmtree(place, ignore_errors=True))


def _hear_signals() -> None:
    """Let programs that tests start hear signals: in a shell's background or under nohup they inherit that these are ignored."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL)


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


REPLAYED = ("app", "budgets", "cli", "conformance", "lsp", "neovim")
"""Where tests run the real app."""


@pytest.fixture(autouse=True)
def _every_run_repeats(request: pytest.FixtureRequest) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """Whatever run a test of the app recorded below its `tmp_path` gives the same again, byte for byte."""
    area = Path(__file__).parent
    inside = request.path.is_relative_to(area) and request.path.relative_to(area).parts[0] in REPLAYED
    if not inside or "tmp_path" not in request.fixturenames or request.node.get_closest_marker("unrepeated"):
        yield
        return
    root: Path = request.getfixturevalue("tmp_path")
    yield
    if any(root.rglob(".vespiary/journal.db")):
        from support.replays import replay_all, told

        assert [told(report) for report in replay_all(root) if not report.same] == []
