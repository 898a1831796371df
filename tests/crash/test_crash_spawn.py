"""Agents whose making is interrupted."""

import json
from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.colonies import RUN, Stage, agent
from support.guests import Dies, Scripted, hears
from support.kept import Making, entries, kept, plant
from vespiary.model.messages import Envelope, Extent
from vespiary.model.steps import Answer, FailureKind

pytestmark = pytest.mark.anyio


class Parent(Scripted):
    """Has a child made, and says what came of it."""

    listens = ("go",)

    def handle(self, envelope: Envelope) -> None:
        self.request("make")

    def reply(self, answer: Answer) -> None:
        self.send("made", [answer.ok, json.loads(answer.payload)])


class Child(Scripted):
    """Never ready, the first time."""

    listens = ("hello",)
    hindered = False

    def construct(self) -> None:
        if Child.hindered:
            self.loop_for_ever()

    def handle(self, envelope: Envelope) -> None:
        self.send("heard", 1)


class Broken(Scripted):
    """Cannot be made."""

    def construct(self) -> None:
        raise Dies("no hands", FailureKind.CONSTRUCT)


class Listener(Parent):
    """A parent that hears its child."""

    listens = ("go", hears("heard", Extent.SUBTREE))

    def handle(self, envelope: Envelope) -> None:
        if envelope.type == "go":
            super().handle(envelope)


@requirement("crash:spawn")
async def test_a_child_that_was_being_made_when_the_server_stopped_is_made_when_its_run_is_resumed(
    tmp_path: Path,
) -> None:
    hands: list[Stage] = []
    making = Making(lambda: hands[-1], agent(Child, name="child"))
    Child.hindered = True
    async with kept(tmp_path, Listener, Child, capabilities={"make": making}) as stage:
        hands.append(stage)
        root = await stage.colony.spawn(agent(Listener), run=RUN)
        stage.colony.send(root, "go", "1")
        await stage.looping()
    Child.hindered = False
    assert [entry[0] for entry in entries(tmp_path)].count("end") == 0
    async with kept(tmp_path, Listener, Child, capabilities={"make": making}) as stage:
        hands.append(stage)
        await stage.ear.until(lambda: bool(stage.ear.said("made")))
        ((ok, scope),) = stage.ear.said("made")
        assert ok
        stage.colony.send(scope, "hello", "1")
        await stage.ear.until(lambda: bool(stage.ear.said("heard")))
    assert [caller.again for caller in making.callers] == [False, True]


@requirement("crash:spawn")
async def test_a_child_that_could_not_be_made_has_not_been_made_after_a_crash_either(tmp_path: Path) -> None:
    hands: list[Stage] = []
    making = Making(lambda: hands[-1], agent(Broken, name="child"))
    told: list[Any] = []
    async with kept(tmp_path, Parent, Broken, capabilities={"make": making}) as stage:
        hands.append(stage)
        root = await stage.colony.spawn(agent(Parent), run=RUN)
        stage.colony.send(root, "go", "1")
        await stage.ear.until(lambda: bool(stage.ear.said("made")))
        told += stage.ear.said("made")
    whole = entries(tmp_path)
    until = next(number for number, entry in enumerate(whole) if entry[0] == "answer")
    # As after a crash that came before the answer was kept.
    await plant(tmp_path / "again", whole[:until])
    async with kept(tmp_path / "again", Parent, Broken, capabilities={"make": making}) as stage:
        hands.append(stage)
        await stage.ear.until(lambda: bool(stage.ear.said("made")))
        told += stage.ear.said("made")
    assert told[0] == told[1]
    assert not told[0][0]
    assert "no hands" in told[0][1]["message"]
