"""Finds, checks and compiles the components that actors are made of, each once per process.

A reference is `python`, the generic component that runs Python actors, or a path to a `.wasm` or `.wat` file. The generic component
comes with the wheel; in a source checkout it is built on first need. Knows nothing of actors or steps.
"""

import contextlib
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wasmtime import component as wc

from vespiary.wasm import abi
from vespiary.wasm.cache import CompiledCache, Progress, Source, cache_folder, component_hash
from vespiary.wasm.call import CallLayer, best_layer
from vespiary.wasm.engine import Engine, shared_engine
from vespiary.wasm.errors import ComponentMissing
from vespiary.wasm.linker import make_linker
from vespiary.wasm.storage import PrivateFolder
from vespiary.wasm.world import check_world

PYTHON = "python"
MAX_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LoadedComponent:
    """A component ready to be instantiated. Belongs to one engine; may be used by any thread."""

    name: str
    identity: str
    """Hash of its bytes: what replays and snapshots are valid for."""
    component: wc.Component
    linker: wc.Linker
    indexes: dict[str, wc.ExportIndex]


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock
    stamp: object = None
    loaded: LoadedComponent | None = None


class ComponentStore:
    """The components of this process. Thread-safe; the first to ask for a component compiles it, others wait for that."""

    def __init__(
        self,
        progress: Progress,
        *,
        folder: Path | None = None,
        engine: Engine | None = None,
        layer: CallLayer | None = None,
    ) -> None:
        self.engine = engine or shared_engine()
        self._progress = progress
        self._folder_path = folder
        self._folder: PrivateFolder | None = None
        self._layer = layer or best_layer()
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def load(self, reference: str) -> LoadedComponent:
        """The component that `reference` names, read again if its file changed.

        Raises `ComponentMissing` when it cannot be found or built, `ComponentRejected` when it cannot be an actor.
        """
        with self._lock:
            entry = self._entries.setdefault(reference, _Entry(threading.Lock()))
        with entry.lock:
            stamp = None if reference == PYTHON else _stamp(Path(reference))
            if entry.loaded is None or entry.stamp != stamp:
                entry.loaded = self._load(reference)
                entry.stamp = stamp
            return entry.loaded

    def _private(self) -> PrivateFolder:
        with self._lock:
            if self._folder is None:
                self._folder = PrivateFolder(self._folder_path or cache_folder())
                if not self._folder.usable:
                    self._progress(
                        f"The cache folder {self._folder.path} cannot be used: it must be a folder of this user that nobody else "
                        "may write. Components are compiled at every start until then."
                    )
            return self._folder

    def _load(self, reference: str) -> LoadedComponent:
        if reference == PYTHON:
            return self._prepare(python_source(self._private(), self._progress))
        return self.prepare(Path(reference).name, _read(Path(reference)))

    def prepare(self, name: str, data: bytes) -> LoadedComponent:
        """Check, compile and link a component given as bytes. Raises `ComponentRejected`."""
        return self._prepare(Source(name, component_hash(data), lambda: data))

    def _prepare(self, source: Source) -> LoadedComponent:
        cache = CompiledCache(self._private(), self._progress)
        component, identity = cache.load(self.engine.raw, source)
        wasi = check_world(component, self.engine.raw, source.name)
        linker = make_linker(self.engine.raw, component, wasi, self._layer)
        return LoadedComponent(source.name, identity, component, linker, _indexes(component))


def python_source(folder: PrivateFolder, progress: Progress) -> Source:
    """The generic Python component: from the wheel, or built from the source checkout and kept. Raises `ComponentMissing`."""
    import vespiary

    name = "the Python component"
    package = Path(vespiary.__file__).resolve().parent
    packaged = package / "_assets" / "python.wasm"
    if packaged.is_file():
        data = _read(packaged)
        return Source(name, component_hash(data), lambda: data)
    root = package.parent.parent
    wit, actors = root / "wit", root / "actors"
    if not (wit / "world.wit").is_file() or not (actors / "python").is_dir():
        raise ComponentMissing(
            "The component that runs Python actors is not part of this installation.",
            hint="Install vespiary from its wheel, or run it from a source checkout, where it is built on first need.",
        )
    from vespiary.wasm.build import source_hash

    key = f"python-{source_hash(wit, actors)}"
    known = folder.peek(key, ".wasm")
    if known is not None:
        return Source(name, known, lambda: _built(folder, progress, wit, actors, key))
    made = _built(folder, progress, wit, actors, key)
    return Source(name, component_hash(made), lambda: made)


def _built(folder: PrivateFolder, progress: Progress, wit: Path, actors: Path, key: str) -> bytes:
    from vespiary.wasm.build import BuildError, build

    if (known := folder.find(key, ".wasm")) is not None:
        return _read(known)
    with folder.locked(key, lambda: progress("Waiting for another process that builds the Python component …")):
        if (known := folder.find(key, ".wasm")) is not None:
            return _read(known)
        with tempfile.TemporaryDirectory(prefix="vespiary-build-", ignore_cleanup_errors=True) as place:
            output = Path(place) / "python.wasm"
            try:
                build(output, wit=wit, actors=actors, progress=progress)
            except BuildError as fault:
                raise ComponentMissing(f"The Python component could not be built: {fault}") from fault
            data = _read(output)
        with contextlib.suppress(OSError):
            folder.keep(key, ".wasm", data)
        return data


def _stamp(path: Path) -> object:
    try:
        state = path.stat()
    except OSError:
        return None
    return (state.st_mtime_ns, state.st_size, state.st_ino)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ComponentMissing(f"{path} is larger than a component may be ({MAX_BYTES // 2**20} MiB).")
        return path.read_bytes()
    except OSError as fault:
        raise ComponentMissing(
            f"The component {path} cannot be read: {fault.strerror or fault}.",
            hint="An actor's `component` is `python` or the path of a .wasm file.",
        ) from None


def _indexes(component: wc.Component) -> dict[str, Any]:
    parent = component.get_export_index(abi.EXPORT)
    names = [abi.constructor_name(), *map(abi.method_name, abi.METHODS)]
    found = {name: component.get_export_index(name, parent) for name in names}
    return {name: index for name, index in found.items() if index is not None}
