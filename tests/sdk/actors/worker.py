"""Waits, asks and counts."""

import asyncio
from typing import Any

from vespiary_sdk import Actor, CapabilityError, Message, messaging, on, workspace


class Worker(Actor):
    count = 0

    @on("race")
    async def race(self, message: Message) -> None:
        try:
            async with asyncio.timeout(2):
                file = await workspace.read("a")
        except TimeoutError:
            messaging.send("late")
        except CapabilityError as error:
            messaging.send("refused", [error.code, error.message])
        else:
            messaging.send("won", file.text)

    @on("forbidden")
    def forbidden(self, message: Message) -> None:
        try:
            messaging.send("vespiary.agent.ready")
        except CapabilityError as error:
            messaging.send("refused", [error.code, error.message])

    @on("count")
    def counts(self, message: Message) -> None:
        self.count += 1
        messaging.send("counted", self.count)

    def snapshot(self) -> Any:
        return {"count": self.count}

    def restore(self, state: Any) -> None:
        self.count = state["count"]
