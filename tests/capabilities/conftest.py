"""A workspace on disk, the ports in memory, and the capabilities between them."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support.ports import CALLER, MemoryEditor, MemoryRun
from vespiary.capabilities.workspace import WorkspaceCapability
from vespiary.runtime.capability import Capability

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def editor(root: Path) -> MemoryEditor:
    return MemoryEditor(root)


@pytest.fixture
def run() -> MemoryRun:
    return MemoryRun()


@pytest.fixture
def ask(root: Path, editor: MemoryEditor, run: MemoryRun) -> Ask:
    """`await ask(op="read", path="a")`: one request to the workspace capability."""
    return asker(WorkspaceCapability(root, editor, run))


def asker(capability: Capability) -> Ask:
    async def ask(**request: Any) -> dict[str, Any]:
        return json.loads(await capability(CALLER, json.dumps(request)))

    return ask
