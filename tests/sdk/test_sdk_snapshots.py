"""An actor's state: told whole or not at all."""

import asyncio
from typing import Any

import pytest
from ledger import requirement
from vespiary_sdk import Actor, ActorError, Message, log, on, sleep
from vespiary_sdk.testing import FakeHost


class Counter(Actor):
    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.count = int(config.get("start", 0))

    @on("add")
    async def add(self, message: Message) -> None:
        await sleep(message.payload)
        self.count += 1

    def snapshot(self) -> Any:
        return {"count": self.count}

    def restore(self, state: Any) -> None:
        self.count = state["count"]


@requirement("sdk:snapshot")
def test_state_is_saved_and_taken_back() -> None:
    host = FakeHost(Counter, {"start": 2})
    host.send("add", 0)
    assert host.snapshot() == '{"count":3}'
    other = FakeHost(Counter)
    other.restore(host.snapshot() or "")
    assert other.actor.count == 3


@requirement("sdk:snapshot")
def test_there_is_no_state_while_a_handler_waits() -> None:
    host = FakeHost(Counter)
    host.send("add", 1)
    assert host.snapshot() is None
    host.advance(1)
    assert host.snapshot() == '{"count":1}'


@requirement("sdk:snapshot")
def test_an_actor_that_does_not_tell_its_state_has_no_snapshot() -> None:
    class Silent(Actor):
        pass

    host = FakeHost(Silent)
    assert host.snapshot() is None
    assert host.log == []


@requirement("sdk:snapshot")
def test_an_actor_that_keeps_nothing_says_so() -> None:
    class Empty(Actor):
        def snapshot(self) -> None:
            """Nothing."""

    state = FakeHost(Empty).snapshot()
    assert state == "null"
    FakeHost(Empty).restore(state)


@requirement("sdk:snapshot")
def test_a_state_that_could_not_be_taken_back_is_none_and_a_log_line() -> None:
    class Half(Actor):
        def snapshot(self) -> Any:
            return {"count": 1}

    host = FakeHost(Half)
    assert host.snapshot() is None
    assert "Half has `snapshot` without `restore`" in host.log[0].text


class Background(Actor):
    """A task of the constructor, which the next constructor starts too, and one of a handler, which nobody would."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.go = asyncio.Event()
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            log.info(await self.queue.get())

    @on("later")
    def later(self, message: Message) -> None:
        self.waiting = asyncio.create_task(self.go.wait())

    @on("now")
    def now(self, message: Message) -> None:
        self.queue.put_nowait("read")
        self.go.set()

    def snapshot(self) -> None:
        """Nothing."""


@requirement("sdk:snapshot")
def test_a_task_that_nobody_would_start_again_is_waited_for() -> None:
    host = FakeHost(Background)
    assert host.snapshot() == "null"
    host.send("later")
    assert host.snapshot() is None
    host.send("now")
    assert host.snapshot() == "null"
    assert [line.text for line in host.log] == ["read"]


@requirement("sdk:snapshot")
def test_a_state_that_does_not_fit_is_refused_with_a_reason() -> None:
    with pytest.raises(ActorError, match="KeyError"):
        FakeHost(Counter).restore("{}")


def test_a_snapshot_without_a_json_form_is_none_and_a_log_line() -> None:
    class Bad(Actor):
        def snapshot(self) -> Any:
            return {1, 2}

    host = FakeHost(Bad)
    assert host.snapshot() is None
    assert "set has no JSON form" in host.log[0].text
