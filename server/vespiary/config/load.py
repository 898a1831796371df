"""Reads the two files, `vespiary.toml` of the workspace over the user's own, and judges them.

An entry (`[models.NAME]`, `[agents.NAME]`) of the workspace replaces the user's entry of that name as a whole: so a key of the
user is never sent to a place that a workspace names. Budgets alone do not replace one another: what both files allow holds, so that
a workspace never lets agents spend more than the person said. All problems are reported at once.
"""

import os
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import EllipsisType
from typing import Any, cast

from pydantic import ValidationError

from vespiary.config import checks
from vespiary.config.checks import Reporter
from vespiary.config.defaults import BUILT_IN_ACTORS, CODER_DESCRIPTION, DEFAULT_AGENT
from vespiary.config.errors import ConfigError, ConfigProblem
from vespiary.config.models import AgentConfig, Config, FileConfig
from vespiary.config.places import Places
from vespiary.config.running import JournalConfig
from vespiary.config.spending import BudgetConfig
from vespiary.config.trust import FILE_NAME, borrowed, cheapened, is_trusted, powers

MAX_BYTES = 1_000_000
"""A larger file is not a configuration."""
MOST_PROBLEMS = 100
"""Problems of a kind that are told. Nobody reads more, and a hostile file could hold enough to keep the server busy."""


@dataclass(frozen=True, slots=True)
class _Loaded:
    file: FileConfig
    report: Reporter
    content: bytes


def user_file_path() -> Path:
    """The user-wide file: `VESPIARY_CONFIG`, or `config.toml` in the system's place for it."""
    if own := os.environ.get("VESPIARY_CONFIG"):
        return Path(own)
    import platformdirs

    return Path(platformdirs.user_config_dir("vespiary", appauthor=False)) / "config.toml"


def load(
    root: Path,
    *,
    user_file: Path | EllipsisType | None = ...,
    trusted: bool | None = None,
    actors: Collection[str] = BUILT_IN_ACTORS,
) -> Config:
    """The configuration of the workspace at `root`; neither file needs to exist.

    `user_file` is the user-wide file (by default the usual one; `None` for none). `trusted` overrides what the person's record says
    of this workspace. `actors` are the names of actors that there are. Raises `ConfigError`: `config.invalid` with everything that
    is wrong, `config.untrusted` with everything that needs trust.
    """
    user_path = user_file_path() if isinstance(user_file, EllipsisType) else user_file
    problems: list[ConfigProblem] = []
    user = _read(user_path, str(user_path), root, actors, problems) if user_path is not None else None
    own = _read(root / FILE_NAME, FILE_NAME, root, actors, problems)
    if problems:
        raise ConfigError.of(problems)

    config, reports = _merge(root, [loaded for loaded in (user, own) if loaded is not None])
    last = own.report if own else user.report if user else Reporter(FILE_NAME)
    if problems := list(islice(checks.of_references(config, reports, last), MOST_PROBLEMS)):
        raise ConfigError.of(problems)
    if own is None:
        return config
    config = config.model_copy(update={"workspace_file": own.content})
    needed = [*powers(own.file, root), *borrowed(config, own.file)]
    if user is not None:
        needed += cheapened(user.file, own.file)
    if not needed:
        return config
    if not (is_trusted(root, own.content) if trusted is None else trusted):
        raise _untrusted([own.report.problem(key, f"{why}.") for key, why in needed])
    return config.model_copy(update={"trust_needed": tuple(f"{'.'.join(key)}: {why}" for key, why in needed)})


def _merge(root: Path, files: list[_Loaded]) -> tuple[Config, dict[tuple[str, ...], Reporter]]:
    """The entries of later files replace those of earlier ones; gives also which file each entry is from."""
    agents = {DEFAULT_AGENT: AgentConfig(description=CODER_DESCRIPTION)}
    merged: dict[str, Any] = {"models": {}, "agents": agents, "default_agent": DEFAULT_AGENT}
    reports: dict[tuple[str, ...], Reporter] = {}
    for loaded in files:
        merged["models"].update(loaded.file.models)
        for name, agent in loaded.file.agents.items():
            before = agents.get(name)
            budget = agent.budget if before is None else agent.budget.within(before.budget)
            agents[name] = agent.model_copy(update={"budget": budget})
        if loaded.file.budget is not None:
            said: BudgetConfig | None = merged.get("budget")
            merged["budget"] = loaded.file.budget if said is None else loaded.file.budget.within(said)
        merged.update(_running(merged, loaded.file))
        reports |= {("models", name): loaded.report for name in loaded.file.models}
        reports |= {("agents", name): loaded.report for name in loaded.file.agents}
        if loaded.file.default_agent is not None:
            merged["default_agent"] = loaded.file.default_agent
            reports[("default_agent",)] = loaded.report
    return Config(root=root, **merged), reports


def _running(said: dict[str, Any], file: FileConfig) -> dict[str, Any]:
    """How runs are kept and where they live. The person's own file decides; a workspace's never lets anything kept go sooner."""
    found: dict[str, Any] = {}
    if file.workers is not None and "workers" not in said:
        found["workers"] = file.workers
    if file.journal is not None and "journal" not in said:
        found["journal"] = file.journal
    elif file.journal is not None:
        before: JournalConfig = said["journal"]
        found["journal"] = before.model_copy(
            update={
                "keep_runs": max(before.keep_runs, file.journal.keep_runs),
                "keep_mb": max(before.keep_mb, file.journal.keep_mb),
            }
        )
    return found


def _untrusted(problems: list[ConfigProblem]) -> ConfigError:
    listed = "\n".join(f"- {problem}" for problem in problems)
    return ConfigError(
        f"This workspace is not trusted, and its {FILE_NAME} asks for more than an untrusted workspace may have:\n{listed}",
        hint="Read the file. If you want all of this, run `vespiary trust` in the workspace; otherwise remove it from the file.",
        code="config.untrusted",
        problems=problems,
    )


def _read(path: Path, shown: str, root: Path, actors: Collection[str], problems: list[ConfigProblem]) -> _Loaded | None:
    """One file, if there is one. What is wrong with it is added to `problems`."""
    try:
        # Opening a named pipe would wait for ever.
        if path.exists() and not path.is_file():
            problems.append(ConfigProblem(shown, "", "is no regular file.", "Remove it, or put a file in its place."))
            return None
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        problems.append(ConfigProblem(shown, "", f"cannot be read: {error.strerror or error}."))
        return None
    if len(content) > MAX_BYTES:
        problems.append(
            ConfigProblem(shown, "", f"is larger than {MAX_BYTES:,} bytes.", "This is not a configuration.")
        )
        return None
    try:
        # Some Windows editors put a byte order mark first.
        text = content.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError:
        problems.append(ConfigProblem(shown, "", "is not UTF-8.", "Save it as UTF-8."))
        return None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        said = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is nested too deeply"
        problems.append(ConfigProblem(shown, "", f"is not TOML: {said}."))
        return None
    report = Reporter(shown, Places(text))
    _resolve_scripts(table, path.parent)
    try:
        loaded = FileConfig.model_validate(table)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
        problems += sorted((checks.of_shape(each, report) for each in found), key=lambda problem: problem.line or 0)
        return None
    problems += islice(checks.of_file(loaded, report, actors, root), MOST_PROBLEMS)
    return _Loaded(loaded, report, content)


def _resolve_scripts(table: dict[str, Any], folder: Path) -> None:
    models: Any = table.get("models")
    if not isinstance(models, dict):
        return
    for model in cast("dict[str, Any]", models).values():
        if isinstance(model, dict):
            entry = cast("dict[str, Any]", model)
            if isinstance(script := entry.get("script"), str) and script:
                entry["script"] = str((folder / script).absolute())
