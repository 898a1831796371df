"""How a worker process is called: its command line and its environment.

Isolated (`-I -S`): neither the current folder, the environment nor `.pth` files decide what it imports; the server hands over where
its own modules come from. Knows nothing of what the process does.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import vespiary

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from vespiary.worker.main import main; main(sys.argv[2])"
)
_CACHE = "VESPIARY_CACHE_DIR"
_KEPT = frozenset(
    {
        *("HOME", "XDG_CACHE_HOME", "TMPDIR", "TEMP", "TMP", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME"),
        # Where a Python that was not installed by the system finds its own libraries.
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
    }
)
_KEPT_ON_WINDOWS = frozenset(
    {
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATH", "PATHEXT", "USERPROFILE", "USERNAME"),
        *("APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROCESSOR_ARCHITECTURE", "NUMBER_OF_PROCESSORS"),
    }
)


def _current_folder() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it was deleted
        return None


_STARTED_IN = _current_folder()
_HOME = str(Path(vespiary.__file__).resolve().parent.parent)


def worker_command(settings: Mapping[str, Any]) -> list[str]:
    """The command line. `settings` is what `vespiary.worker.main` reads."""
    flags = ["-I", "-S"]
    if sys.dont_write_bytecode:
        flags.append("-B")
    if sys.flags.utf8_mode:
        flags += ["-X", "utf8"]
    if sys.pycache_prefix:
        flags += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return [_python(), *flags, "-c", _BOOT, json.dumps(module_path()), json.dumps(dict(settings))]


def module_path() -> list[str]:
    """Where modules come from: as here, but never from the current folder, which may be somebody's workspace."""
    current = {_STARTED_IN, _current_folder()}
    found = [str(Path(entry).absolute()) for entry in sys.path if entry]
    kept = [entry for entry in found if entry == _HOME or entry not in current]
    return kept if _HOME in kept or _is_on(kept) else [_HOME, *kept]


def _is_on(path: list[str]) -> bool:
    return any(str(Path(entry).resolve()) == _HOME for entry in path)


def worker_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What of the environment a worker gets: where caches and temporary files go, the language, and no secrets."""
    kept = {
        name: value
        for name, value in environ.items()
        if name in _KEPT
        or name.startswith("LC_")
        or (sys.platform == "win32" and (name.upper() in _KEPT_ON_WINDOWS or name.upper() in _KEPT))
    }
    if cache := environ.get(_CACHE):
        kept[_CACHE] = str(Path(cache).absolute())
    return kept


def _python() -> str:
    # In a virtual environment on Windows, `sys.executable` is a program that starts the real one as its child.
    base: str | None = getattr(sys, "_base_executable", None)
    return base if sys.platform == "win32" and base else sys.executable
