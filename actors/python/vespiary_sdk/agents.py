"""Other agents of the same run."""

from dataclasses import dataclass

from vespiary_sdk._runtime import current, request


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that was started: its scope, to send messages to, and its name in the configuration."""

    scope: str
    name: str


def parent() -> str | None:
    """The scope above the actor's own; none for the agent that the run was given to."""
    return current().port.parent()


async def spawn(agent: str, prompt: str | None = None) -> Agent:
    """Start the agent that the configuration calls `agent`, as a child, and wait until it is ready; then give it the prompt.

    What it answers comes as messages of its scope. Raises `CapabilityError` for an unknown agent, without the grant, and beyond
    the limits.
    """
    answer = await request("agents", op="spawn", agent=agent, prompt=prompt)
    return Agent(answer["scope"], answer.get("name", agent))


async def stop(scope: str) -> None:
    """End a descendant and its children. Raises `CapabilityError` for a scope that is none."""
    await request("agents", op="stop", scope=scope)
