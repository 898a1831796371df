"""An agent as it is to be made: a name and its actors. Values only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Many classes: the language server's first answer needs none of them.
    from vespiary.model.steps import ActorSpec


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """The actors that will share a scope. Their names are unique within the agent."""

    name: str
    actors: "tuple[ActorSpec, ...]"


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """An agent that the configuration offers."""

    name: str
    description: str
    model: str
    actors: tuple[str, ...]
    default: bool = False
