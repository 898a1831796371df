"""Each capability as a function: what goes to the host, and what comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from ledger import requirement
from vespiary.model.edits import content_hash as hosts_hash
from vespiary_sdk import Actor, CapabilityError, Message, agents, command, http, llm, messaging, on, workspace
from vespiary_sdk.testing import FakeHost, FakeWorkspace, completion, content_hash


class Runs(Actor):
    """Does what the test tells it to."""

    result: Any = None

    @on("go")
    async def go(self, message: Message) -> None:
        self.result = await self.config["work"]()


def always(capability: str, answer: Any) -> dict[str, Callable[[dict[str, Any]], Any]]:
    def give(request: dict[str, Any]) -> Any:
        return answer

    return {capability: give}


def outcome(work: Callable[[], Awaitable[Any]], **host: Any) -> Any:
    fake = FakeHost(Runs, {"work": work}, **host)
    fake.send("go")
    return fake.actor.result


def asked(work: Callable[[], Awaitable[Any]]) -> tuple[str, dict[str, Any]]:
    fake = FakeHost(Runs, {"work": work})
    fake.send("go")
    (request,) = fake.requests
    return request.capability, request.payload


@requirement("sdk:capabilities")
def test_requests_have_the_form_that_the_wit_says() -> None:
    assert asked(lambda: workspace.read("a")) == ("workspace", {"op": "read", "path": "a"})
    assert asked(lambda: workspace.list(glob="*.py")) == ("workspace", {"op": "list", "path": ".", "glob": "*.py"})
    assert asked(lambda: workspace.search("x", limit=5)) == (
        "workspace",
        {"op": "search", "pattern": "x", "regex": False, "ignore_case": False, "limit": 5},
    )
    assert asked(lambda: workspace.write("a", "0", "t")) == (
        "workspace",
        {"op": "write", "path": "a", "base": "0", "text": "t"},
    )
    assert asked(lambda: workspace.rename("a", "b", "0"))[1] == {"op": "rename", "path": "a", "to": "b", "base": "0"}
    assert asked(lambda: command.run("ls", ["-l"])) == (
        "command",
        {"program": "ls", "args": ["-l"], "cwd": ".", "timeout_ms": 30000, "max_output_bytes": 100000, "shell": False},
    )
    assert asked(lambda: http.request("http://x"))[1] == {
        "url": "http://x",
        "method": "GET",
        "timeout_ms": 30000,
        "max_bytes": 1000000,
        "attempts": 1,
    }
    assert asked(lambda: agents.spawn("coder", "hello"))[1] == {"op": "spawn", "agent": "coder", "prompt": "hello"}
    assert asked(lambda: agents.stop("abc123"))[1] == {"op": "stop", "scope": "abc123"}
    message = {"role": "user", "content": "hi"}
    assert asked(lambda: llm.complete([message], tools=[], tool_choice="none", max_tokens=5)) == (
        "llm",
        {"messages": [message], "tool_choice": "none", "max_tokens": 5},
    )


@requirement("sdk:capabilities")
def test_answers_become_values() -> None:
    reply = completion("hm", tool_calls=[("read", {"a": 1}), ("bad", "{")], reasoning="why", usage={"inputTokens": 3})
    made = outcome(lambda: llm.complete([]), answers=always("llm", reply))
    assert (made.text, made.reasoning, made.finish, made.usage) == ("hm", "why", "tool_calls", {"inputTokens": 3})
    assert [(call.id, call.name, call.arguments) for call in made.tool_calls] == [
        ("call-1", "read", '{"a": 1}'),
        ("call-2", "bad", "{"),
    ]
    assert made.message == reply["message"]

    done = {"status": "signaled", "signal": "SIGKILL", "stdout": "o", "stderr": "", "stdout_truncated": True}
    run = outcome(lambda: command.run("x"), answers=always("command", {**done, "duration_ms": 5}))
    assert (run.ok, run.code, run.signal, run.stdout, run.stdout_truncated) == (False, None, "SIGKILL", "o", True)

    web = {"status": 200, "headers": {"a": "b"}, "body": '{"x": 1}', "url": "http://y", "truncated": False}
    page = outcome(lambda: http.request("http://x"), answers=always("http", web))
    assert (page.ok, page.json(), page.content, page.url) == (True, {"x": 1}, b'{"x": 1}', "http://y")
    binary: dict[str, Any] = {
        "status": 404,
        "headers": {},
        "body_base64": "AAE=",
        "truncated": False,
        "url": "http://x",
    }
    page = outcome(lambda: http.request("http://x"), answers=always("http", binary))
    assert (page.ok, page.text, page.content) == (False, "", b"\0\1")

    child = outcome(lambda: agents.spawn("c"), answers=always("agents", {"scope": "zzz999", "name": "c"}))
    assert (child.scope, child.name) == ("zzz999", "c")


@requirement("sdk:capabilities")
def test_a_workspace_is_read_changed_listed_and_searched() -> None:
    files = FakeWorkspace({"a.txt": "one\ntwo\n", "src/b.py": "import one\n"})
    files.modified.add("a.txt")

    async def work() -> list[Any]:
        file = await workspace.read("a.txt")
        change = await workspace.write("a.txt", file.hash, "one\n2\n")
        made = await workspace.create("new/c.txt", "")
        await workspace.rename("new/c.txt", "c.txt", made.hash or "")
        await workspace.delete("c.txt", made.hash or "")
        listing = await workspace.list()
        deep = await workspace.list(glob="*.py")
        shallow = await workspace.list(depth=1)
        found = await workspace.search("ONE", ignore_case=True, limit=1)
        states = [(await workspace.stat(path)).kind for path in ("a.txt", "src", "c.txt")]
        return [file, change, listing, deep, shallow, found, states]

    file, change, listing, deep, shallow, found, states = outcome(work, workspace=files)
    assert (file.text, file.modified, file.size, file.hash) == ("one\ntwo\n", True, 8, hosts_hash("one\ntwo\n"))
    assert "-two\n+2\n" in change.diff
    assert [entry.path for entry in listing.entries] == ["a.txt", "src", "src/b.py"]
    assert [entry.path for entry in deep.entries] == ["src/b.py"]
    assert [entry.path for entry in shallow.entries] == ["a.txt", "src"]
    assert [(match.path, match.line) for match in found.matches] == [("a.txt", 1)]
    assert found.truncated
    assert states == ["file", "folder", "missing"]
    assert files.files["a.txt"] == "one\n2\n"


@pytest.mark.parametrize(
    ("work", "code"),
    [
        (lambda: workspace.read("none"), "workspace.missing"),
        (lambda: workspace.read("/etc/passwd"), "workspace.path"),
        (lambda: workspace.read("a/../../b"), "workspace.path"),
        (lambda: workspace.write("a", "0", "x"), "workspace.stale"),
        (lambda: workspace.create("a", "x"), "workspace.exists"),
        (lambda: workspace.rename("a", "b", content_hash("a")), "workspace.exists"),
        (lambda: workspace.search("(", regex=True), "workspace.request"),
    ],
)
def test_a_fake_workspace_refuses_as_the_host_does(work: Callable[[], Awaitable[Any]], code: str) -> None:
    async def guarded() -> str:
        try:
            await work()
        except CapabilityError as error:
            return error.code
        return "done"

    assert outcome(guarded, workspace={"a": "a", "b": "b"}) == code


def test_what_only_the_host_may_send_is_refused_natively_too() -> None:
    async def send() -> list[str]:
        told: list[str] = []
        for name in ("vespiary.agent.ready", "no dots ..", ""):
            try:
                messaging.send(name)
            except CapabilityError as error:
                told.append(error.message)
        return told

    assert len(outcome(send)) == 3


def test_a_request_that_was_cancelled_by_its_task_is_cancelled_at_the_host() -> None:
    class Canceller(Actor):
        @on("go")
        async def go(self, message: Message) -> None:
            task = asyncio.create_task(llm.complete([]))
            await asyncio.sleep(0)
            task.cancel()

    host = FakeHost(Canceller)
    host.send("go")
    assert [request.capability for request in host.cancelled] == ["llm"]
    assert not host.requests
