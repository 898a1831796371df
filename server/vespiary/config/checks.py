"""What must hold of a configuration beyond its types: names, references, keys that belong together.

Functions from values to problems; the only IO is whether a named file is there. None repeats a value that might be a secret.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vespiary.config.errors import ConfigProblem
from vespiary.config.models import AgentConfig, Config, FileConfig, GrantsConfig, ModelConfig
from vespiary.config.nearest import did_you_mean
from vespiary.config.places import Places
from vespiary.config.spending import BudgetConfig, PriceConfig
from vespiary.model.grants import Grant
from vespiary.model.ids import is_name

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_HOST = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?\Z")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET = re.compile(r"(api_?)?key|token|secret|password", re.IGNORECASE)
_TYPES = {
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "finite_number": "must be a finite number",
}
_FORBID = "[models.NAME] takes the name of an environment variable: `api_key_env`. Secrets do not belong into a file."


class Reporter:
    """Makes problems of one file: it knows the file's name and the lines of its keys."""

    def __init__(self, file: str, places: Places | None = None) -> None:
        self._file = file
        self._places = places

    def problem(self, key: tuple[str, ...], message: str, fix: str | None = None) -> ConfigProblem:
        """A problem at a key."""
        line = self._places.line(*key) if self._places and key else None
        return ConfigProblem(self._file, ".".join(key), message, fix, line)


def of_shape(error: "ErrorDetails", report: Reporter) -> ConfigProblem:
    """What a validation error of the file's shape says to a person."""
    loc = tuple(str(part) for part in error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        # In a budget, tokens are what models read and write.
        secret = _SECRET.search(loc[-1]) and loc[-1] != "api_key_env" and "budget" not in loc[:-1]
        fix = _FORBID if secret else None
        known = _keys_at(loc[:-1])
        fix = fix or did_you_mean(loc[-1], known) or f"Known here: {', '.join(known)}."
        return report.problem(loc, "unknown key.", fix)
    if kind == "missing":
        return report.problem(loc, "is missing.", f"Known values: {_choices(loc)}." if _choices(loc) else None)
    if kind in {"literal_error", "enum"}:
        return report.problem(loc, f"must be {context.get('expected', 'one of the known values')!s}.")
    if kind in {"model_type", "dict_type"} and len(loc) == 2:
        return report.problem(loc, "must be a table.", f"Begin it with [{'.'.join(loc)}].")
    if kind in _TYPES:
        return report.problem(loc, f"{_TYPES[kind]}.")
    # The remaining kinds are bounds; their messages hold the bound and not the value.
    return report.problem(loc, f"{error['msg'][:1].lower()}{error['msg'][1:]}.")


def _choices(loc: tuple[str, ...]) -> str:
    return "`openai`, `scripted`" if loc[-1] == "provider" else ""


def _keys_at(table: tuple[str, ...]) -> list[str]:
    match table:
        case ():
            return list(FileConfig.model_fields)
        case ("models", _):
            return list(ModelConfig.model_fields)
        case ("agents", _):
            return list(AgentConfig.model_fields)
        case ("budget",) | ("agents", _, "budget"):
            return list(BudgetConfig.model_fields)
        case ("models", _, "price"):
            return list(PriceConfig.model_fields)
        case _:
            return list(GrantsConfig.model_fields)


def is_path(actor: str) -> bool:
    """Whether the entry is an actor's file rather than the name of one that comes with Vespiary."""
    return actor.endswith((".py", ".wasm"))


def of_file(file: FileConfig, report: Reporter, actors: Collection[str], root: Path) -> Iterator[ConfigProblem]:
    """What is wrong within one file, as far as it can be judged alone."""
    if file.budget is not None:
        yield from _budget(("budget",), file.budget, report)
    for name, model in file.models.items():
        yield from _name(("models", name), report)
        yield from _model(("models", name), model, report)
    for name, agent in file.agents.items():
        yield from _name(("agents", name), report)
        yield from _agent(("agents", name), agent, report, actors, root)


def _name(key: tuple[str, ...], report: Reporter) -> Iterator[ConfigProblem]:
    if not is_name(key[-1]):
        yield report.problem(key, "is not a name.", "A name is a letter, then at most 63 letters, digits, `_` or `-`.")


def _model(key: tuple[str, ...], model: ModelConfig, report: Reporter) -> Iterator[ConfigProblem]:
    if model.provider == "openai":
        if not model.model.strip():
            yield report.problem(
                (*key, "model"), "is missing.", 'Write the name that the provider gives it: model = "...".'
            )
        if model.script is not None:
            yield report.problem(
                (*key, "script"), "belongs to `scripted` models.", 'Write provider = "scripted", or remove it.'
            )
        if model.base_url is not None and (wrong := base_url_problem(model.base_url)):
            yield report.problem((*key, "base_url"), wrong, "Example: http://localhost:11434/v1")
        if model.api_key_env is not None and not _ENV.match(model.api_key_env):
            yield report.problem(
                (*key, "api_key_env"), "is not the name of an environment variable.", "Example: OPENAI_API_KEY"
            )
        return
    if not model.script:
        yield report.problem(
            (*key, "script"), "is missing.", 'Write the path of a file of replies: script = "replies.toml".'
        )
    for name in ("base_url", "api_key_env", "reasoning_field", "price"):
        if getattr(model, name) is not None:
            yield report.problem((*key, name), "has no meaning for a `scripted` model.", "Remove it.")


def base_url_problem(url: str) -> str | None:
    """Why the text cannot be a base URL; the text itself is not repeated, since people put keys into URLs."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL."
    if parts.scheme not in {"http", "https"}:
        return "must begin with http:// or https://."
    if not parts.hostname:
        return "names no host."
    if parts.username is not None or parts.password is not None:
        return "must not hold a user name or password; use api_key_env."
    if parts.query or parts.fragment:
        return "must not hold a query or fragment."
    return None


def _agent(
    key: tuple[str, ...], agent: AgentConfig, report: Reporter, actors: Collection[str], root: Path
) -> Iterator[ConfigProblem]:
    for actor in agent.actors:
        if is_path(actor):
            if not (root / actor).is_file():
                yield report.problem((*key, "actors"), f"there is no file {actor!r}.", "Correct the path.")
        elif actor not in actors:
            fix = did_you_mean(actor, actors)
            fix = fix or f"There is: {', '.join(actors)}; or the path of a `.py` or `.wasm` file."
            yield report.problem((*key, "actors"), f"there is no actor called {actor!r}.", fix)
    if len(set(agent.actors)) != len(agent.actors):
        yield report.problem((*key, "actors"), "names an actor twice.", "Name each once.")
    yield from _budget((*key, "budget"), agent.budget, report)
    grants = agent.grants
    for host in grants.hosts:
        if not _is_host(host):
            fix = "Write the bare name, with a port where it is not the scheme's own: `example.org`, `127.0.0.1:8080`."
            yield report.problem((*key, "grants", "hosts"), f"{host!r} is not a host.", fix)
    if grants.http is not Grant.DENY and not grants.hosts:
        fix = 'Name the hosts that it may reach: hosts = ["example.org"].'
        yield report.problem((*key, "grants", "http"), "is granted, but no host is.", fix)


def _budget(key: tuple[str, ...], budget: BudgetConfig, report: Reporter) -> Iterator[ConfigProblem]:
    call, run = budget.tokens_per_call, budget.tokens_per_run
    if call is not None and run is not None and call > run:
        fix = "A call counts against the run: lower it, or raise tokens_per_run."
        yield report.problem((*key, "tokens_per_call"), "is more than `tokens_per_run`.", fix)


def _is_host(text: str) -> bool:
    found = _HOST.match(text)
    return found is not None and (found["port"] is None or 0 < int(found["port"]) < 65536)


def of_references(
    config: Config, reports: Mapping[tuple[str, ...], Reporter], last: Reporter
) -> Iterator[ConfigProblem]:
    """Names that stand for nothing, once all files are together. `reports` knows which file an entry is from."""
    for name, agent in config.agents.items():
        report = reports.get(("agents", name), last)
        wanted: list[tuple[str, str]] = [("model", agent.model)] if agent.model is not None else []
        wanted += [("models", model) for model in agent.models]
        for key, model in wanted:
            if model not in config.models:
                yield report.problem(
                    ("agents", name, key), f"there is no model called {model!r}.", _offer(model, config.models)
                )
    if config.default_agent not in config.agents:
        report = reports.get(("default_agent",), last)
        fix = _offer(config.default_agent, config.agents)
        yield report.problem(("default_agent",), f"there is no agent called {config.default_agent!r}.", fix)


def _offer(wrong: str, names: Mapping[str, Any]) -> str:
    if near := did_you_mean(wrong, names):
        return near
    return f"There is: {', '.join(sorted(names))}." if names else f"Define it under [models.{wrong}]."
