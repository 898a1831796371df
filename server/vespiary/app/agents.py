"""From the configuration of an agent to the actors that make it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vespiary.model.agents import AgentSpec
from vespiary.model.errors import UsageError
from vespiary.model.pack import pack_spec, unpack_spec
from vespiary.model.runs import Mode
from vespiary.model.steps import ActorSpec

if TYPE_CHECKING:
    from vespiary.config import AgentConfig, Config

BUILT_IN = frozenset({"assistant", "files", "shell"})
"""The actors that the generic component carries. `actors/<name>/` holds each."""

MAX_SOURCE = 2_000_000
"""Bytes of an actor's source; what is larger is no source."""


class Cast:
    """The agents of one run, as their files were when it began: an agent that may write must not become another one by it."""

    def __init__(self, config: "Config", specs: "dict[str, AgentSpec | UsageError]") -> None:
        self._config = config
        self._specs = specs

    @classmethod
    def read(cls, config: "Config", mode: Mode) -> "Cast":
        """The agents as their files are now."""
        specs: dict[str, AgentSpec | UsageError] = {}
        for name in config.agents:
            try:
                specs[name] = agent_spec(name, config, mode)
            except UsageError as error:
                specs[name] = error
        return cls(config, specs)

    def pack(self) -> dict[str, Any]:
        """As plain data, for the journal."""
        return {
            name: [error.message, error.hint, error.code]
            if isinstance(error := spec, UsageError)
            else [pack_spec(each) for each in spec.actors]
            for name, spec in self._specs.items()
        }

    @classmethod
    def unpack(cls, config: "Config", packed: dict[str, Any]) -> "Cast":
        """From what `pack` gave. Raises `ValueError`."""
        specs: dict[str, AgentSpec | UsageError] = {}
        for name, each in packed.items():
            if each and isinstance(each[0], str):
                message, hint, code = each
                specs[name] = UsageError(message, hint=hint, code=code)
            else:
                specs[name] = AgentSpec(name, tuple(map(unpack_spec, each)))
        return cls(config, specs)

    def spec(self, name: str) -> AgentSpec:
        """The actors of the agent called `name`. Raises `UsageError` for an unknown agent or an actor that could not be read."""
        found, _ = self._config.agent(name)
        spec = self._specs[found]
        if isinstance(spec, UsageError):
            raise UsageError(spec.message, hint=spec.hint, code=spec.code)
        return spec


def agent_spec(name: str, config: "Config", mode: Mode) -> AgentSpec:
    """The actors of the agent called `name`. Raises `UsageError` for an unknown agent or an actor that cannot be read."""
    _, agent = config.agent(name)
    return AgentSpec(name, tuple(_actor(entry, name, agent, config.root, mode) for entry in agent.actors))


def _actor(entry: str, agent_name: str, agent: "AgentConfig", root: Path, mode: Mode) -> ActorSpec:
    settings: dict[str, Any] = {}
    if entry == "assistant":
        settings = {"agent": agent_name, "mode": mode.value, "prompt": agent.prompt, "max_rounds": agent.max_rounds}
    elif entry == "files":
        settings = {"allow_edits": mode is not Mode.PLAN}
    if entry in BUILT_IN:
        return ActorSpec(entry, "python", _config(entry, settings, {"preloaded": entry}))
    path = root / entry
    if path.suffix == ".py":
        files = {path.name: _source(path, agent_name)}
        return ActorSpec(path.stem, "python", _config(path.stem, settings, {"entry": path.stem, "files": files}))
    return ActorSpec(path.stem, str(path), json.dumps({"name": path.stem, "config": settings}))


def _config(name: str, settings: dict[str, Any], code: dict[str, Any]) -> str:
    return json.dumps({"name": name, "config": settings, "code": code}, ensure_ascii=False)


def _source(path: Path, agent: str) -> str:
    try:
        if path.stat().st_size > MAX_SOURCE:
            raise ValueError(f"it is larger than {MAX_SOURCE:,} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The actor {path} of the agent {agent!r} cannot be read: {error}.",
            hint=f"Correct `actors` under [agents.{agent}] in vespiary.toml.",
            code="actor.unreadable",
        ) from error
