"""A run whose course is drawn at random, and whose end does not depend on the order in which things happen.

Actors count what they hear and are answered, so that a run that was stopped and resumed can be compared with one that was not.
"""

import json
import random
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import ormsgpack
from anyio.lowlevel import checkpoint
from support.colonies import RUN, Ear, InlineShard, StepClock
from support.guests import Dies, HandlerFailed, Scripted, ScriptedGuests
from vespiary.model.agents import AgentSpec
from vespiary.model.ids import RunId, Scope
from vespiary.model.messages import Envelope
from vespiary.model.steps import ActorSpec, Answer, Caller, TakeSnapshot
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.colony import Colony
from vespiary.runtime.journal import Entry, Group
from vespiary.runtime.outline import ActorOutline, AgentOutline, Outline

BOUNDS = Bounds(snapshot_every=4, mailbox_envelopes=3, batch=4)
ONE_AT_A_TIME = Bounds(snapshot_every=4, batch=1, batches_in_flight=1)
ROOMY = Bounds(snapshot_every=4, batch=4)
"""Here and above nothing is spilled. What is, depends on whether a message that is being handled has left its mailbox already."""

Op = tuple[str, str, int]
"""What the host does: an order, the actor that it is for, a number."""


class Counting(Scripted):
    """Does what it is told, and remembers how often."""

    listens = ("t.do", "t.echo", "t.up")

    def construct(self) -> None:
        self.seen: dict[str, int] = {}
        self.never: list[int] = []
        self.spawns: dict[int, bool] = {}
        self.log("made")

    def handle(self, envelope: Envelope) -> None:
        said: Any = json.loads(envelope.payload)
        if envelope.type != "t.do":
            self._count(envelope.type, said)
            return
        if said["who"] != self.id.partition("/")[2]:
            return
        number: int = said["number"]
        match said["what"]:
            case "poison":
                self.log("about to die")
                raise Dies
            case "fail":
                self._count("fail", number)
                self.send("t.echo", number)
                raise HandlerFailed("as it was told")
            case "ask" | "ask-poison":
                self.request("slow", {"number": number, "poison": said["what"] == "ask-poison"})
            case "never":
                self.never.append(self.request("never", number))
            case "cancel":
                if self.never:
                    self.cancel(self.never.pop(0))
            case "spawn" | "spawn-stop":
                self.spawns[self.request("spawn", number)] = said["what"] == "spawn-stop"
            case "flood":
                for _ in range(6):
                    self.send("t.echo", number)
            case _:
                self._count("work", number)
                self.send("t.echo", number)

    def reply(self, answer: Answer) -> None:
        said: Any = json.loads(answer.payload)
        if not answer.ok:
            self._count("refused", 1)
            return
        if answer.request in self.spawns:
            stops = self.spawns.pop(answer.request)
            self._count("spawned", 1)
            if stops:
                self.request("stop", said)
            else:
                self.send("t.do", {"who": "child", "what": "work", "number": 7}, Scope(said))
            return
        if said != 1 and said["poison"]:
            raise Dies("it was poisoned by an answer")
        self._count("answered", 1)

    def snapshot(self) -> str | None:
        spawns = sorted(self.spawns.items())
        return json.dumps([self.seen, self.never, spawns, self._fresh, self._requests, self._message], sort_keys=True)

    def restore(self, state: str) -> None:
        self.seen, self.never, spawns, self._fresh, self._requests, self._message = json.loads(state)
        self.spawns = dict(spawns)

    def _count(self, what: str, number: int) -> None:
        self.seen[what] = self.seen.get(what, 0) + number


ROOT = AgentSpec("root", (ActorSpec("one", "Counting", "{}"), ActorSpec("two", "Counting", "{}")))
CHILD = AgentSpec("child", (ActorSpec("child", "Counting", "{}"),))


class KeptJournal:
    """Keeps entries as the real one gives them back: as lists."""

    keeps = True

    def __init__(self, entries: Sequence[Any] = ()) -> None:
        self.all: list[Any] = list(entries)

    def commit(self, groups: Sequence[Group]) -> None:
        for _, first, entries in groups:
            assert first == len(self.all) + 1
            self.all += ormsgpack.unpackb(ormsgpack.packb(list(entries)))

    def entries(self, run: RunId) -> Iterator[tuple[int, Any]]:
        yield from enumerate(self.all, 1)

    async def read(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        return self.read_now(run, numbers)

    def read_now(self, run: RunId, numbers: Sequence[int]) -> list[Entry]:
        return [self.all[number - 1] for number in numbers]

    def cut(self, run: RunId, before: int) -> None: ...


class Fate:
    """A colony with one run of it, driven by orders."""

    def __init__(self, journal: KeptJournal, seed: int, bounds: Bounds = BOUNDS) -> None:
        self.journal = journal
        self.ear = Ear()
        self.outlines: dict[int, tuple[AgentOutline, ...]] = {}
        """How the run stood after an entry, at moments at which no step was under way."""
        self._waiting: list[anyio.Event] = []
        self._seed = seed
        self._bounds = bounds
        self.colony: Colony
        self.root: Scope

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        capabilities = {"slow": _Able(self._slow), "never": _Able(_never), "spawn": _Able(self._spawn)}
        async with AsyncExitStack() as stack:
            colony = Colony(
                shards=[InlineShard(ScriptedGuests({"Counting": Counting}))],
                capabilities={**capabilities, "stop": _Able(self._stop)},
                observer=self.ear,
                clock=StepClock(),
                source=random.Random(self._seed),
                journal=self.journal,
                bounds=self._bounds,
            )
            self.colony = await stack.enter_async_context(colony)
            self._watch()
            yield

    async def begin(self) -> None:
        """Make the run, or make it again from what the journal has, and set it going."""
        if not self.journal.all:
            self.root = await self.colony.spawn(ROOT, run=RUN)
            return
        (self.root,) = await self.colony.recover(RUN, list(self.journal.entries(RUN)), lambda kind, data: None)
        self.colony.resume(RUN)
        await self.colony.ready(self.root, "root")

    async def order(self, ops: Sequence[Op]) -> None:
        """Carry out orders, some after a few turns of the loop; then let everything come to its end."""
        for what, who, number in ops:
            if what == "turns":
                for _ in range(number):
                    await checkpoint()
            elif what == "answer":
                if self._waiting:
                    self._waiting.pop(number % len(self._waiting)).set()
            else:
                self.colony.send(self.root, "t.do", json.dumps({"who": who, "what": what, "number": number}))
        await self._rest()

    async def state(self) -> Any:
        """What all actors that live remember, by their agents' names; and what they still wait for."""
        outline = self.colony.outline(RUN)
        assert outline is not None
        states = [(agent.name, await self.colony.snapshots(agent.scope)) for agent in outline.agents]
        waits = [
            (agent.name, actor.actor.partition("/")[2], [request.capability for request in actor.requests])
            for agent in outline.agents
            for actor in agent.actors
        ]
        seen = [
            (name, [(actor, sorted(json.loads(found[actor])[0].items())) for actor in sorted(found)])
            for name, found in states
        ]
        return sorted(map(str, seen)), sorted(map(str, waits))

    async def _rest(self) -> None:
        """Until nothing happens any more, with every answer given."""
        with anyio.fail_after(30):
            calm = 0
            while calm < 5:
                while self._waiting:
                    self._waiting.pop().set()
                await checkpoint()
                calm = calm + 1 if self._still() else 0

    def _still(self) -> bool:
        run = self.colony._population.runs[RUN]
        outline = self.colony.outline(RUN)
        assert outline is not None
        open_ = [each for agent in outline.agents for actor in agent.actors for each in actor.requests]
        idle = all(not cell.busy and cell.idle() for scope in run.scopes.values() for cell in scope.actors)
        return idle and not run.pending and all(each.capability == "never" for each in open_)

    def _watch(self) -> None:
        """Look at the run after each entry, when no step of it is under way."""
        sequencer = self.colony._sequencer
        one = sequencer._one

        async def watched(ticket: Any) -> None:
            await one(ticket)
            run = self.colony._population.runs.get(RUN)
            if (
                run is not None
                and ticket.numbers
                and not any(cell.busy for cell in self.colony._population.actors.values())
            ):
                outline = self.colony.outline(RUN)
                assert outline is not None
                self.outlines[ticket.numbers[-1]] = settled(outline)

        sequencer._one = watched

    async def _slow(self, caller: Caller, payload: str) -> str:
        event = anyio.Event()
        self._waiting.append(event)
        await event.wait()
        return payload

    async def _spawn(self, caller: Caller, payload: str) -> str:
        scope = await self.colony.spawn(
            CHILD, run=caller.run, parent=caller.scope, cause=(caller.actor, caller.request)
        )
        return json.dumps(scope)

    async def _stop(self, caller: Caller, payload: str) -> str:
        await self.colony.stop(Scope(json.loads(payload)), "it was told to")
        return "1"


def settled(outline: Outline | None) -> tuple[AgentOutline, ...]:
    """The agents of a run, as far as its log says them: without wishes for a snapshot, and agents that were only admitted."""
    agents = outline.agents if outline is not None else ()
    begun = [agent for agent in agents if any(actor.step or actor.urgent for actor in agent.actors)]
    return tuple(replace(agent, actors=tuple(map(_unasked, agent.actors))) for agent in begun)


def _unasked(actor: ActorOutline) -> ActorOutline:
    return replace(actor, urgent=tuple(body for body in actor.urgent if not isinstance(body, TakeSnapshot)))


async def _never(caller: Caller, payload: str) -> str:
    await anyio.sleep_forever()
    return ""


class _Able:
    """A capability that may be carried out again."""

    def __init__(self, call: Any) -> None:
        self._call = call

    async def __call__(self, caller: Caller, payload: str) -> str:
        return await self._call(caller, payload)

    def repeatable(self, payload: str) -> bool:
        return True


__all__ = ["BOUNDS", "ONE_AT_A_TIME", "ROOMY", "Counting", "Fate", "KeptJournal", "Op", "settled"]
