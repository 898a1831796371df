"""One client and its workspace: opened when the client is ready, closed when it says goodbye or is gone.

Knows the core of the language server and the app; the features ask it for the workspace.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread

from vespiary import protocol
from vespiary.fronts.lsp.editor import LspEditor
from vespiary.fronts.lsp.places import Places, path_of
from vespiary.fronts.lsp.progress import Progress
from vespiary.model.errors import UsageError, VespiaryError
from vespiary.model.events import RunEvent, RunFinished
from vespiary.model.ids import RunId
from vespiary.model.runs import Outcome
from vespiary.model.wire import event_to_wire

if TYPE_CHECKING:
    from vespiary.app.workspace import Workspace
    from vespiary.fronts.lsp.core import Server
    from vespiary.fronts.lsp.tasks import TaskReader

log = logging.getLogger(__name__)

OpenWorkspace = Callable[..., AbstractAsyncContextManager["Workspace"]]
"""`Workspace.open`, or what tests put in its place."""

ERROR, WARNING, INFO = 1, 2, 3
"""Kinds of `window/showMessage`."""

AGENT_SECONDS = 5.0
"""How long the name of the default agent is remembered: code actions are asked for at every move of the cursor."""

ANSWER_LENGTH = 2000
"""Characters of an agent's answer that are shown as a message."""


class Session:
    """The workspace of one connection."""

    def __init__(self, server: "Server", open_workspace: OpenWorkspace) -> None:
        self.server = server
        self.editor: LspEditor | None = None
        self._open_workspace = open_workspace
        self._ready = anyio.Event()
        self._stop = anyio.Event()
        self._closed = anyio.Event()
        self._workspace: Workspace | None = None
        self._reader: TaskReader | None = None
        self._problem: VespiaryError = UsageError("The server has not been initialized.", code="workspace.none")
        self._agent: tuple[float, str] | None = None
        self._told: set[str] = set()
        self._spoken: set[RunId] = set()

    async def workspace(self) -> "Workspace":
        """The workspace, once it is open. Raises the `VespiaryError` that keeps it from being open."""
        if not self._ready.is_set():  # else requests are taken up in the order in which they came
            await self._ready.wait()
        if self._workspace is None:
            raise self._problem
        return self._workspace

    async def tasks(self) -> "TaskReader":
        """What reads tasks for this workspace. Raises as `workspace`."""
        await self.workspace()
        assert self._reader is not None
        return self._reader

    async def default_agent(self) -> str | None:
        """The name of the default agent. None, after telling the person why, when the configuration cannot be used."""
        now = anyio.current_time()
        if self._agent is None or now - self._agent[0] > AGENT_SECONDS:
            try:
                workspace = await self.workspace()
                infos = await anyio.to_thread.run_sync(workspace.agents)
            except VespiaryError as error:
                self.show_once(ERROR, str(error))
                return None
            self._told.clear()
            self._agent = now, next((info.name for info in infos if info.default), infos[0].name)
        return self._agent[1]

    def capability(self, *path: str) -> Any:
        """What the client said of itself at this place in its capabilities; none if nothing."""
        found: Any = self.server.initialize_params.get("capabilities")
        for key in path:
            found = cast(dict[str, Any], found).get(key) if isinstance(found, dict) else None
        return found

    def speak_of(self, run: RunId) -> None:
        """Show the answer of this run as a message: whoever started it by a command sees it nowhere else."""
        self._spoken.add(run)

    def show(self, kind: int, text: str) -> None:
        """Show the person a message."""
        self.server.notify("window/showMessage", {"type": kind, "message": text})

    def show_once(self, kind: int, text: str) -> None:
        """Show a message unless it was the last thing that was wrong already."""
        if text not in self._told:
            self._told.add(text)
            self.show(kind, text)

    # Life

    async def live(self) -> None:
        """Hold the workspace open until `close`. Runs in the server's task group."""
        try:
            places = self._places()
            async with self._opened(places) as workspace:
                self._listen(workspace)
                self._workspace = workspace
                self._ready.set()
                async with anyio.create_task_group() as group:
                    group.start_soon(self._offer, workspace, name="offer to resume")
                    await self._stop.wait()
                    group.cancel_scope.cancel()
        except VespiaryError as error:
            self._problem = error
            self.show_once(ERROR, str(error))
        except Exception:  # the boundary of a workspace: the server goes on to answer, and to be shut down
            log.exception("The workspace failed")
            hint = "The server's log has the details. Restart it."
            self._problem = VespiaryError("The workspace could not be kept open.", hint=hint, code="workspace.failed")
            self.show_once(ERROR, str(self._problem))
        finally:
            self._workspace = None
            self._ready.set()
            self._closed.set()

    async def close(self) -> None:
        """End all runs and put the workspace away."""
        if self.editor is None:
            return
        self._problem = UsageError("The server is shutting down.", code="workspace.closed")
        self._stop.set()
        await self._closed.wait()

    async def _offer(self, workspace: "Workspace") -> None:
        from vespiary.fronts.lsp.offers import Offers

        await Offers(self.server, workspace, self.speak_of, self.show).make()

    def _places(self) -> Places:
        params: Any = self.server.initialize_params
        folders: list[dict[str, Any]] = params.get("workspaceFolders") or []
        uri = folders[0].get("uri") if folders else params.get("rootUri")
        root = path_of(uri) if uri else Path(params["rootPath"]) if params.get("rootPath") else None
        if root is None or not root.is_dir():
            raise UsageError(
                f"The workspace folder {uri} is not a folder on this machine."
                if uri
                else "No workspace folder is open.",
                hint="Agents work on the files of a folder: open one, or set the root directory of this language server.",
                code="workspace.none",
            )
        if len(folders) > 1:
            self.show(WARNING, f"Vespiary works on one folder for each connection: {root}.")
        return Places(root)

    def _opened(self, places: Places) -> AbstractAsyncContextManager["Workspace"]:
        from vespiary.app.disk import DiskEditor
        from vespiary.fronts.lsp.tasks import TaskReader

        server = self.server
        client: dict[str, Any] = server.initialize_params.get("clientInfo") or {}
        editor = LspEditor(server, places, DiskEditor(places.root), self.capability() or {}, client.get("name"))
        self.editor = editor
        self._reader = TaskReader(places, lambda path: _text(editor, path), server.encoding)
        return self._open_workspace(places.root, editor, trusted=self._trust())

    def _listen(self, workspace: "Workspace") -> None:
        workspace.runs.listen(self._hear)
        if self.capability("window", "workDoneProgress") is True:
            tokens = cast(dict[Any, Any], self.server.work_done_progress.tokens)
            progress = Progress(self.server, tokens, workspace.runs.cancel)
            workspace.runs.listen(progress.hear)

    def _trust(self) -> bool | None:
        options = self.server.initialize_params.get("initializationOptions")
        if not options:
            return None
        try:
            return protocol.parse(protocol.InitializationOptions, options, what="initializationOptions").trusted
        except protocol.ParamsError as error:
            self.show(WARNING, str(error))
            return None

    # Events

    def _hear(self, event: RunEvent) -> None:
        self.server.notify(protocol.EVENT, event_to_wire(event))
        if isinstance(event.body, RunFinished) and event.run_id in self._spoken:
            self._spoken.discard(event.run_id)
            self._tell_answer(event.agent, event.body)

    def _tell_answer(self, agent: str, end: RunFinished) -> None:
        if end.outcome is Outcome.FAILED:
            problem = end.problem
            why = f"{problem.message} {problem.hint or ''}".strip() if problem else "It did not say why."
            self.show(ERROR, f"{agent} failed: {why}")
        elif end.outcome is Outcome.DONE:
            text = end.text.strip() or "Done."
            self.show(INFO, f"{agent}: {text if len(text) <= ANSWER_LENGTH else text[:ANSWER_LENGTH] + '…'}")


def _text(editor: LspEditor, path: str) -> str | None:
    buffer = editor.buffer(path)
    return buffer.text if buffer is not None else None
