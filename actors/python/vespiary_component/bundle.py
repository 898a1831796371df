"""An actor's files in memory, importable: modules, packages, their data. There is no file system in a guest.

Knows Python's import system; does not know actors.
"""

import base64
import importlib.abc
import importlib.machinery
import io
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources.abc import Traversable, TraversableResources
from pathlib import PurePosixPath
from types import CodeType, ModuleType
from typing import Any

from vespiary_sdk.errors import ActorError

Files = Mapping[str, str | bytes]


def read_files(value: Any) -> dict[str, str | bytes]:
    """The files of a configuration: text, or `{"base64": ...}` for data. Raises `ActorError`."""
    if not isinstance(value, dict):
        raise ActorError("`files` must be an object from paths to texts.")
    files: dict[str, str | bytes] = {}
    entries: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
    for path, content in entries.items():
        if isinstance(content, str):
            files[path] = content
        elif isinstance(content, dict) and isinstance(data := content.get("base64"), str):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            try:
                files[path] = base64.b64decode(data, validate=True)
            except ValueError as error:
                raise ActorError(f"{path}: the data is not base64: {error}.") from error
        else:
            raise ActorError(f'{path}: a file is a text, or {{"base64": TEXT}} for data.')
    return files


class BundleFinder(importlib.abc.MetaPathFinder):
    """Finds modules among the files of an actor."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self._folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module or package of the bundle, or none."""
        base = fullname.replace(".", "/")
        for name, package in ((f"{base}/__init__.py", True), (f"{base}.py", False)):
            if isinstance(self.files.get(name), str):
                loader = BundleLoader(self, fullname, name)
                spec = importlib.machinery.ModuleSpec(fullname, loader, origin=name, is_package=package)
                spec.has_location = True
                if package:
                    spec.submodule_search_locations = [base]
                return spec
        if base in self._folders:
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [base]
            return spec
        return None

    def top_level(self) -> set[str]:
        """The names that the bundle can be asked for first."""
        return {path.partition("/")[0].removesuffix(".py") for path in self.files}


class BundleLoader(importlib.abc.InspectLoader):
    """Loads one module of a bundle, and gives out the data beside it."""

    def __init__(self, finder: BundleFinder, fullname: str, path: str) -> None:
        self.finder = finder
        self.name = fullname
        self.path = path

    def get_source(self, fullname: str) -> str:
        """The source of the module."""
        source = self.finder.files[self.path]
        assert isinstance(source, str)
        return source

    def is_package(self, fullname: str) -> bool:
        """Whether the module is a package."""
        return self.path.endswith("/__init__.py")

    def get_code(self, fullname: str) -> CodeType:
        """The compiled module. Raises `SyntaxError` with the line."""
        source = self.get_source(fullname)
        remember_source(self.path, source)
        return compile(source, self.path, "exec", dont_inherit=True)

    def get_filename(self, fullname: str) -> str:
        """The path within the bundle."""
        return self.path

    def get_data(self, path: str) -> bytes:
        """Data beside the modules, for `pkgutil.get_data`. Raises `FileNotFoundError`."""
        content = self.finder.files.get(str(PurePosixPath(path)))
        if content is None:
            raise FileNotFoundError(f"{path} is not among the actor's files")
        return content.encode() if isinstance(content, str) else content

    def get_resource_reader(self, fullname: str) -> TraversableResources:
        """The package's data, for `importlib.resources`."""
        return _Resources(BundlePath(self.finder.files, str(PurePosixPath(self.path).parent)))


class _Resources(TraversableResources):
    def __init__(self, root: "BundlePath") -> None:
        self._root = root

    def files(self) -> "BundlePath":
        return self._root


class BundlePath(Traversable):
    """A file or folder of a bundle, as `importlib.resources.files` gives it."""

    def __init__(self, files: Files, path: str) -> None:
        self._files = files
        self._path = path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self._path).name

    def iterdir(self) -> Iterator["BundlePath"]:
        """What is directly inside."""
        prefix = f"{self._path}/"
        names = {path[len(prefix) :].partition("/")[0] for path in self._files if path.startswith(prefix)}
        return (BundlePath(self._files, prefix + name) for name in sorted(names))

    def is_dir(self) -> bool:
        """Whether files are below it."""
        return any(path.startswith(f"{self._path}/") for path in self._files)

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self._path in self._files

    def joinpath(self, *descendants: Any) -> "BundlePath":
        """A path below this one."""
        return BundlePath(self._files, str(PurePosixPath(self._path, *map(str, descendants))))

    def __truediv__(self, child: Any) -> "BundlePath":
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        """The content. Raises `FileNotFoundError`."""
        content = self._files.get(self._path)
        if content is None:
            raise FileNotFoundError(f"{self._path} is not among the actor's files")
        return content.encode() if isinstance(content, str) else content

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The content as text. Raises `FileNotFoundError`."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """The content as an open file."""
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, *args, **{"encoding": "utf-8", **kwargs})


def remember_source(path: str, source: str) -> None:
    """Let tracebacks show the lines of this file."""
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)


def install(files: Files, reserved: set[str]) -> BundleFinder:
    """Make the files importable, before everything else but Python's own library.

    Modules that the component happens to hold under a name of the bundle (`reserved` ones excepted) are forgotten, so that the
    actor gets its own.
    """
    finder = BundleFinder(files)
    for name in list(sys.modules):
        top = name.partition(".")[0]
        if top in finder.top_level() and top not in reserved and top not in sys.stdlib_module_names:
            del sys.modules[name]
    sys.meta_path.insert(0, finder)
    return finder
