"""Reading tables of plain data with errors for people: each key is taken once with its type, and what is left over is unknown.

Knows nothing of what the tables mean. It is here so that scripts need no pydantic, whose import the offline path need not pay.
"""

import difflib
from collections.abc import Mapping
from typing import Any, cast

from vespiary.model.errors import VespiaryError


class TableError(VespiaryError):
    """A table is not as it should be. The message names the place within the file."""

    code = "table.invalid"


class Table:
    """One table under reading. `where` is how errors call it."""

    def __init__(self, raw: Mapping[str, Any], where: str) -> None:
        self.where = where
        self._raw = dict(raw)
        self._known: list[str] = []

    def called(self, name: str) -> None:
        """Add a name that a person gave to it."""
        if name:
            self.where = f"{self.where} ({name})"

    def __contains__(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def take(self, key: str) -> Any:
        """The value of a key, whatever its type; none when it is absent."""
        self._known.append(key)
        return self._raw.pop(key, None)

    def text(self, key: str, default: str) -> str:
        """A text."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, "must be a text.")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(key, "must be true or false.")
        return value

    def whole(self, key: str, default: int, *, least: int) -> int:
        """A whole number, at least `least`."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._wrong(key, f"must be a whole number from {least}.")
        return value

    def number(self, key: str, default: float, *, most: float) -> float:
        """A number from 0 to `most`."""
        value = self.take(key)
        if value is None:
            return default
        # NaN fails the comparison as well.
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
            raise self._wrong(key, f"must be a number from 0 to {most:,.0f}.")
        return float(value)

    def table(self, key: str) -> Mapping[str, Any] | None:
        """A table within this one; none when it is absent."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(key, "must be a table.")
        return cast("dict[str, Any]", value)

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """A list of tables; empty when it is absent."""
        value = self.take(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast("list[Any]", value)):
            raise self._wrong(key, "must be a list of tables.", f"Begin each with [[{key}]].")
        return cast("list[Mapping[str, Any]]", value)

    def end(self) -> None:
        """Refuse what was not taken."""
        for key in self._raw:
            near = difflib.get_close_matches(key, self._known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(self._known)}."
            raise self._wrong(key, "unknown key.", hint)

    def _wrong(self, key: str, message: str, hint: str | None = None) -> TableError:
        return TableError(f"{self.where}: {key}: {message}", hint=hint)
