"""An actor that tells the agent above how it gets on. It counts, so that a message lost or sent twice shows."""

from typing import Any

from vespiary_sdk import Actor, agents, messaging, tool


class Voice(Actor):
    """The tool `report`."""

    count = 0

    @tool
    async def report(self, text: str) -> str:
        """Tell the agent above something.

        Args:
            text: What to tell.
        """
        self.count += 1
        messaging.send("crash.report", {"text": f"{self.count} {text}"}, to=agents.parent())
        return f"Told {self.count}."

    def snapshot(self) -> Any:
        """The count."""
        return self.count

    def restore(self, state: Any) -> None:
        """The count again."""
        self.count = state
