"""Reading the JSON of a request, which an actor wrote and nobody has checked.

Knows how to take typed fields out of an object and how to say what is wrong with it. Does not know what the fields mean.
"""

from collections.abc import Iterable
from typing import Any, NoReturn, cast

import orjson

from vespiary.model.errors import RequestRefused


class Fields:
    """The fields of one JSON object. Every method raises `RequestRefused` with the code `<area>.request`.

    A field that is absent or `null` has its default; without a default it is required. `done` refuses what nobody asked for, so
    that a misspelt field is heard of.
    """

    def __init__(self, area: str, values: dict[str, Any], where: str = "") -> None:
        self._area = area
        self._values = values
        self._where = where
        self._seen: set[str] = set()

    @classmethod
    def parse(cls, area: str, payload: str) -> "Fields":
        """The fields of a payload. `area` is the capability's name. Texts in it are sound: no lone surrogates."""
        try:
            value = orjson.loads(payload)
        except (ValueError, UnicodeEncodeError) as error:
            raise RequestRefused(f"The request is not JSON: {error}.", code=f"{area}.request") from None
        if not isinstance(value, dict):
            raise RequestRefused(f"The request must be an object, not {_kind(value)}.", code=f"{area}.request")
        return cls(area, cast(dict[str, Any], value))

    def refuse(self, sentence: str, hint: str | None = None) -> NoReturn:
        """Refuse the request as badly formed."""
        raise RequestRefused(sentence, hint=hint, code=f"{self._area}.request")

    def text(self, name: str, default: str | None = None, *, empty: bool = True, longest: int | None = None) -> str:
        """A text; `empty` says whether it may be empty, `longest` bounds its code points."""
        value = self._take(name, default, "text")
        if not isinstance(value, str):
            self._wrong(name, "text", value)
        if not empty and not value:
            self.refuse(f"Field {self._name(name)} must not be empty.")
        if longest is not None and len(value) > longest:
            self.refuse(f"Field {self._name(name)} is longer than {longest} characters.")
        return value

    def maybe_text(self, name: str) -> str | None:
        """A text, or none where the field is absent or `null`."""
        return self.text(name) if self.has(name) else None

    def choice(self, name: str, allowed: Iterable[str], default: str | None = None) -> str:
        """One of a few words."""
        words = tuple(allowed)
        value = self.text(name, default)
        if value not in words:
            self.refuse(f"Field {self._name(name)} must be one of {', '.join(words)}, not {_short(value)}.")
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        """`true` or `false`."""
        value = self._take(name, default, "true or false")
        if not isinstance(value, bool):
            self._wrong(name, "true or false", value)
        return value

    def integer(self, name: str, default: int | None = None, *, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        value = self._take(name, default, "a whole number")
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self._wrong(name, "a whole number", value)
        if not least <= value <= most:
            self.refuse(f"Field {self._name(name)} must be from {least} to {most}, not {value}.")
        return value

    def maybe_integer(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number, or none where the field is absent or `null`."""
        return self.integer(name, least=least, most=most) if self.has(name) else None

    def number(self, name: str, default: float | None = None, *, least: float, most: float) -> float:
        """A number from `least` to `most`."""
        value = self._take(name, default, "a number")
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._wrong(name, "a number", value)
        if not least <= value <= most:
            self.refuse(f"Field {self._name(name)} must be from {least:g} to {most:g}, not {value:g}.")
        return float(value)

    def maybe_number(self, name: str, *, least: float, most: float) -> float | None:
        """A number, or none where the field is absent or `null`."""
        return self.number(name, least=least, most=most) if self.has(name) else None

    def texts(self, name: str, default: Iterable[str] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        value = self._take(name, None if default is None else list(default), "a list of texts")
        if not isinstance(value, list):
            self._wrong(name, "a list of texts", value)
        items = cast(list[Any], value)
        for index, item in enumerate(items):
            if not isinstance(item, str):
                self._wrong(f"{name}[{index}]", "text", item)
        return tuple(cast(list[str], items))

    def mapping(self, name: str, default: dict[str, str] | None = None) -> dict[str, str]:
        """An object whose values are texts."""
        value = self._take(name, default, "an object of texts")
        if not isinstance(value, dict):
            self._wrong(name, "an object of texts", value)
        pairs = cast(dict[str, Any], value)
        for key, item in pairs.items():
            if not isinstance(item, str):
                self._wrong(f"{name}.{key}", "text", item)
        return cast(dict[str, str], pairs)

    def plain(self, name: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """An object whose content is the caller's matter, such as a JSON schema."""
        value = self._take(name, default, "an object")
        if not isinstance(value, dict):
            self._wrong(name, "an object", value)
        return cast(dict[str, Any], value)

    def objects(self, name: str, default: Iterable[dict[str, Any]] | None = None) -> tuple["Fields", ...]:
        """A list of objects, each to be read in the same way."""
        value = self._take(name, None if default is None else list(default), "a list of objects")
        if not isinstance(value, list):
            self._wrong(name, "a list of objects", value)
        found: list[Fields] = []
        for index, item in enumerate(cast(list[Any], value)):
            if not isinstance(item, dict):
                self._wrong(f"{name}[{index}]", "an object", item)
            found.append(Fields(self._area, cast(dict[str, Any], item), f"{self._where}{name}[{index}]."))
        return tuple(found)

    def anything(self, name: str) -> Any:
        """Whatever is there; none where the field is absent."""
        self._seen.add(name)
        return self._values.get(name)

    def wrong(self, name: str, wanted: str) -> NoReturn:
        """Refuse the request for a field that is not what it must be."""
        self.refuse(f"Field {self._name(name)} must be {wanted}.")

    def has(self, name: str) -> bool:
        """Whether a field is there and not `null`."""
        self._seen.add(name)
        return self._values.get(name) is not None

    def done(self) -> None:
        """Refuse fields that nobody read."""
        unknown = sorted(self._values.keys() - self._seen)
        if unknown:
            known = ", ".join(sorted(self._seen))
            self.refuse(f"Unknown field {self._name(unknown[0])}.", hint=f"Known fields: {known}.")

    def _take(self, name: str, default: Any, wanted: str) -> Any:
        self._seen.add(name)
        value = self._values.get(name)
        if value is None:
            value = default
        if value is None:
            self.refuse(f"Field {self._name(name)} is missing; it must be {wanted}.")
        return value

    def _wrong(self, name: str, wanted: str, value: Any) -> NoReturn:
        self.refuse(f"Field {self._name(name)} must be {wanted}, not {_kind(value)}.")

    def _name(self, name: str) -> str:
        return _short(self._where + name)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _kind(value: Any) -> str:
    """What a JSON value is called."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"
