"""More messages for one actor than it can take."""

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from ledger import requirement
from support.colonies import RUN, agent
from support.guests import Scripted, hears
from support.kept import kept
from vespiary.model.messages import Envelope, Extent

pytestmark = pytest.mark.anyio

MESSAGES = int(os.environ.get("VESPIARY_FLOOD", "20000"))
"""100,000 take a minute."""
AT_ONCE = 500
FILL = "x" * 180


class Flood(Scripted):
    """Sends them all, in steps of `AT_ONCE`."""

    listens = (hears("flood", Extent.OWN),)

    def handle(self, envelope: Envelope) -> None:
        first = json.loads(envelope.payload)
        for number in range(first, first + AT_ONCE):
            self.send("drop", [number, FILL])
        if first + AT_ONCE < MESSAGES:
            self.send("flood", first + AT_ONCE)


class Slow(Scripted):
    """Takes none until it is told to; then it takes them in order, and says how far it is."""

    listens = (hears("drop", Extent.OWN),)
    seen = 0

    def handle(self, envelope: Envelope) -> None:
        number, _ = json.loads(envelope.payload)
        if number != self.seen:
            self.send("wrong", [self.seen, number])
        self.seen += 1
        if self.seen % 1000 == 0:
            self.send("taken", self.seen)


class Quick(Scripted):
    """Somebody else of the same run."""

    listens = (hears("ping", Extent.OWN),)

    def handle(self, envelope: Envelope) -> None:
        self.send("pong", json.loads(envelope.payload))


@requirement("crash:backpressure")
@pytest.mark.timeout(600)
async def test_a_flood_for_a_slow_actor_is_kept_in_order_in_bounded_memory_while_others_are_served(
    tmp_path: Path,
) -> None:
    async with kept(tmp_path, Flood, Slow, Quick, inline=True) as stage:
        ear = stage.ear
        ear.messages = _Few()  # it would keep them all
        scope = await stage.colony.spawn(agent(Flood, Slow, Quick), run=RUN)
        slow = stage.colony._population.actors[f"{scope}/slow"]  # pyright: ignore[reportArgumentType]
        slow.busy = True  # a step that does not end
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        stage.colony.send(scope, "flood", "0")
        await until(lambda: len(slow.mailbox) == MESSAGES)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert slow.mailbox.spilled >= MESSAGES - 1024
        assert after - before < 16 << 20, f"{(after - before) >> 20} MiB for {MESSAGES} messages that wait"
        stage.colony.send(scope, "ping", "7")
        await ear.until(lambda: ear.said("pong") == [7])
    # The run was cut off with all of them waiting. It goes on elsewhere, is cut off in the middle, and once more goes on.
    await _taken(tmp_path, MESSAGES // 2)
    assert await _taken(tmp_path, MESSAGES) == MESSAGES


async def _taken(root: Path, count: int) -> int:
    """Let the run go on until the slow actor took so many; gives how many it took."""
    async with kept(root, Flood, Slow, Quick, inline=True) as stage:
        ear = stage.ear
        ear.messages = _Few()
        await ear.until(lambda: bool(ear.said("taken")) and ear.said("taken")[-1] >= count, seconds=300)
        assert ear.said("wrong") == []
        return ear.said("taken")[-1]


class _Few(list):  # pyright: ignore[reportMissingTypeArgument]
    """A list that keeps only what a test asks for."""

    def append(self, item: tuple[object, object, Envelope]) -> None:
        if item[2].type not in ("drop", "flood"):
            super().append(item)  # pyright: ignore[reportUnknownMemberType]


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(300):
        while not holds():  # noqa: ASYNC110 - a mailbox does not tell when it is full
            await anyio.sleep(0.01)
