"""Scripts of model replies: the values, and reading them from TOML. `docs/scripted-models.md` describes the format for people.

Knows the shape of a script and says exactly what is wrong with one; matching is in `matching`, playing in `scripted`.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from vespiary.model.errors import VespiaryError
from vespiary.model.runs import Usage
from vespiary.providers.tables import Table, TableError

MAX_BYTES = 5_000_000
DEFAULT_CHUNK = 24
"""Characters of a text delta."""


class ScriptError(VespiaryError):
    """A script cannot be used. The message names the file, the reply and the key."""

    code = "script.invalid"


@dataclass(frozen=True, slots=True)
class Contains:
    """A condition on a text: it contains `text`, or `pattern` is found in it (case matters in both)."""

    text: str = ""
    pattern: re.Pattern[str] | None = None

    def find(self, where: str) -> dict[str, str] | None:
        """The named groups of the match; none when there is no match."""
        if self.pattern is None:
            return {} if self.text in where else None
        found = self.pattern.search(where)
        return None if found is None else {name: value or "" for name, value in found.groupdict().items()}

    def __str__(self) -> str:
        return f"regex {self.pattern.pattern!r}" if self.pattern else repr(self.text)


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """A tool call of a reply. `arguments` is plain data, or a string that is given to the agent as it is (broken JSON, say)."""

    name: str
    arguments: dict[str, Any] | str


@dataclass(frozen=True, slots=True)
class ScriptedFailure:
    """A reply that fails as an endpoint would. `cut`: the connection is lost after the reply's text."""

    status: int = 500
    retry_after: float | None = None
    message: str = "scripted failure"
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply and when it is given. Conditions that are absent hold; see `matching` for how they combine."""

    number: int
    name: str = ""
    user: Contains | None = None
    system: Contains | None = None
    tool: str | None = None
    result: Contains | None = None
    turn: int | None = None
    times: int | None = None
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ScriptedCall, ...] = ()
    usage: Usage | None = None
    latency_s: float = 0.0
    chunk: int = DEFAULT_CHUNK
    chunk_delay_s: float = 0.0
    error: ScriptedFailure | None = None

    @property
    def label(self) -> str:
        """How errors call it."""
        return f"reply {self.number} ({self.name})" if self.name else f"reply {self.number}"


@dataclass(frozen=True, slots=True)
class Script:
    """All replies, in order, and the one that is given when none matches."""

    source: str
    replies: tuple[Reply, ...]
    default: Reply | None = None


def read_script(path: Path) -> Script:
    """The script in a file. Raises `ScriptError`."""
    try:
        if path.exists() and not path.is_file():  # opening a named pipe would wait for ever
            raise ScriptError(f"{path}: is no regular file.")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ScriptError(
            f"{path}: there is no such file.", hint="`script` names the file of a scripted model."
        ) from None
    except OSError as error:
        raise ScriptError(f"{path}: cannot be read: {error.strerror or error}.") from None
    if len(content) > MAX_BYTES:
        raise ScriptError(f"{path}: is larger than {MAX_BYTES:,} bytes.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ScriptError(f"{path}: is not UTF-8.") from None
    return parse_script(text, path.name)


def parse_script(text: str, source: str = "script") -> Script:
    """The script in a TOML text. Raises `ScriptError`."""
    try:
        return _script(tomllib.loads(text), source)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ScriptError(f"{source} is not TOML: {error}.") from None
    except TableError as error:
        raise ScriptError(f"{source}: {error.message}", hint=error.hint) from None


def _script(raw: Mapping[str, Any], source: str) -> Script:
    top = Table(raw, "the file")
    base = Reply(
        number=0,
        latency_s=top.number("latency_ms", 0, most=600_000) / 1000,
        chunk=top.whole("chunk", DEFAULT_CHUNK, least=1),
        chunk_delay_s=top.number("chunk_delay_ms", 0, most=60_000) / 1000,
    )
    tables = top.tables("reply")
    default = top.table("default")
    top.end()
    replies = tuple(_reply(Table(table, f"reply {number}"), number, base) for number, table in enumerate(tables, 1))
    if not replies and default is None:
        raise TableError("there is no reply.", hint="Begin one with [[reply]].")
    return Script(source, replies, _default(default, base) if default is not None else None)


def _default(raw: Mapping[str, Any], base: Reply) -> Reply:
    reply = _reply(Table(raw, "default"), 0, base)
    if _conditional(reply):
        raise TableError("default: takes no condition.", hint="It is given when no other reply matches.")
    return reply


def _conditional(reply: Reply) -> bool:
    conditions = (reply.user, reply.system, reply.tool, reply.result, reply.turn, reply.times)
    return any(condition is not None for condition in conditions)


def _reply(table: Table, number: int, base: Reply) -> Reply:
    name = table.text("name", "")
    table.called(name)
    reply = Reply(
        number=number,
        name=name or ("default" if number == 0 else ""),
        user=_condition(table, "user"),
        system=_condition(table, "system"),
        tool=table.text("tool", "") or None,
        result=_condition(table, "result"),
        turn=table.whole("turn", 0, least=1) or None,
        times=table.whole("times", 0, least=1) or None,
        text=table.text("text", ""),
        reasoning=table.text("reasoning", ""),
        tool_calls=tuple(
            _call(Table(call, f"{table.where}, tool_calls {index}"))
            for index, call in enumerate(table.tables("tool_calls"), 1)
        ),
        usage=_usage(table),
        latency_s=table.number("latency_ms", base.latency_s * 1000, most=600_000) / 1000,
        chunk=table.whole("chunk", base.chunk, least=1),
        chunk_delay_s=table.number("chunk_delay_ms", base.chunk_delay_s * 1000, most=60_000) / 1000,
        error=_failure(table),
    )
    table.end()
    _check_names(reply, table.where)
    return reply


def _condition(table: Table, key: str) -> Contains | None:
    value = table.take(key)
    if value is None:
        return None
    if isinstance(value, str):
        return Contains(value)
    inner = Table(cast("dict[str, Any]", value), f"{table.where}, {key}") if isinstance(value, dict) else None
    source = inner.text("regex", "") if inner else ""
    if inner is None or not source:
        raise TableError(f'{table.where}: {key}: must be a text or {{ regex = "..." }}.')
    inner.end()
    try:
        return Contains(pattern=re.compile(source, re.DOTALL | re.MULTILINE))
    except re.error as error:
        raise TableError(f"{table.where}: {key}: is not a regular expression: {error}.") from None


def _call(table: Table) -> ScriptedCall:
    name = table.text("name", "")
    if not name:
        raise TableError(f"{table.where}: name: is missing.", hint="It is the tool that is called.")
    arguments = table.take("arguments")
    table.end()
    if arguments is None:
        return ScriptedCall(name, {})
    if not isinstance(arguments, dict | str):
        raise TableError(f"{table.where}: arguments: must be a table (or a text, given as it is).")
    return ScriptedCall(name, cast("dict[str, Any] | str", arguments))


def _usage(table: Table) -> Usage | None:
    raw = table.table("usage")
    if raw is None:
        return None
    inner = Table(raw, f"{table.where}, usage")
    names = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens")
    counted = {name: inner.whole(name, 0, least=0) for name in names}
    inner.end()
    return Usage(**counted, calls=1)


def _failure(table: Table) -> ScriptedFailure | None:
    raw = table.table("error")
    if raw is None:
        return None
    inner = Table(raw, f"{table.where}, error")
    wait = inner.number("retry_after", -1, most=86_400)
    failure = ScriptedFailure(
        status=inner.whole("status", 500, least=400),
        retry_after=wait if wait >= 0 else None,
        message=inner.text("message", "scripted failure"),
        cut=inner.flag("cut", False),
    )
    inner.end()
    return failure


def _check_names(reply: Reply, where: str) -> None:
    """Every `${name}` in what the reply says is a named group of one of its conditions."""
    known = {
        group
        for condition in (reply.user, reply.system, reply.result)
        if condition is not None and condition.pattern is not None
        for group in condition.pattern.groupindex
    }
    for name in sorted(_names_in([reply.text, reply.reasoning, [call.arguments for call in reply.tool_calls]])):
        if name not in known:
            hint = (
                f'Name a group in one of its conditions: {{ regex = "(?P<{name}>...)" }}, '
                f"or write $${{{name}}} for the text itself."
            )
            raise TableError(f"{where}: ${{{name}}} stands for nothing.", hint=hint)


_NAME = re.compile(r"\$(\$)?\{([A-Za-z_]\w*)\}")


def _names_in(value: Any) -> set[str]:
    if isinstance(value, str):
        return {name for escaped, name in _NAME.findall(value) if not escaped}
    if isinstance(value, dict):
        return {name for item in value.values() for name in _names_in(item)}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return {name for item in value for name in _names_in(item)}  # pyright: ignore[reportUnknownVariableType]
    return set()


def fill(value: Any, captured: Mapping[str, str]) -> Any:
    """The value with every `${name}` in its texts replaced by what was captured; `$${name}` gives `${name}` itself."""
    if isinstance(value, str):
        return _NAME.sub(lambda found: found[0][1:] if found[1] else captured.get(found[2], ""), value)
    if isinstance(value, dict):
        return {key: fill(item, captured) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [fill(item, captured) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
