"""The client itself: one server process for one folder. See the package's docstring for an example."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import anyio
import anyio.abc

from vespiary import __version__, protocol
from vespiary.client import buffers as editing
from vespiary.client.buffers import Buffer, EditRefused
from vespiary.client.connection import Connection, ConnectionClosed, NoSuchMethod
from vespiary.client.reading import event_from_wire, from_wire
from vespiary.model.agents import AgentInfo
from vespiary.model.events import RunEvent, RunFinished
from vespiary.model.runs import Mode, RunInfo
from vespiary.model.sessions import SessionDetail, SessionInfo
from vespiary.model.wire import to_wire

END_SECONDS = 10.0
"""How long the server may take to end before it is killed."""

CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-32"]},
    "textDocument": {"synchronization": {"didSave": True}},
    "workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}, "workspaceFolders": True},
}


class Run:
    """A run that this client started. Iterating gives its events from the first to the last, once."""

    def __init__(self, client: "Client", run_id: str, events: "_Events") -> None:
        self.id = run_id
        self._client = client
        self._events = events

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return self._events.each()

    async def cancel(self) -> bool:
        """Ask for the run's end; false when it had ended."""
        result = await self._client.request(protocol.RUN_CANCEL.name, {"runId": self.id})
        return bool(result["cancelled"])

    async def finished(self) -> RunInfo:
        """Wait for the end and give what came of it. Raises `ConnectionClosed` when the server ends first."""
        await self._events.wait_finished()
        return await self._client.get(self.id)


class Client:
    """A connection to a server of its own. Made by `launch`. Every method raises `ServerError` and `ConnectionClosed`."""

    def __init__(self, root: Path, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.root = root
        self.buffers: dict[str, Buffer] = {}
        """The open documents, by URI."""
        self.capabilities: dict[str, Any] = {}
        """What the server said that it can do."""
        self._process = process
        self._connection = Connection(process.stdout, process.stdin, on_request=self._asked, on_notification=self._told)
        self._events: dict[str, _Events] = {}

    @classmethod
    @asynccontextmanager
    async def launch(
        cls,
        folder: str | Path,
        *,
        trusted: bool | None = None,
        command: Sequence[str] = (sys.executable, "-P", "-m", "vespiary", "serve"),
        env: dict[str, str] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> AsyncGenerator["Client", None]:
        """A server for `folder` for as long as the block lasts.

        `trusted`: whether the folder's own configuration may grant power (none: the user's list). `env` is added to the
        environment. `stderr` is where the server's log goes (none: where this process writes it).
        """
        root = await anyio.Path(folder).resolve()
        process = await anyio.open_process(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **(env or {})},
        )
        client = cls(Path(root), process)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client._listen)
                try:
                    await client._initialize(trusted)
                    yield client
                finally:
                    with anyio.CancelScope(shield=True):
                        await client._end()
                    tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # The block's own error, as the caller raised it.
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await process.aclose()

    # Agents and runs

    async def agents(self) -> tuple[AgentInfo, ...]:
        """The agents that can be asked, the default one first."""
        return from_wire(protocol.AgentsResult, await self.request(protocol.AGENTS_LIST.name)).agents

    async def start(
        self,
        prompt: str,
        *,
        agent: str | None = None,
        mode: Mode = Mode.APPLY,
        context: protocol.RunContext | None = None,
        session: str | None = None,
    ) -> Run:
        """Begin a run and give a handle of it at once. `session`: the conversation that it goes on with (none: a new one)."""
        params = protocol.StartParams(prompt, agent, mode, context, session)
        result = from_wire(protocol.StartResult, await self.request(protocol.RUN_START.name, to_wire(params)))
        return Run(self, result.run_id, self._events_of(result.run_id))

    async def run(
        self,
        prompt: str,
        *,
        agent: str | None = None,
        mode: Mode = Mode.APPLY,
        context: protocol.RunContext | None = None,
        session: str | None = None,
    ) -> RunInfo:
        """Run a task to its end. Cancelling the call cancels the run."""
        run = await self.start(prompt, agent=agent, mode=mode, context=context, session=session)
        try:
            return await run.finished()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await run.cancel()
            raise

    async def get(self, run_id: str) -> RunInfo:
        """A run as it stands, also one of an earlier server that was kept."""
        return from_wire(RunInfo, await self.request(protocol.RUN_GET.name, {"runId": run_id}))

    async def list_runs(self) -> tuple[RunInfo, ...]:
        """The runs of this server, oldest first."""
        return from_wire(protocol.RunsResult, await self.request(protocol.RUN_LIST.name)).runs

    # What is kept

    async def interrupted(self) -> tuple[RunInfo, ...]:
        """The runs that ended only because their server did, the oldest first."""
        return from_wire(protocol.RunsResult, await self.request(protocol.RUN_INTERRUPTED.name)).runs

    async def resume(self, run_id: str) -> Run:
        """Let an interrupted run go on, and give a handle of it at once. Its events are those from now on."""
        events = self._events_of(run_id)
        if events.done:  # it ended here before
            events = self._events[run_id] = _Events()
        await self.request(protocol.RUN_RESUME.name, {"runId": run_id})
        return Run(self, run_id, events)

    async def discard(self, run_id: str) -> RunInfo:
        """Give an interrupted run up; what it changed stays."""
        return from_wire(RunInfo, await self.request(protocol.RUN_DISCARD.name, {"runId": run_id}))

    async def events(self, run_id: str, after: int = 0) -> AsyncIterator[RunEvent]:
        """The kept events of a run that follow the number `after`, as far as there are any: also those of an earlier server."""
        more = True
        while more:
            page = await self.request(protocol.RUN_EVENTS.name, {"runId": run_id, "after": after})
            for data in page["events"]:
                after = data["seq"]
                if (event := event_from_wire(data)) is not None:
                    yield event
            more = page["more"]

    async def sessions(self) -> tuple[SessionInfo, ...]:
        """The conversations, the one that was changed last first."""
        return from_wire(protocol.SessionsResult, await self.request(protocol.SESSION_LIST.name)).sessions

    async def session(self, session_id: str) -> SessionDetail:
        """A conversation with its tasks and answers."""
        return from_wire(SessionDetail, await self.request(protocol.SESSION_GET.name, {"sessionId": session_id}))

    async def fork_session(self, session_id: str) -> SessionInfo:
        """A new conversation that begins as this one stands."""
        return from_wire(SessionInfo, await self.request(protocol.SESSION_FORK.name, {"sessionId": session_id}))

    async def delete_session(self, session_id: str) -> None:
        """Forget a conversation."""
        await self.request(protocol.SESSION_DELETE.name, {"sessionId": session_id})

    async def request(self, method: str, params: object = None) -> Any:
        """Any request of LSP or of Vespiary, as plain data."""
        return await self._connection.request(method, params)

    async def notify(self, method: str, params: object = None) -> None:
        """Any notification, as plain data."""
        await self._connection.notify(method, params)

    # Documents

    def uri(self, path: str | Path) -> str:
        """The URI of a path, relative to the folder or absolute."""
        return (self.root / path).as_uri()

    async def open(self, path: str | Path, text: str | None = None, language: str = "plaintext") -> Buffer:
        """Open a document, with its text on disk or with another, as if it had been typed."""
        buffer = Buffer(self.uri(path), editing.read(self.root / path) if text is None else text)
        self.buffers[buffer.uri] = buffer
        item = {"uri": buffer.uri, "languageId": language, "version": buffer.version, "text": buffer.text}
        await self.notify("textDocument/didOpen", {"textDocument": item})
        return buffer

    async def change(self, buffer: Buffer, text: str) -> None:
        """Type: replace the text of an open document."""
        buffer.set(text)
        await self._tell_change(buffer)

    async def undo(self, buffer: Buffer) -> bool:
        """Take the last change of a document back, whoever made it."""
        undone = buffer.undo_last()
        if undone:
            await self._tell_change(buffer)
        return undone

    async def save(self, buffer: Buffer) -> None:
        """Write a document to disk."""
        await anyio.to_thread.run_sync(editing.write, editing.path_of(buffer.uri), buffer.text)
        await self.notify("textDocument/didSave", {"textDocument": {"uri": buffer.uri}})

    async def close(self, buffer: Buffer) -> None:
        """Close a document; what was not saved is lost."""
        del self.buffers[buffer.uri]
        await self.notify("textDocument/didClose", {"textDocument": {"uri": buffer.uri}})

    # Inside

    async def _initialize(self, trusted: bool | None) -> None:
        folder = {"uri": self.root.as_uri(), "name": self.root.name}
        params = {
            "processId": os.getpid(),
            "clientInfo": {"name": "vespiary.client", "version": __version__},
            "rootUri": folder["uri"],
            "workspaceFolders": [folder],
            "capabilities": CAPABILITIES,
            "initializationOptions": to_wire(protocol.InitializationOptions(trusted)),
        }
        self.capabilities = (await self.request("initialize", params))["capabilities"]
        await self.notify("initialized", {})

    async def _end(self) -> None:
        with anyio.move_on_after(END_SECONDS):
            try:
                await self.request("shutdown")
                await self.notify("exit")
            except ConnectionClosed:
                pass
            await self._process.wait()
            return
        self._process.kill()

    async def _listen(self) -> None:
        await self._connection.run()
        for events in self._events.values():
            events.close()

    def _events_of(self, run_id: str) -> "_Events":
        # An event may come before the answer that names its run.
        return self._events.setdefault(run_id, _Events())

    def _told(self, method: str, params: Any) -> None:
        if method != protocol.EVENT:
            return
        event = event_from_wire(params)
        if event is None:
            return
        self._events_of(event.run_id).add(event)
        if isinstance(event.body, RunFinished):
            self._drop_finished()

    def _drop_finished(self) -> None:
        # Handles keep their own events. The latest stay, because the answer that names a run may come after its last event.
        finished = [run_id for run_id, events in self._events.items() if events.done]
        for run_id in finished[:-8]:
            del self._events[run_id]

    async def _asked(self, method: str, params: Any) -> Any:
        match method:
            case "workspace/applyEdit":
                return await self._apply(params["edit"])
            case "workspace/configuration":
                return [None for _ in params["items"]]
            case (
                "client/registerCapability"
                | "client/unregisterCapability"
                | "window/showMessageRequest"
                | "window/workDoneProgress/create"
            ):
                return None
            case _:
                raise NoSuchMethod(method)

    async def _apply(self, edit: dict[str, Any]) -> dict[str, Any]:
        try:
            texts = editing.plan(edit, self.buffers)
        except EditRefused as refused:
            return {"applied": False, "failureReason": str(refused)}
        for uri, text in texts.items():
            buffer = self.buffers.get(uri)
            if buffer is None:
                await anyio.to_thread.run_sync(editing.write, editing.path_of(uri), text)
            else:
                buffer.set(text)
                await self._tell_change(buffer)
        return {"applied": True}

    async def _tell_change(self, buffer: Buffer) -> None:
        document = {"uri": buffer.uri, "version": buffer.version}
        await self.notify(
            "textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": buffer.text}]}
        )


class _Events:
    """The events of one run, kept until they are read."""

    def __init__(self) -> None:
        self._waiting: deque[RunEvent] = deque()
        self._news = anyio.Event()
        self._finished = anyio.Event()
        self._closed = False
        self._ended = False

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._finished.is_set()

    def add(self, event: RunEvent) -> None:
        self._waiting.append(event)
        if isinstance(event.body, RunFinished):
            self._ended = True
            self._finished.set()
        self._wake()

    def close(self) -> None:
        self._closed = True
        self._finished.set()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def each(self) -> AsyncIterator[RunEvent]:
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                yield event
                if isinstance(event.body, RunFinished):
                    return
            if self._ended:
                return
            if self._closed:
                raise ConnectionClosed("The server ended before the run did.")
            await self._news.wait()

    async def wait_finished(self) -> None:
        await self._finished.wait()
        if not self._ended:
            raise ConnectionClosed("The server ended before the run did.")
