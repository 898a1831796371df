"""A running test server."""

from collections.abc import Iterator

import pytest
from support.lsp_core_client import ServerProcess


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    """A server process that has been initialized. It must end well."""
    with ServerProcess() as process:
        process.initialize()
        yield process
        assert process.process.poll() is None
        assert process.stop() == 0
        assert process.stray == []
