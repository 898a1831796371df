"""From the constructor's text to an actor class: built into the component, or in files that came with the configuration."""

import importlib
import json
import re
import sys
from types import ModuleType
from typing import Any, cast

from vespiary_sdk import Actor
from vespiary_sdk._failures import hint_for
from vespiary_sdk.errors import ActorError

from vespiary_component import bundle, preload

RESERVED = {"vespiary_sdk", "vespiary_component"}
"""Packages that a bundle cannot replace."""


def make(text: str) -> Actor:
    """The actor that a constructor's text describes. Raises `ActorError`, and whatever the actor's own code raises."""
    try:
        read: Any = json.loads(text)
    except ValueError as error:
        raise ActorError(f"The actor's configuration is not JSON: {error}.") from error
    spec = cast("dict[str, Any]", read) if isinstance(read, dict) else {}
    if not isinstance(spec.get("code"), dict):
        raise ActorError('The actor\'s configuration must be {"name", "config", "code"}.')
    code: dict[str, Any] = spec["code"]
    config: dict[str, Any] = spec.get("config") or {}
    if "preloaded" in code:
        return preload.actor_class(str(code["preloaded"]))(config)
    entry = code.get("entry")
    if not isinstance(entry, str):
        raise ActorError('The actor\'s code must be {"preloaded": NAME} or {"entry": MODULE, "files": {...}}.')
    return load(entry, bundle.read_files(code.get("files")))(config)


def load(entry: str, files: bundle.Files) -> type[Actor]:
    """The actor class of the module `entry` (`module`, `package.module`, or `module:Class`) among the files."""
    module_name, _, class_name = entry.partition(":")
    if not re.fullmatch(r"\w+(\.\w+)*", module_name):
        raise ActorError(f"{entry!r} is not the name of a module.")
    top = module_name.partition(".")[0]
    if top in sys.stdlib_module_names or top in RESERVED:
        raise ActorError(
            f"An actor's module cannot be called {top}: Python or the SDK has one of that name. Rename {top}.py."
        )
    finder = bundle.install(files, RESERVED)
    if finder.find_spec(module_name) is None:
        path = module_name.replace(".", "/")
        raise ActorError(
            f"The actor's module {module_name} is not there: no {path}.py among {', '.join(sorted(files)) or 'no files'}."
        )
    try:
        module = importlib.import_module(module_name)
    except SyntaxError as error:
        raise ActorError(_syntax(error)) from None
    except ModuleNotFoundError as error:
        if not error.name or (hint := hint_for(error)) is None:
            raise
        raise ActorError(f"{_place(error)}{error.msg}. {hint}") from None
    return the_class(module, class_name)


def the_class(module: ModuleType, class_name: str = "") -> type[Actor]:
    """The one actor class of a module, or the one of that name. Raises `ActorError`."""
    name = module.__name__
    if class_name:
        named = getattr(module, class_name, None)
        if isinstance(named, type) and issubclass(named, Actor):
            return named
        raise ActorError(f"{name} has no class {class_name} that derives from vespiary_sdk.Actor.")
    found = {value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Actor)} - {Actor}
    own = {cls for cls in found if cls.__module__ == name} or found
    leaves = [cls for cls in own if not any(other is not cls and issubclass(other, cls) for other in own)]
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        raise ActorError(f"{name} has no class that derives from vespiary_sdk.Actor.")
    names = sorted(cls.__name__ for cls in leaves)
    raise ActorError(f'{name} has {len(names)} actors: {", ".join(names)}. Say which: entry = "{name}:{names[0]}".')


def _syntax(error: SyntaxError) -> str:
    line = (error.text or "").rstrip()
    shown = f"\n    {line.strip()}" if line else ""
    return f"{error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}{shown}"


def _place(error: ModuleNotFoundError) -> str:
    """Where in the actor's files the import stands."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if not filename.startswith("<") and filename.endswith(".py") and not filename.startswith("/"):
            place = f"{filename}, line {trace.tb_lineno}: "
        trace = trace.tb_next
    return place
