"""A workspace on disk, the ports in memory, and the capabilities between them."""

from pathlib import Path

import pytest
from support.memory_ports import Ask, MemoryEditor, MemoryRun, asker
from vespiary.capabilities.workspace import WorkspaceCapability


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
def workspace(root: Path, editor: MemoryEditor, run: MemoryRun) -> WorkspaceCapability:
    return WorkspaceCapability(root, editor, run)


@pytest.fixture
def ask(workspace: WorkspaceCapability) -> Ask:
    """`await ask(op="read", path="a")`: one request to the workspace capability."""
    return asker(workspace)
