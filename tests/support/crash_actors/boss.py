"""An actor that has other agents do a part of the work: spawned by a tool call, waited for, ended."""

import asyncio
from typing import Any

from vespiary_sdk import Actor, Message, agents, context, on, tool


class Boss(Actor):
    """The tool `delegate`."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._ends: dict[str, asyncio.Future[str]] = {}
        self._reports: dict[str, list[str]] = {}

    @tool
    async def delegate(self, agent: str, prompt: str) -> str:
        """Let another agent do something, and give what it answers.

        Args:
            agent: Its name.
            prompt: What it is to do.
        """
        child = await agents.spawn(agent, prompt)
        text = await self._end(child.scope)
        await agents.stop(child.scope)
        return f"{text} Reports: {', '.join(self._reports.pop(child.scope, ['none']))}."

    @on("vespiary.agent.done", extent="subtree")
    def done(self, message: Message) -> None:
        """An agent below has answered. That may be heard before it is known that it was made."""
        end = self._end(message.scope)
        if message.scope != context.scope() and not end.done():
            end.set_result(message.payload["text"])

    @on("crash.report")
    def reported(self, message: Message) -> None:
        """An agent below tells how it gets on."""
        self._reports.setdefault(message.scope, []).append(message.payload["text"])

    def _end(self, scope: str) -> asyncio.Future[str]:
        return self._ends.setdefault(scope, asyncio.get_running_loop().create_future())
