"""What `vespiary.toml` may hold, as typed values. Knows the meaning and bounds of each key; does no IO.

Values that need another table or the place of a file to be judged are judged in `checks`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from vespiary.config.defaults import CODER_PROMPT, DEFAULT_ACTORS, DEFAULT_AGENT, NO_MODEL_HINT
from vespiary.config.errors import ConfigError
from vespiary.config.nearest import did_you_mean
from vespiary.config.running import JournalConfig, WorkersConfig
from vespiary.config.spending import BudgetConfig, PriceConfig
from vespiary.config.table import Table
from vespiary.model.agents import AgentInfo
from vespiary.model.errors import UsageError
from vespiary.model.grants import Grant, Grants

_Names = Annotated[tuple[str, ...], Field(strict=False)]
_Answer = Annotated[Grant, Field(strict=False)]


class ModelConfig(Table):
    """`[models.NAME]`: a model behind a provider."""

    provider: Literal["openai", "scripted"]
    """`openai` is every endpoint that speaks the OpenAI chat format; `scripted` plays a file of replies."""
    model: str = ""
    """The model's name at the provider. Needed for `openai`."""
    base_url: str | None = None
    """Where the API lives, for example `http://localhost:11434/v1`. Without it, OpenAI's own."""
    api_key_env: str | None = None
    """The environment variable that holds the key. Without it: `OPENAI_API_KEY` for OpenAI's own endpoint, and no key elsewhere."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=10_000_000)
    """Most tokens of one reply, thinking included."""
    reasoning_field: Literal["reasoning_content", "reasoning"] | None = None
    """The field in which the endpoint wants the model's earlier thinking back. Most want it nowhere."""
    timeout_s: float = Field(default=120.0, gt=0, le=3600)
    """Longest silence of the endpoint, in seconds; a reply that keeps coming may take longer."""
    attempts: int = Field(default=5, ge=1, le=20)
    """How often a call is tried when the endpoint is busy, failing or lost."""
    max_concurrency: int = Field(default=64, ge=1, le=2000)
    """Most calls under way at once; further ones wait."""
    script: str | None = None
    """The file of replies of a `scripted` model, relative to the file that names it. Absolute once loaded."""
    price: PriceConfig | None = None
    """What it costs, where the known prices are wrong or there is none."""


class GrantsConfig(Table):
    """`[agents.NAME.grants]`: what the agent may do."""

    read: _Answer = Grant.ALLOW
    write: _Answer = Grant.ALLOW
    command: _Answer = Grant.DENY
    http: _Answer = Grant.DENY
    agents: _Answer = Grant.DENY
    hosts: _Names = ()
    """Exact hosts that `http` may reach: `example.org`, `127.0.0.1:8080`."""

    def value(self) -> Grants:
        """The same as the value that capabilities read."""
        return Grants(self.read, self.write, self.command, self.http, self.agents, self.hosts)


class AgentConfig(Table):
    """`[agents.NAME]`: a group of actors with a model, a prompt and grants. Everything has a default."""

    description: str = ""
    model: str | None = None
    """A name under `models`. Without it: the model called `default`, or the only one that there is."""
    models: _Names = ()
    """Further models that its actors may name."""
    prompt: str = CODER_PROMPT
    actors: _Names = Field(default=DEFAULT_ACTORS, min_length=1)
    """Names of built-in actors, or paths of `.py` and `.wasm` files, relative to the workspace."""
    grants: GrantsConfig = GrantsConfig()
    max_rounds: int = Field(default=50, ge=1, le=1000)
    """Most model calls of one task."""
    budget: BudgetConfig = BudgetConfig()
    """What the agent may use of models in a run, all its instances together."""


class FileConfig(Table):
    """One file as it was written."""

    default_agent: str | None = None
    models: dict[str, ModelConfig] = Field(default_factory=dict)
    agents: dict[str, AgentConfig] = Field(default_factory=dict)
    budget: BudgetConfig | None = None
    journal: JournalConfig | None = None
    workers: WorkersConfig | None = None


class Config(BaseModel):
    """The configuration of a workspace: the defaults, the user's file and the workspace's file together."""

    model_config = ConfigDict(frozen=True)

    root: Path
    models: dict[str, ModelConfig]
    agents: dict[str, AgentConfig]
    default_agent: str = DEFAULT_AGENT
    budget: BudgetConfig = BudgetConfig()
    """What all agents of a run together may use of models."""
    journal: JournalConfig = JournalConfig()
    workers: WorkersConfig = WorkersConfig()
    workspace_file: bytes | None = Field(default=None, repr=False)
    """The workspace's own file as it was judged. Trust this, and not what the file may have become since."""
    trust_needed: tuple[str, ...] = ()
    """What in the workspace's file takes effect only because the workspace is trusted."""

    def agent(self, name: str | None = None) -> tuple[str, AgentConfig]:
        """An agent by name; none means the default. Raises `UsageError` for a name that there is not."""
        wanted = name or self.default_agent
        found = self.agents.get(wanted)
        if found is None:
            hint = did_you_mean(wanted, self.agents) or f"There is: {', '.join(sorted(self.agents))}."
            raise UsageError(f"There is no agent called {wanted!r}.", hint=hint, code="agent.unknown")
        return wanted, found

    def model_of(self, agent: str) -> str:
        """The name of the model that the agent uses. Raises `ConfigError` (`config.no-model`) that says what to configure."""
        _, found = self.agent(agent)
        if found.model is not None:
            return found.model
        if "default" in self.models:
            return "default"
        if len(self.models) == 1:
            return next(iter(self.models))
        if self.models:
            raise ConfigError(
                f"The agent {agent!r} names no model, and there are several: {', '.join(sorted(self.models))}.",
                hint=f'Write `model = "NAME"` under [agents.{agent}], or call one of the models `default`.',
                code="config.no-model",
            )
        raise ConfigError("No model is configured.", hint=NO_MODEL_HINT, code="config.no-model")

    def infos(self) -> tuple[AgentInfo, ...]:
        """The agents as a front lists them, the default one first. `model` is empty where none is configured yet."""
        ordered = sorted(self.agents, key=lambda name: (name != self.default_agent, name))
        return tuple(
            AgentInfo(
                name=name,
                description=self.agents[name].description,
                model=self._model_or_none(name),
                actors=self.agents[name].actors,
                default=name == self.default_agent,
            )
            for name in ordered
        )

    def _model_or_none(self, agent: str) -> str:
        try:
            return self.model_of(agent)
        except ConfigError:
            return ""
