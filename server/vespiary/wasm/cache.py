"""Compiled components, kept in the user's cache: compiling one takes seconds, loading it takes milliseconds.

The key holds everything that compiled code depends on. Whatever is wrong with the cache costs time, never a start: the component
is then compiled again and, if need be, used without being kept. Knows nothing of worlds or actors.
"""

import contextlib
import ctypes
import hashlib
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import platformdirs
import wasmtime
from wasmtime import component as wc

from vespiary.wasm import engine as engines
from vespiary.wasm.errors import ComponentRejected
from vespiary.wasm.failures import cause_of
from vespiary.wasm.storage import PrivateFolder
from vespiary.wasm.world import check_bytes

FORMAT = "1"
ENVIRONMENT = "VESPIARY_CACHE_DIR"
SUFFIX = ".cwasm"

Progress = Callable[[str], None]
"""Told a sentence for people when something takes long."""


def cache_folder() -> Path:
    """Where compiled components go: `components` in the user's cache folder, or in what `VESPIARY_CACHE_DIR` names."""
    base = os.environ.get(ENVIRONMENT) or platformdirs.user_cache_dir("vespiary", appauthor=False)
    return Path(base).absolute() / "components"


def component_hash(data: bytes) -> str:
    """The identity of a component: 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def compiled_key(identity: str) -> str:
    """The cache key of a component on this machine, with this wasmtime and these engine settings."""
    parts = (FORMAT, identity, version("wasmtime"), platform.machine().lower(), sys.platform, engines.SETTINGS)
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Source:
    """A component as it is written: `read` gives the bytes that `identity` is the hash of."""

    name: str
    identity: str
    read: Callable[[], bytes]


class CompiledCache:
    """Compiles components, once per machine where it can."""

    def __init__(self, folder: PrivateFolder, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress

    def load(self, engine: wasmtime.Engine, source: Source) -> tuple[wc.Component, str]:
        """The compiled component and its identity. Reads the source only if it must be compiled.

        Raises `ComponentRejected` when it is no component or wasmtime refuses it, and what `source.read` raises.
        """
        key = compiled_key(source.identity)
        if (known := self._read(engine, key)) is not None:
            return known, source.identity
        name = source.name
        with self._folder.locked(key, lambda: self._progress(f"Waiting for another process that compiles {name} …")):
            if (known := self._read(engine, key)) is not None:
                return known, source.identity
            data = source.read()
            identity = component_hash(data)  # not `source.identity` if what was kept turned out to be damaged
            check_bytes(data, name)
            return self._compile(engine, data, name, compiled_key(identity)), identity

    def _read(self, engine: wasmtime.Engine, key: str) -> wc.Component | None:
        file = self._folder.find(key, SUFFIX)
        if file is None:
            return None
        try:
            return wc.Component.deserialize_file(engine, str(file))
        except wasmtime.WasmtimeError:
            # Sound, but made for a processor with other features, or by a wasmtime built otherwise.
            with contextlib.suppress(OSError):  # Windows keeps a file that somebody has open
                file.unlink()
            return None

    def _compile(self, engine: wasmtime.Engine, data: bytes, name: str, key: str) -> wc.Component:
        large = len(data) > 1_000_000
        if large:
            self._progress(f"Compiling {name} for this machine, once (some ten seconds) …")
        start = time.monotonic()
        try:
            component = wc.Component(engine, data)
        except wasmtime.WasmtimeError as fault:
            raise ComponentRejected(
                f"{name} is not a valid WebAssembly component: {cause_of(fault)}.",
                hint="Build it again, for WASI 0.2 and without asynchronous functions.",
            ) from None
        try:
            self._folder.keep(key, SUFFIX, component.serialize())
        except OSError as fault:
            self._progress(
                f"Could not keep the compiled {name} in {self._folder.path}: {fault}. The next start compiles again."
            )
        else:
            # What was compiled is memory of this process; what is read from the file is shared with others, and may leave memory.
            component = self._read(engine, key) or component
        _trim()
        if large:
            self._progress(f"Compiled {name} in {time.monotonic() - start:.0f} s.")
        return component


def _trim() -> None:
    """Give back what the compiler left: some 240 MiB, which glibc would keep for this process. Others have no such function."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
