"""Makes the providers that the configuration names: each when it is first used, and once.

The only place that reads a key, from the environment; it hands it to the provider and keeps it nowhere else.
"""

import os
import random
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio

from vespiary.config.errors import ConfigError
from vespiary.config.models import ModelConfig
from vespiary.config.nearest import did_you_mean
from vespiary.providers.base import Provider
from vespiary.providers.retry import Backoff, RetryingProvider

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_KEY = "OPENAI_API_KEY"


class Providers:
    """The providers of one configuration, by the names under `models`."""

    def __init__(
        self,
        models: Mapping[str, ModelConfig],
        *,
        environment: Mapping[str, str] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        source: random.Random | None = None,
    ) -> None:
        self._models = models
        self._environment = os.environ if environment is None else environment
        self._sleep = sleep
        self._source = source
        self._made: dict[str, Provider] = {}

    def __call__(self, name: str) -> Provider:
        """The provider of a model. Raises `ConfigError` for an unknown model or a missing key, `ScriptError` for a bad script."""
        made = self._made.get(name)
        if made is None:
            model = self._models.get(name)
            if model is None:
                hint = did_you_mean(name, self._models)
                raise ConfigError(f"There is no model called {name!r}.", hint=hint, code="config.no-model")
            made = self._made[name] = self._make(name, model)
        return made

    async def aclose(self) -> None:
        """Release the connections of all of them."""
        while self._made:
            await self._made.popitem()[1].aclose()

    def _make(self, name: str, model: ModelConfig) -> Provider:
        backoff = Backoff(attempts=model.attempts)
        return RetryingProvider(self._inner(name, model), backoff, sleep=self._sleep, source=self._source)

    def _inner(self, name: str, model: ModelConfig) -> Provider:
        if model.provider == "scripted":
            from vespiary.providers.scripted import ScriptedProvider

            return ScriptedProvider.from_file(Path(model.script or ""), sleep=self._sleep)
        from vespiary.providers.openai import Endpoint, OpenAIProvider, Sampling

        return OpenAIProvider(
            Endpoint(
                base_url=model.base_url or OPENAI_URL,
                model=model.model,
                api_key=self._key(name, model),
                timeout_s=model.timeout_s,
                max_concurrency=model.max_concurrency,
                reasoning_field=model.reasoning_field,
            ),
            Sampling(model.temperature, model.top_p, model.max_tokens),
        )

    def _key(self, name: str, model: ModelConfig) -> str | None:
        variable = model.api_key_env or (OPENAI_KEY if model.base_url is None else None)
        if variable is None:
            return None
        key = self._environment.get(variable, "").strip()
        if not key:
            raise ConfigError(
                f"The model {name!r} needs a key, and the environment variable {variable} is not set.",
                hint="Set it where Vespiary is started; with an editor, that is the environment of the editor.",
                code="config.no-key",
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(
                f"The environment variable {variable}, for the model {name!r}, holds something that cannot be a key.",
                hint="A key has no blanks and no characters beside ASCII.",
                code="config.no-key",
            )
        return key
