"""The providers of the models that runs use: shared by all runs whose configuration means the same models."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vespiary.config.providers import Providers
from vespiary.model.steps import Caller
from vespiary.providers.base import Provider

if TYPE_CHECKING:
    from vespiary.config import Config, ModelConfig
    from vespiary.model.ids import RunId

log = logging.getLogger(__name__)

_Meaning = frozenset[tuple[str, "ModelConfig", int]]

KEPT = 4
"""Configurations whose connections are kept open; beyond that the least recently used one is closed."""


class Models:
    """`config` gives the configuration that a run was started with: an edited file is for the next run."""

    def __init__(self, config: "Callable[[RunId], Config]") -> None:
        self._config = config
        self._by_run: dict[RunId, Providers] = {}
        self._by_meaning: dict[_Meaning, Providers] = {}

    def of(self, caller: Caller, name: str) -> Provider:
        """The provider of the model that the caller's run calls `name`. Raises `ConfigError` and `ScriptError`."""
        providers = self._by_run.get(caller.run)
        if providers is None:
            config = self._config(caller.run)
            meaning = _meaning(config)
            providers = self._by_meaning.get(meaning) or Providers(config.models)
            self._by_meaning[meaning] = self._by_run[caller.run] = providers
        return providers(name)

    async def ended(self, run: "RunId") -> None:
        """A run ended: close what no living run uses, but for the last few configurations."""
        self._by_run.pop(run, None)
        used = set(map(id, self._by_run.values()))
        idle = [meaning for meaning, providers in self._by_meaning.items() if id(providers) not in used]
        for meaning in idle[: max(0, len(self._by_meaning) - KEPT)]:
            await _close(self._by_meaning.pop(meaning))

    async def aclose(self) -> None:
        """Close all connections."""
        self._by_run.clear()
        while self._by_meaning:
            await _close(self._by_meaning.popitem()[1])


def _meaning(config: "Config") -> _Meaning:
    return frozenset((name, model, _written(model)) for name, model in config.models.items())


def _written(model: "ModelConfig") -> int:
    """When a scripted model's file was written: an edited script is another model."""
    try:
        return Path(model.script).stat().st_mtime_ns if model.script else 0
    except OSError:
        return 0


async def _close(providers: Providers) -> None:
    try:
        await providers.aclose()
    except Exception:  # one provider's connections must not keep the others open
        log.exception("Closing the connections to models")
