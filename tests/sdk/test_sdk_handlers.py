"""Messages, asyncio, failures and state, natively with the fake host."""

import asyncio
import json
import sys
from typing import Any

import pytest
from ledger import requirement
from vespiary_sdk import Actor, ActorError, CapabilityError, Message, context, llm, log, messaging, on, sleep
from vespiary_sdk.testing import FakeHost, HandlerFailed, Line, Sent, completion


@requirement("sdk:messages", "sdk:native-tests")
def test_handlers_hear_what_they_asked_for() -> None:
    class Ears(Actor):
        @on("a.b")
        def exact(self, message: Message) -> None:
            messaging.send("heard.exact", message.payload)

        @on("a.*")
        async def below(self, message: Message) -> None:
            messaging.send("heard.below", {"type": message.type, "sender": message.sender})

        @on("*", extent="everywhere")
        def everything(self, message: Message) -> None:
            messaging.send("heard.all", None, to="zzz999")

    host = FakeHost(Ears)
    assert host.subscriptions == [("a.b", "own"), ("a.*", "own"), ("*", "everywhere")]
    types = [message.type for message in host.send("a.b", {"n": 1})]
    assert types == ["heard.exact", "heard.below", "heard.all"]
    assert host.send("b") == [Sent("heard.all", None, "zzz999")]
    assert [message.type for message in host.send("a.b", scope="other1")] == ["heard.all"]
    assert len(host.send("a.b", scope="000000")) == 3  # the host, about this scope or another: it does not say


@requirement("sdk:messages")
def test_a_message_sent_from_another_scope_to_this_one_is_the_own_scopes() -> None:
    class Child(Actor):
        @on("vespiary.agent.message")
        def heard(self, message: Message) -> None:
            messaging.send("got.it", message.scope)

    assert FakeHost(Child).send("vespiary.agent.message", {}, scope="parent") == [Sent("got.it", "parent")]


def test_a_handler_marked_twice_is_called_once_per_message() -> None:
    class Both(Actor):
        @on("x.y")
        @on("x.*")
        def heard(self, message: Message) -> None:
            messaging.send("once")

    assert len(FakeHost(Both).send("x.y")) == 1


class Waiter(Actor):
    @on("gather")
    async def gather(self, message: Message) -> None:
        first, second = await asyncio.gather(llm.complete([]), llm.complete([]))
        messaging.send("done", first.text + second.text)

    @on("group")
    async def group(self, message: Message) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(llm.complete([])) for _ in range(2)]
        messaging.send("done", [task.result().text for task in tasks])

    @on("timeout")
    async def timeout(self, message: Message) -> None:
        try:
            async with asyncio.timeout(2):
                await llm.complete([])
        except TimeoutError:
            messaging.send("late")

    @on("sleep")
    async def sleeps(self, message: Message) -> None:
        before = asyncio.get_running_loop().time()
        await sleep(message.payload)
        messaging.send("woke", asyncio.get_running_loop().time() - before)

    @on("queue")
    async def queue(self, message: Message) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def produce() -> None:
            for number in range(3):
                await sleep(0)
                queue.put_nowait(number)

        async with asyncio.timeout(5):
            producer = asyncio.create_task(produce())
            got = [await queue.get() for _ in range(3)]
            await producer
        messaging.send("got", got)

    @on("stray")
    async def stray(self, message: Message) -> None:
        async def fail() -> None:
            raise KeyError("stray")

        await asyncio.wait([asyncio.create_task(fail())])

    @on("exit")
    async def exits(self, message: Message) -> None:
        async def leave() -> None:
            sys.exit(3)

        await asyncio.create_task(leave())

    @on("refused")
    async def refused(self, message: Message) -> None:
        try:
            await llm.complete([])
        except CapabilityError as error:
            messaging.send("refused", [error.code, error.message, error.hint, str(error)])


@requirement("sdk:asyncio")
@pytest.mark.parametrize("how", ["gather", "group"])
def test_requests_run_side_by_side_and_are_answered_in_any_order(how: str) -> None:
    host = FakeHost(Waiter)
    host.send(how)
    first, second = host.requests
    assert host.answer(second, completion("b")) == []
    (done,) = host.answer(first, completion("a"))
    assert "".join(done.payload) == "ab"


@requirement("sdk:asyncio")
def test_several_handlers_wait_at_once() -> None:
    host = FakeHost(Waiter)
    host.send("gather")
    host.send("group")
    for request in reversed(host.requests.copy()):
        host.answer(request, completion(str(request.id)))
    assert [message.type for message in host.sent] == ["done", "done"]


@requirement("sdk:asyncio")
def test_a_timeout_cancels_the_request() -> None:
    host = FakeHost(Waiter)
    host.send("timeout")
    host.advance(1.9)
    assert host.sent == []
    host.advance(0.2)
    assert host.sent == [Sent("late", None)]
    assert [request.capability for request in host.cancelled] == ["llm"]
    assert host.requests == []


@requirement("sdk:asyncio")
def test_an_answer_in_time_cancels_the_timer() -> None:
    host = FakeHost(Waiter)
    host.send("timeout")
    host.answer(next(request for request in host.requests if request.capability == "llm"), completion())
    assert [request.capability for request in host.cancelled] == ["timer"]
    assert host.sent == []


@requirement("sdk:asyncio")
def test_sleep_takes_the_hosts_time() -> None:
    host = FakeHost(Waiter)
    host.send("sleep", 1.5)
    host.send("sleep", 0.5)
    host.advance(10)
    assert [round(message.payload, 3) for message in host.sent] == [0.5, 1.5]


@requirement("sdk:asyncio")
def test_queues_work() -> None:
    host = FakeHost(Waiter)
    assert host.send("queue")[-1] == Sent("got", [0, 1, 2])


@pytest.mark.anyio
@requirement("sdk:native-tests")
async def test_the_fake_host_works_inside_an_async_test() -> None:
    host = FakeHost(Waiter)
    host.send("timeout")
    assert asyncio.get_running_loop() is not host
    await asyncio.sleep(0)
    host.advance(3)
    assert host.sent == [Sent("late", None)]


@requirement("sdk:capabilities")
def test_a_refusal_is_an_exception_with_code_message_and_hint() -> None:
    host = FakeHost(Waiter)
    host.send("refused")
    assert host.refuse(host.requests[0], "llm.model", "There is no such model.", "Name another.") == [
        Sent(
            "refused",
            ["llm.model", "There is no such model.", "Name another.", "There is no such model. Name another."],
        )
    ]


@requirement("sdk:exit-is-a-failure")
def test_sys_exit_fails_the_handler_and_the_actor_lives() -> None:
    host = FakeHost(Waiter, collect_failures=True)
    host.send("exit")
    assert "SystemExit: 3" in host.failures[0]["error"]
    assert "An actor does not exit" in host.failures[0]["error"]
    host.send("queue")
    assert host.sent[-1].type == "got"


class Faulty(Actor):
    @on("deep")
    async def deep(self, message: Message) -> None:
        try:
            self.helper()
        except KeyError as error:
            raise ValueError("outer") from error

    def helper(self) -> None:
        raise KeyError("inner")

    @on("later")
    async def later(self, message: Message) -> None:
        await llm.complete([])

    @on("twice")
    def twice(self, message: Message) -> None:
        raise ValueError("first")

    @on("twice")
    def again(self, message: Message) -> None:
        raise ValueError("second")

    @on("nan")
    def nan(self, message: Message) -> None:
        messaging.send("x", float("nan"))

    @on("import")
    def imports(self, message: Message) -> None:
        import no_such_module  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]  # noqa: F401


@requirement("sdk:author-traceback")
def test_a_failure_shows_the_authors_lines_and_none_of_the_sdk() -> None:
    host = FakeHost(Faulty, collect_failures=True)
    host.send("deep", id="root:7")
    (failure,) = host.failures
    assert failure["message"] == "root:7"
    assert 'raise KeyError("inner")' in failure["error"]
    assert 'raise ValueError("outer") from error' in failure["error"]
    assert "direct cause" in failure["error"]
    assert "vespiary_sdk" not in failure["error"]


@requirement("sdk:author-traceback")
def test_an_answer_that_fails_an_earlier_handler_names_its_message() -> None:
    host = FakeHost(Faulty, collect_failures=True)
    host.send("later", id="root:1")
    host.send("other", id="root:2")
    host.refuse(host.requests[0], "x", "No model today.")
    (failure,) = host.failures
    assert failure["message"] == "root:1"
    assert "No model today." in failure["error"]
    assert "await llm.complete([])" in failure["error"]
    assert "vespiary_sdk/" not in failure["error"]


def test_each_failing_handler_of_a_step_is_told() -> None:
    host = FakeHost(Faulty, collect_failures=True)
    host.send("twice")
    assert ["first" in failure["error"] or "second" in failure["error"] for failure in host.failures] == [True, True]


def test_a_failing_handler_fails_an_authors_test() -> None:
    with pytest.raises(HandlerFailed, match="outer"):
        FakeHost(Faulty).send("deep")


def test_a_payload_without_a_json_form_is_an_error_where_it_is_sent() -> None:
    with pytest.raises(HandlerFailed, match=r"messaging\.send"):
        FakeHost(Faulty).send("nan")


def test_a_missing_module_comes_with_advice() -> None:
    with pytest.raises(HandlerFailed, match="only pure Python works"):
        FakeHost(Faulty).send("import")


@requirement("sdk:constructor-never-fails")
def test_an_actor_that_cannot_be_made_says_why() -> None:
    class Picky(Actor):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            raise ActorError("Set `model` in the actor's configuration.")

    class Broken(Actor):
        def __init__(self, config: dict[str, Any]) -> None:
            super().__init__(config)
            self.x = config["x"]

    with pytest.raises(ActorError, match="Set `model`"):
        FakeHost(Picky)
    with pytest.raises(ActorError, match=r'self\.x = config\["x"\]'):
        FakeHost(Broken)


def test_a_wrong_extent_is_told() -> None:
    class Wrong(Actor):
        @on("a", extent="world")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        def heard(self, message: Message) -> None: ...

    with pytest.raises(ActorError, match="own, subtree, everywhere"):
        FakeHost(Wrong)


def test_context_and_log_reach_the_host() -> None:
    class Curious(Actor):
        @on("ask")
        def asked(self, message: Message) -> None:
            log.warn("careful \ud800")
            facts = [context.now(), context.scope(), context.self_id(), context.host().os, len(context.random(8))]
            messaging.send("facts", facts)

    host = FakeHost(Curious, now=5, os="windows")
    assert host.send("ask") == [Sent("facts", [5, "abc123", "abc123/curious", "windows", 8])]
    assert host.log == [Line("warn", "careful ?")]


def test_capabilities_outside_of_a_handler_say_so() -> None:
    with pytest.raises(RuntimeError, match="No actor is running"):
        context.now()


def test_two_hosts_do_not_disturb_one_another() -> None:
    one, two = FakeHost(Waiter), FakeHost(Waiter)
    one.send("gather")
    two.send("gather")
    for host, text in ((one, "1"), (two, "2")):
        for request in host.requests.copy():
            host.answer(request, completion(text))
    assert json.dumps([one.sent[0].payload, two.sent[0].payload]) == '["11", "22"]'
