"""Fixtures of the tests with a real Neovim."""

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workspace with one file of two lines."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.txt").write_text("hello\nworld\n", newline="\n", encoding="utf-8")
    return root
