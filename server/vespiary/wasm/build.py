"""Builds the generic Python component: the SDK, the built-in actors and a Python interpreter, as one `.wasm` file.

Imports the standard library only, and no other part of Vespiary: the build of the wheel loads this file by itself. componentize-py
does the work, in a process of its own.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

COMPONENTIZE = "componentize-py==0.25.1"
"""What makes the component; part of its identity."""

WORLD = "vespiary-actor"

_SDK_PACKAGES = ("vespiary_sdk", "vespiary_component", "entry")
_IMMORTAL = Path(__file__).with_name("immortal.py")
_RUN = "from componentize_py import script; raise SystemExit(script())"


class BuildError(Exception):
    """The component could not be built. The text says why and what to do."""


def build(output: Path, *, wit: Path, actors: Path, progress: Callable[[str], None]) -> None:
    """Build the component into `output`, which appears at once and complete, or not at all.

    `wit` is the folder of the world, `actors` the one that holds `python/` (the SDK) and a folder for each built-in actor. Takes
    about half a minute. `progress` is told what goes on, in words for a person. Raises `BuildError`.
    """
    _require_componentize()
    started = time.monotonic()
    output.parent.mkdir(parents=True, exist_ok=True)
    names = ", ".join(_built_in(actors)) or "none"
    progress(f"Building the Python component (once, up to half a minute; built-in actors: {names})")
    with tempfile.TemporaryDirectory(prefix=".component-", dir=output.parent, ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        made = scratch / "python.wasm"
        _run(_command(scratch, made, wit, actors), scratch)
        _make_immortal(made)
        os.replace(made, output)  # noqa: PTH105 - replaces an existing file on every system
    progress(f"Built the Python component in {time.monotonic() - started:.0f} s")


def _make_immortal(made: Path) -> None:
    # By its path: this file is loaded by itself.
    spec = importlib.util.spec_from_file_location("vespiary_component_immortal", _IMMORTAL)
    assert spec is not None
    assert spec.loader is not None
    immortal = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(immortal)
    content = bytearray(made.read_bytes())
    try:
        immortal.make_immortal(content)
    except immortal.SnapshotError as fault:
        raise BuildError(f"The component's snapshot is not as expected: {fault}.") from fault
    made.write_bytes(content)


def source_hash(wit: Path, actors: Path) -> str:
    """The identity of what `build` would make: 32 hexadecimal digits over all sources and the pinned version of the builder."""
    digest = hashlib.blake2b(f"{COMPONENTIZE}\n{WORLD}\n".encode(), digest_size=16)
    for name, file in _sources(wit, actors):
        # Line ends are the checkout's, not the source's.
        content = file.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}\n{len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _sources(wit: Path, actors: Path) -> Iterator[tuple[str, Path]]:
    yield "build.py", Path(__file__)
    yield _IMMORTAL.name, _IMMORTAL
    for file in sorted(wit.rglob("*.wit")):
        yield f"wit/{file.relative_to(wit).as_posix()}", file
    for package in _SDK_PACKAGES:
        root = actors / "python" / package
        for file in sorted(root.rglob("*.py")):
            yield f"python/{file.relative_to(actors / 'python').as_posix()}", file
    for name, folder in _built_in(actors).items():
        for file in _files(folder):
            yield f"{name}/{file.relative_to(folder).as_posix()}", file


def _built_in(actors: Path) -> dict[str, Path]:
    """The built-in actors: every folder with an `actor.toml` and a module of the folder's name."""
    folders = sorted(manifest.parent for manifest in actors.glob("*/actor.toml"))
    return {folder.name: folder for folder in folders if (folder / f"{folder.name}.py").is_file()}


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.py") if "__pycache__" not in file.parts)


def _command(scratch: Path, output: Path, wit: Path, actors: Path) -> list[str]:
    sources = {
        name: {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in _files(folder)}
        for name, folder in _built_in(actors).items()
    }
    generated = scratch / "generated"
    generated.mkdir()
    (generated / "vespiary_preloaded.py").write_text(f"ACTORS = {sources!r}\n", encoding="utf-8")
    folders = [generated, actors / "python" / "entry", actors / "python"]
    paths = [part for folder in folders for part in ("-p", str(folder))]
    # `actor` is both the application and the module of the exported interface.
    return ["-d", str(wit), "-w", WORLD, "componentize", *paths, "actor", "-o", str(output)]


def _run(arguments: list[str], scratch: Path) -> None:
    # The builder adds the site-packages of the surrounding environment to the guest's path, unless it is given another one.
    site = scratch / "environment" / "lib" / "site-packages"
    site.mkdir(parents=True)
    environment = {**os.environ, "VIRTUAL_ENV": str(scratch / "environment"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        told = (done.stderr + done.stdout).decode(errors="replace").strip()
        raise BuildError(f"componentize-py failed with exit code {done.returncode}:\n{told[-8000:]}")


def _require_componentize() -> None:
    if importlib.util.find_spec("componentize_py") is None:
        raise BuildError(
            f"componentize-py is needed to build the Python component from source, and is not installed. "
            f'Run `{Path(sys.executable).name} -m pip install "{COMPONENTIZE}"`, or install Vespiary from a wheel.'
        )
