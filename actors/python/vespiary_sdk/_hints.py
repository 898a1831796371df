"""From type hints to shapes. Knows Python's typing; what a shape does is told in `_shapes`."""

import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, cast

from vespiary_sdk import _shapes as shapes
from vespiary_sdk._docs import read_docstring
from vespiary_sdk._shapes import Member, Shape
from vespiary_sdk.errors import ActorError

_SCALARS: dict[Any, Shape] = {
    str: shapes.STRING,
    int: shapes.INTEGER,
    float: shapes.NUMBER,
    bool: shapes.BOOLEAN,
    None: shapes.NULL,
    type(None): shapes.NULL,
    Any: shapes.ANY,
    object: shapes.ANY,
    list: shapes.sequence(shapes.ANY),
    tuple: shapes.sequence(shapes.ANY, tuple),
    dict: shapes.mapping(shapes.ANY),
}
_SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
}
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_SUPPORTED = (
    "str, int, float, bool, None, Any, list, tuple, dict, Literal, Optional and unions, Enum, dataclass, TypedDict "
    "and Annotated"
)


def shape_of(hint: Any, where: str, seen: tuple[Any, ...] = ()) -> Shape:
    """The shape of a type hint. Raises `ActorError` naming `where` for a type that JSON arguments cannot have."""
    try:
        scalar = _SCALARS.get(hint)
    except TypeError:  # an unhashable Annotated or Literal
        scalar = None
    if scalar is not None:
        return scalar
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if origin is typing.Annotated:
        return _described(shape_of(args[0], where, seen), hint)
    if origin in (typing.Union, types.UnionType):
        members = [shape_of(arg, where, seen) for arg in args]
        members.sort(key=lambda member: member is shapes.NULL)
        return shapes.union(members)
    if origin is typing.Literal:
        return shapes.choice(args, args)
    if origin in _SEQUENCES:
        items = [arg for arg in args if arg is not ...]
        if origin is tuple and len(items) > 1:
            raise ActorError(f"{where}: a tuple of different types is not supported; use a dataclass.")
        return shapes.sequence(shape_of(items[0], where, seen) if items else shapes.ANY, _SEQUENCES[origin])
    if origin in _MAPPINGS:
        if args and args[0] is not str:
            raise ActorError(f"{where}: the keys of a JSON object are strings; use dict[str, ...].")
        return shapes.mapping(shape_of(args[1], where, seen) if args else shapes.ANY)
    if isinstance(hint, type):
        cls = cast("type[Any]", hint)
        if issubclass(cls, enum.Enum):
            return shapes.choice([member.value for member in cls], list(cls))
        if dataclasses.is_dataclass(cls):
            return _dataclass(cls, where, seen)
        if typing.is_typeddict(cls):
            return _typed_dict(cls, where, seen)
    raise ActorError(f"{where}: the type {_name(hint)} cannot be an argument of a tool. Supported: {_SUPPORTED}.")


def arguments_of(function: Callable[..., Any], documented: dict[str, str]) -> Shape:
    """The shape of a tool's arguments: everything after `self`. Its value is the keyword arguments to call the function with."""
    name = function.__name__
    members: list[Member] = []
    hints = _hints(function, name)
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        where = f"{name}({parameter.name})"
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ActorError(f"{where}: a tool takes named arguments only, no *args, **kwargs or positional-only ones.")
        if parameter.name not in hints:
            raise ActorError(f"{where}: the parameter needs a type hint; the model's schema is made from it.")
        hint = hints[parameter.name]
        required = parameter.default is parameter.empty
        description = _text_of(hint) or documented.get(parameter.name, "")
        default = None if required else _plain(parameter.default)
        members.append(_member(parameter.name, hint, where, required, description, default))
    return shapes.record(members, lambda found: found, noun="argument")


def _dataclass(cls: Any, where: str, seen: tuple[Any, ...]) -> Shape:
    _refuse_loop(cls, where, seen)
    documented = read_docstring(None if _generated(cls) else cls.__doc__)[1]
    hints = _hints(cls, where)
    members: list[Member] = []
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        hint = hints[field.name]
        plain = field.default is not dataclasses.MISSING
        required = not plain and field.default_factory is dataclasses.MISSING
        description = _text_of(hint) or documented.get(field.name, "")
        default = _plain(field.default) if plain else None
        place = f"{where}.{field.name}"
        members.append(_member(field.name, hint, place, required, description, default, (*seen, cls)))
    return shapes.record(members, lambda found: cls(**found))


def _typed_dict(cls: Any, where: str, seen: tuple[Any, ...]) -> Shape:
    _refuse_loop(cls, where, seen)
    required = cast("frozenset[str]", cls.__required_keys__)
    members: list[Member] = []
    for name, hint in _hints(cls, where).items():
        inner = hint
        while typing.get_origin(inner) in (typing.Required, typing.NotRequired):
            inner = typing.get_args(inner)[0]
        place = f"{where}.{name}"
        members.append(_member(name, inner, place, name in required, _text_of(inner), None, (*seen, cls)))
    return shapes.record(members, dict)


def _member(
    name: str, hint: Any, where: str, required: bool, description: str, default: Any, seen: tuple[Any, ...] = ()
) -> Member:
    """A part of an object. What may be left out is not offered as null too: fewer models stumble; null is still taken."""
    plain = hint
    if typing.get_origin(plain) is typing.Annotated:
        plain = typing.get_args(plain)[0]
    args = typing.get_args(plain)
    nullable = typing.get_origin(plain) in (typing.Union, types.UnionType) and type(None) in args
    if nullable and not required:
        plain = typing.Union[tuple(arg for arg in args if arg is not type(None))]  # noqa: UP007 - made at run time
    shape = shape_of(plain, where, seen)
    return Member(name, shape, required, description, default, nullable)


def _hints(thing: Any, where: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception as error:
        raise ActorError(f"{where}: the type hints cannot be evaluated: {error}") from error


def _described(shape: Shape, hint: Any) -> Shape:
    text = _text_of(hint)
    return Shape({**shape.schema, "description": text}, shape.take) if text else shape


def _text_of(hint: Any) -> str:
    """The text in `Annotated[..., "text"]`."""
    if typing.get_origin(hint) is not typing.Annotated:
        return ""
    return next((extra for extra in typing.get_args(hint)[1:] if isinstance(extra, str)), "")


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _refuse_loop(cls: Any, where: str, seen: tuple[Any, ...]) -> None:
    if cls in seen:
        raise ActorError(f"{where}: {cls.__name__} contains itself; a tool's arguments must have a fixed depth.")


def _generated(cls: Any) -> bool:
    """Whether the docstring is the signature that `@dataclass` writes where there is none."""
    return str(cls.__doc__ or "").startswith(f"{cls.__name__}(")


def _name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
