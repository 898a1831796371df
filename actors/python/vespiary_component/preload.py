"""Actors that are part of the component: imported while it is built, so that they cost next to nothing at run time.

Their modules are put aside until one of them is chosen, so that no name of theirs stands in the way of an author's.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from vespiary_sdk import Actor
from vespiary_sdk._actor import handlers_of
from vespiary_sdk._tools import tools_of
from vespiary_sdk.errors import ActorError

from vespiary_component import bundle


@dataclass(frozen=True, slots=True)
class _Preloaded:
    cls: type[Actor]
    modules: dict[str, ModuleType]
    finder: bundle.BundleFinder


_actors: dict[str, _Preloaded] = {}


def preload(actors: Mapping[str, dict[str, str]]) -> None:
    """Import each actor: by its name, which is also that of its module, the files. Whatever fails ends the build."""
    from vespiary_component.loading import load

    for name, files in actors.items():
        before = set(sys.modules)
        cls = load(name, files)
        tools_of(cls)
        handlers_of(cls)
        finder = sys.meta_path.pop(0)
        assert isinstance(finder, bundle.BundleFinder)
        own = finder.top_level()
        modules = {key: sys.modules.pop(key) for key in set(sys.modules) - before if key.partition(".")[0] in own}
        _actors[name] = _Preloaded(cls, modules, finder)


def names() -> list[str]:
    """The built-in actors."""
    return list(_actors)


def actor_class(name: str) -> type[Actor]:
    """The class of a built-in actor; its modules become importable again. Raises `ActorError` for an unknown one."""
    actor = _actors.get(name)
    if actor is None:
        known = ", ".join(sorted(_actors)) or "none"
        raise ActorError(f"There is no built-in actor {name!r}. There are: {known}.")
    sys.modules.update(actor.modules)
    sys.meta_path.insert(0, actor.finder)
    return actor.cls


def put_aside(name: str) -> None:
    """Undo `actor_class`."""
    sys.meta_path.remove(_actors[name].finder)
    for module in _actors[name].modules:
        del sys.modules[module]
