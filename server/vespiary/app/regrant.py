"""What an interrupted run may do when it goes on: what it was granted when it began, and is granted today.

A person may have taken power back in between. Knows configurations. Does not know runs.
"""

from typing import TYPE_CHECKING

from vespiary.app.steward import narrowed
from vespiary.model.grants import Grant, Grants

if TYPE_CHECKING:
    from vespiary.config import AgentConfig, Config

_NONE = Grants(Grant.DENY, Grant.DENY, Grant.DENY, Grant.DENY, Grant.DENY)


def regranted(begun: "Config", today: "Config") -> "Config":
    """The configuration that a run began with, with no agent having more than today's gives it."""
    agents = {name: _narrowed(agent, today.agents.get(name)) for name, agent in begun.agents.items()}
    return begun.model_copy(update={"agents": agents})


def _narrowed(agent: "AgentConfig", today: "AgentConfig | None") -> "AgentConfig":
    from vespiary.config import GrantsConfig

    both = narrowed(agent.grants.value(), _NONE if today is None else today.grants.value())
    grants = GrantsConfig(
        read=both.read, write=both.write, command=both.command, http=both.http, agents=both.agents, hosts=both.hosts
    )
    return agent.model_copy(update={"grants": grants})
