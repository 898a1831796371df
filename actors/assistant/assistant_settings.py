"""How an assistant is configured, checked. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from vespiary_sdk import ActorError, log


@dataclass(frozen=True, slots=True)
class Settings:
    """Every key of the configuration with its default."""

    prompt: str | None = None
    """The system prompt. Without it, a good one for a coder."""
    agent: str | None = None
    """The agent's name."""
    mode: str | None = None
    """The mode of the run: `apply` or `plan`."""
    model: str | None = None
    """A name under `models` in the configuration. Without it, the agent's own."""
    max_rounds: int = 50
    """Most model calls of one task."""
    max_corrections: int = 3
    """How often in a row the model is told that its reply is of no use, before the task fails."""
    tool_timeout_ms: int = 900_000
    """How long a tool call may take, in milliseconds."""
    temperature: float | None = None
    max_tokens: int | None = None


def settings(config: Mapping[str, Any]) -> Settings:
    """The settings that a configuration asks for. Raises `ActorError` naming the key that is wrong; unknown keys are logged."""
    sampling: object = config.get("sampling") or {}
    if not isinstance(sampling, Mapping):
        raise ActorError(f"assistant: `sampling` must be a table, not {sampling!r:.80}.")
    given: dict[str, Any] = {**config, **cast("Mapping[str, Any]", sampling)}
    given.pop("sampling", None)
    checked: dict[str, Any] = {}
    for key, value in given.items():
        take = _KEYS.get(key)
        if take is None:
            log.warn(f"The configuration has an unknown key {key!r}. Known: {', '.join([*_KEYS, 'sampling'])}.")
        elif value is not None:
            checked[key] = take(key, value)
    return Settings(**checked)


def _text(key: str, value: Any) -> str | None:
    if not isinstance(value, str):
        raise ActorError(f"assistant: `{key}` must be text, not {value!r:.80}.")
    return value if value.strip() else None


def _count(least: int, most: int) -> Any:
    def take(key: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ActorError(f"assistant: `{key}` must be a whole number from {least} to {most}, not {value!r:.80}.")
        return value

    return take


def _temperature(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2:
        raise ActorError(f"assistant: `{key}` must be a number from 0 to 2, not {value!r:.80}.")
    return float(value)


_KEYS: dict[str, Any] = {
    "prompt": _text,
    "agent": _text,
    "mode": _text,
    "model": _text,
    "max_rounds": _count(1, 1_000_000),
    "max_corrections": _count(0, 1000),
    "tool_timeout_ms": _count(1, 86_400_000),
    "temperature": _temperature,
    "max_tokens": _count(1, 10_000_000),
}
