"""Fixtures of the language server's tests."""

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with one file of two lines."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"hello\nworld\n")
    return folder
