"""Whatever is sent: nothing raises, a request has exactly one answer, and the server goes on."""

import asyncio
import json
from typing import Any, cast

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.lsp_core_client import framed
from support.lsp_core_server import make_server
from vespiary.fronts.lsp.core import writing
from vespiary.fronts.lsp.core.framing import Framer
from vespiary.fronts.lsp.core.session import Session

INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": "first",
    "method": "initialize",
    "params": {"capabilities": {}, "processId": None},
}
METHODS = [
    "t/echo",
    "t/plain",
    "t/fail",
    "t/nothing",
    "textDocument/hover",
    "textDocument/codeAction",
    "textDocument/didOpen",
    "textDocument/didChange",
    "textDocument/didClose",
    "workspace/executeCommand",
    "workspace/didChangeWorkspaceFolders",
    "workspace/didChangeConfiguration",
    "window/workDoneProgress/cancel",
    "notebookDocument/didOpen",
    "notebookDocument/didChange",
    "$/cancelRequest",
    "$/setTrace",
    "initialize",
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["uri", "textDocument", "text", "id", "jsonrpc", "event", "command", "token"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
messages = junk | st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={"id": junk, "method": st.sampled_from(METHODS) | junk, "params": junk, "result": junk, "error": junk},
)


class Collect:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""
        self.owed = 0

    def write(self, data: bytes) -> None:
        self.data += data

    def backlog(self) -> int:
        return self.owed

    async def drain(self) -> None: ...

    async def close(self) -> None: ...


async def converse(sent: list[Any]) -> list[Any]:
    """Everything that the server says to these messages."""
    sink = Collect()

    async def connect(session: Session) -> Collect:
        async def talk() -> None:
            session.data(framed(INITIALIZE))
            for message in sent:
                session.data(framed(message))
            for _ in range(20):
                await asyncio.sleep(0)
            session.data(framed({"jsonrpc": "2.0", "id": "last", "method": "t/echo", "params": {"alive": True}}))
            for _ in range(5):
                await asyncio.sleep(0)
            session.eof()

        session.server.spawn(talk)
        return sink

    await Session(make_server()).run(connect)
    return [json.loads(body) for body in Framer().feed(sink.data) if isinstance(body, bytes)]


def call_of(message: Any) -> dict[str, Any]:
    """The message if it is a request or notification in form, else nothing."""
    fields = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
    return fields if fields.get("jsonrpc") == "2.0" and isinstance(fields.get("method"), str) else {}


def request_id(message: Any) -> tuple[str, str] | None:
    """The id of a request, told apart by its type; none for anything else."""
    found = call_of(message).get("id")
    return None if isinstance(found, bool) or not isinstance(found, int | str) else (type(found).__name__, str(found))


@requirement("core:always-answered", "core:malformed")
@settings(max_examples=150, deadline=None)
@given(st.lists(messages, max_size=5))
def test_every_request_has_one_answer_and_the_server_goes_on(sent: list[Any]) -> None:
    said = anyio.run(converse, sent)
    answers = [message["id"] for message in said if "id" in message and "method" not in message]
    assert answers.count("first") == 1
    assert [m["result"] for m in said if m.get("id") == "last"] == [{"alive": True}]
    given_ids = [(type(answer).__name__, str(answer)) for answer in answers]
    asked = [found for message in sent if (found := request_id(message)) is not None]
    assert all(given_ids.count(found) >= asked.count(found) for found in asked)
    silent = sum(bool(call := call_of(message)) and "id" not in call for message in sent)
    assert len(answers) <= 2 + len(sent) - silent


@requirement("core:never-blocks")
def test_a_client_that_owes_too_much_reading_is_given_up() -> None:
    async def main() -> int:
        sink = Collect()
        sink.owed = writing.MAX_BACKLOG + 1

        async def connect(session: Session) -> Collect:
            session.data(framed(INITIALIZE))
            return sink

        return await Session(make_server()).run(connect)

    assert anyio.run(main) == 1
