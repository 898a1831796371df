"""`lsprotocol.types` without its cost: its 554 attrs classes are made when they are first used, not when it is imported.

While that one module is imported, `attrs.define` puts two stand-ins on each class, for `__attrs_attrs__` and `__init__`; whichever
is used first runs the real `define` on the same class object. The classes differ from the plain ones in having no slots. Whatever
looks unexpected leads back to the plain import. Knows attrs, and two private names of lsprotocol 2025.0.0 (`_hooks` and its
`_resolved_forward_references`); the tests compare every class with the plain one. Structure messages on one thread.
"""

import importlib
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

_TYPES = "lsprotocol.types"
_HOOKS = "lsprotocol._hooks"

_lock = threading.RLock()
_pending: set[type[Any]] = set()


class _Attributes:
    """Stands in for a class's `__attrs_attrs__`."""

    def __get__(self, instance: object, owner: type[Any]) -> Any:
        for cls in owner.__mro__:
            complete(cls)
        return owner.__attrs_attrs__


def _stand_in(cls: type[Any]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        complete(cls)
        cls.__init__(self, *args, **kwargs)

    return __init__


def complete(cls: type[Any]) -> None:
    """Make the class what it was declared to be. Nothing for a class that is."""
    import attrs

    with _lock:
        if cls not in _pending:
            return
        del cls.__attrs_attrs__, cls.__init__
        attrs.define(cls, slots=False)
        attrs.resolve_types(cls, sys.modules[_TYPES].ALL_TYPES_MAP, {})
        _pending.discard(cls)


def import_types(*, lazily: bool = True) -> bool:
    """Import `lsprotocol.types`. True if its classes are made lazily; false if it was there already or is not as known."""
    if _TYPES in sys.modules:
        return bool(_pending)
    if lazily:
        try:
            _import_lazily()
        except Exception:  # noqa: BLE001 - whatever is wrong with the shortcut, the long way is right
            _pending.clear()
            for name in [name for name in sys.modules if name.partition(".")[0] == "lsprotocol"]:
                del sys.modules[name]
        else:
            return True
    importlib.import_module(_TYPES)
    return False


def _import_lazily() -> None:
    import attrs

    real = attrs.define

    def define(maybe_cls: Any = None, **options: Any) -> Any:
        if maybe_cls is None or options or maybe_cls.__module__ != _TYPES:
            return real(maybe_cls, **options)
        maybe_cls.__attrs_attrs__ = _Attributes()
        maybe_cls.__init__ = _stand_in(maybe_cls)
        _pending.add(maybe_cls)
        return maybe_cls

    attrs.define = define
    try:
        types = importlib.import_module(_TYPES)
    finally:
        attrs.define = real
    hooks = importlib.import_module(_HOOKS)
    _check(types, hooks)
    hooks.__dict__["_resolved_forward_references"] = True


def _check(types: ModuleType, hooks: ModuleType) -> None:
    """Raise unless this is the lsprotocol that the shortcut was made for."""
    import attrs

    if hooks.__dict__.get("_resolved_forward_references") is not False or len(_pending) < 400:
        raise ImportError("lsprotocol is not the expected one")
    position = types.Position(line=1, character=2)
    fields = attrs.fields_dict(types.Range)
    if (position.line, position.character) != (1, 2) or fields["start"].type is not types.Position:
        raise ImportError("lsprotocol's classes are not the expected ones")
