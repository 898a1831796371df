"""Builds the generic Python component into the wheel, so that whoever installs it needs no WebAssembly tools.

An editable install builds nothing: from a source checkout the component is built on first need.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ComponentHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `vespiary/_assets/python.wasm` and the WIT package to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the component, unless the install is editable."""
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        output = root / "build" / "python.wasm"
        output.parent.mkdir(exist_ok=True)
        _build_module(root).build(output, wit=root / "wit", actors=root / "actors", progress=_say)
        build_data["force_include"][str(output)] = "vespiary/_assets/python.wasm"
        build_data["force_include"][str(root / "wit")] = "vespiary/_assets/wit"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _build_module(root: Path) -> ModuleType:
    # Loaded by path: the package itself is not importable while it is being built.
    path = root / "server" / "vespiary" / "wasm" / "build.py"
    spec = importlib.util.spec_from_file_location("vespiary_component_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
