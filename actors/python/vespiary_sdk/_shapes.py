"""Type hints turned into JSON schemas and into checks of what a model wrote.

A shape has a schema and takes a value: it gives back the value as the hint promises it, or adds problems in words that a model
can act on (`edits[0]: unknown field 'zz'`). Small slips of models (`"5"`, `"true"`, a list written as JSON text) are read as meant.
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

Take = Callable[[Any, str, list[str]], Any]
"""(value, where, problems) -> the value; what is returned counts only if no problem was added."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A JSON schema, and the function that checks and converts a value."""

    schema: dict[str, Any]
    take: Take


def at(where: str, text: str) -> str:
    """A problem with its place."""
    return f"{where}: {text}" if where else text


def describe(value: Any) -> str:
    """A JSON value in few words, for an error."""
    if value is None:
        return "null"
    shown = json.dumps(value, ensure_ascii=False, default=str)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    kind = json_type(value)
    return shown if kind == "boolean" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} ({shown})"


def json_type(value: Any) -> str:
    """The name that JSON schema has for the type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"


# Scalars


def _anything(value: Any, where: str, problems: list[str]) -> Any:
    return value


def _text(value: Any, where: str, problems: list[str]) -> Any:
    if not isinstance(value, str):
        problems.append(at(where, f"expected a string, got {describe(value)}"))
    return value


def _integer(value: Any, where: str, problems: list[str]) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,40}\s*", value, re.ASCII):
        return int(value)
    problems.append(at(where, f"expected an integer, got {describe(value)}"))
    return value


def _number(value: Any, where: str, problems: list[str]) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", value, re.ASCII):
        return float(value)
    problems.append(at(where, f"expected a number, got {describe(value)}"))
    return value


def _boolean(value: Any, where: str, problems: list[str]) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    problems.append(at(where, f"expected true or false, got {describe(value)}"))
    return value


def _null(value: Any, where: str, problems: list[str]) -> Any:
    if value is not None and value not in ("null", ""):
        problems.append(at(where, f"expected null, got {describe(value)}"))
    return None


ANY = Shape({}, _anything)
STRING = Shape({"type": "string"}, _text)
INTEGER = Shape({"type": "integer"}, _integer)
NUMBER = Shape({"type": "number"}, _number)
BOOLEAN = Shape({"type": "boolean"}, _boolean)
NULL = Shape({"type": "null"}, _null)


# Compounds


def choice(values: Sequence[Any], result: Sequence[Any]) -> Shape:
    """One of a few scalars; `result[i]` is what `values[i]` means."""

    def take(value: Any, where: str, problems: list[str]) -> Any:
        for exact in (True, False):
            for option, meaning in zip(values, result, strict=True):
                if str(option) == str(value) and (not exact or type(option) is type(value)):
                    return meaning
        allowed = ", ".join(json.dumps(option, ensure_ascii=False) for option in values)
        problems.append(at(where, f"expected one of {allowed}, got {describe(value)}"))
        return value

    kinds = sorted({json_type(value) for value in values})
    schema: dict[str, Any] = {"enum": list(values)}
    if len(kinds) == 1:
        schema = {"type": kinds[0], **schema}
    return Shape(schema, take)


def sequence(item: Shape, make: Callable[[list[Any]], Any] = list) -> Shape:
    """A list of one kind of item."""

    def take(value: Any, where: str, problems: list[str]) -> Any:
        given = _parsed(value, list)
        if not isinstance(given, list):
            problems.append(at(where, f"expected an array, got {describe(value)}"))
            return value
        items = cast("list[Any]", given)
        before = len(problems)
        found = [item.take(entry, f"{where}[{index}]", problems) for index, entry in enumerate(items)]
        return make(found) if len(problems) == before else found

    return Shape({"type": "array", "items": item.schema}, take)


def mapping(item: Shape) -> Shape:
    """An object with any keys and one kind of value."""

    def take(value: Any, where: str, problems: list[str]) -> Any:
        entries = _parsed(value, dict)
        if not isinstance(entries, dict):
            problems.append(at(where, f"expected an object, got {describe(value)}"))
            return value
        known = cast("dict[str, Any]", entries)
        return {key: item.take(entry, inside(where, key), problems) for key, entry in known.items()}

    schema: dict[str, Any] = {"type": "object"}
    if item.schema:
        schema["additionalProperties"] = item.schema
    return Shape(schema, take)


def union(members: Sequence[Shape]) -> Shape:
    """Any of several shapes; those of the value's own JSON type are tried first."""

    def take(value: Any, where: str, problems: list[str]) -> Any:
        kind = json_type(value)
        ordered = sorted(members, key=lambda member: member.schema.get("type") != kind)
        told: list[str] | None = None
        for member in ordered:
            found: list[str] = []
            result = member.take(value, where, found)
            if not found:
                return result
            if told is None and member.schema.get("type") == kind:
                told = found
        wanted = " or ".join(str(member.schema.get("type", "a listed value")) for member in members)
        problems.extend(told or [at(where, f"expected {wanted}, got {describe(value)}")])
        return value

    if all(set(member.schema) == {"type"} for member in members):
        return Shape({"type": [member.schema["type"] for member in members]}, take)
    if len(members) == 2 and members[1] is NULL and isinstance(members[0].schema.get("type"), str):
        first = members[0].schema
        schema: dict[str, Any] = {**first, "type": [first["type"], "null"]}
        if "enum" in first:
            schema["enum"] = [*first["enum"], None]
        return Shape(schema, take)
    return Shape({"anyOf": [member.schema for member in members]}, take)


@dataclass(frozen=True, slots=True)
class Member:
    """A named part of an object: an argument, or a field."""

    name: str
    shape: Shape
    required: bool
    description: str = ""
    default: Any = None
    """Shown in the schema, where JSON can say it."""
    nullable: bool = False
    """Whether null is a value of its own, rather than another way to leave the part out."""


def _has_json(default: Any) -> bool:
    """Whether a default can be shown in a schema: JSON has no infinity and no NaN."""
    return isinstance(default, bool | int | str) or (isinstance(default, float) and math.isfinite(default))


def record(members: Sequence[Member], make: Callable[[dict[str, Any]], Any], noun: str = "field") -> Shape:
    """An object with known parts. A part that has a default may be null, which means the default."""
    known = {member.name: member for member in members}
    properties: dict[str, Any] = {}
    for member in members:
        schema = dict(member.shape.schema)
        if member.description:
            schema["description"] = member.description
        if not member.required and _has_json(member.default):
            schema["default"] = member.default
        properties[member.name] = schema

    def take(value: Any, where: str, problems: list[str]) -> Any:
        entries = _parsed(value, dict)
        if not isinstance(entries, dict):
            problems.append(at(where, f"expected an object, got {describe(value)}"))
            return value
        given = cast("dict[str, Any]", entries)
        before = len(problems)
        for name in given:
            if name not in known:
                problems.append(at(where, f"unknown {noun} {name!r}{_similar(name, known)}"))
        found: dict[str, Any] = {}
        for member in members:
            if member.name in given:
                part = given[member.name]
                if part is None and not member.required:
                    if member.nullable:
                        found[member.name] = None
                    continue
                found[member.name] = member.shape.take(part, inside(where, member.name), problems)
            elif member.required:
                problems.append(at(where, f"missing {noun} {member.name!r}"))
        if len(problems) > before:
            return value
        try:
            return make(found)
        except (ValueError, TypeError) as error:  # a dataclass that checks itself
            problems.append(at(where, str(error)))
            return value

    schema: dict[str, Any] = {"type": "object", "properties": properties}
    required = [member.name for member in members if member.required]
    if required:
        schema["required"] = required
    schema["additionalProperties"] = False
    return Shape(schema, take)


def inside(where: str, name: str) -> str:
    """The place of a part."""
    return f"{where}.{name}" if where else name


def _similar(name: str, known: dict[str, Member]) -> str:
    if not known:
        return "; there are none"
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _parsed(value: Any, kind: type[Any]) -> Any:
    """The value, or what it says if it is JSON text of the wanted kind (a common slip of models)."""
    if isinstance(value, str):
        try:
            parsed: Any = json.loads(value)
        except ValueError:
            return value
        if isinstance(parsed, kind):
            return parsed
    return value
