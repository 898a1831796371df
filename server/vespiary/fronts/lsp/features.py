"""What the language server offers: Vespiary's methods, the commands, the code actions. Each is a few lines over the session.

Knows the protocol and the session; decides nothing about runs.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio

from vespiary import protocol
from vespiary.fronts.lsp import actions
from vespiary.fronts.lsp.core import types
from vespiary.fronts.lsp.kept import Kept
from vespiary.model.ids import RunId
from vespiary.model.runs import Outcome, Task
from vespiary.model.wire import camel, to_wire

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core import Server
    from vespiary.fronts.lsp.session import Session

Handler = Callable[[Any], Awaitable[Any]]


class Features:
    """The handlers of one connection."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._kept = Kept(session)

    def register(self, server: "Server") -> None:
        """Put every handler in its place."""
        kept = self._kept
        methods: dict[protocol.Method, Handler] = {
            protocol.AGENTS_LIST: self.agents,
            protocol.RUN_START: self.start,
            protocol.RUN_CANCEL: self.cancel,
            protocol.RUN_LIST: self.list_runs,
            protocol.RUN_GET: self.get,
            protocol.RUN_EVENTS: kept.events,
            protocol.RUN_INTERRUPTED: kept.interrupted,
            protocol.RUN_RESUME: kept.resume,
            protocol.RUN_DISCARD: kept.discard,
            protocol.SESSION_LIST: kept.sessions,
            protocol.SESSION_GET: kept.session,
            protocol.SESSION_FORK: kept.fork,
            protocol.SESSION_DELETE: kept.delete,
        }
        commands: dict[protocol.Command, Handler] = {
            protocol.RUN: self.run,
            protocol.ASK_AGENT: self.ask,
            protocol.FIX_DIAGNOSTIC: self.fix,
            protocol.CANCEL_RUN: self.cancel_any,
            protocol.LIST_RUNS: self.list_runs,
            protocol.GET_RUN: self.get,
            protocol.GET_EVENTS: kept.events,
            protocol.LIST_INTERRUPTED: kept.interrupted,
            protocol.RESUME_RUN: self.resume,
            protocol.DISCARD_RUN: kept.discard,
            protocol.LIST_SESSIONS: kept.sessions,
            protocol.GET_SESSION: kept.session,
            protocol.FORK_SESSION: kept.fork,
            protocol.DELETE_SESSION: kept.delete,
            protocol.LIST_AGENTS: self.agents,
        }
        for method in protocol.METHODS:
            server.method(method.name)(_reading(method.params, method.name, methods[method]))
        for command in protocol.COMMANDS:
            server.command(command.name)(_arguments(command, commands[command]))
        options = types.CodeActionOptions(code_action_kinds=list(actions.KINDS))

        # pygls writes on the functions that it is given, which methods do not allow.
        @server.feature("textDocument/codeAction", options)
        async def code_actions(params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:  # pyright: ignore[reportUnusedFunction]
            return await self.code_actions(params)

        @server.feature("textDocument/didSave")
        def did_save(params: types.DidSaveTextDocumentParams) -> None:  # pyright: ignore[reportUnusedFunction]
            self.did_save(params)

    # Methods and commands

    async def agents(self, params: protocol.NoParams) -> protocol.AgentsResult:
        """`vespiary/agents/list`."""
        workspace = await self._session.workspace()
        return protocol.AgentsResult(await anyio.to_thread.run_sync(workspace.agents))

    async def start(self, params: protocol.StartParams) -> protocol.StartResult:
        """`vespiary/run/start`."""
        task = await self._kept.placed(await (await self._session.tasks()).start(params))
        return protocol.StartResult((await self._session.workspace()).runs.start(task))

    async def cancel(self, params: protocol.RunParams) -> protocol.CancelResult:
        """`vespiary/run/cancel`."""
        workspace = await self._session.workspace()
        return protocol.CancelResult(workspace.runs.cancel(RunId(params.run_id)))

    async def list_runs(self, params: protocol.NoParams) -> protocol.RunsResult:
        """`vespiary/run/list`."""
        return protocol.RunsResult((await self._session.workspace()).runs.list())

    async def get(self, params: protocol.RunParams) -> Any:
        """`vespiary/run/get`."""
        return await (await self._session.workspace()).find(RunId(params.run_id))

    async def run(self, params: protocol.RunCommandParams) -> Any:
        """`vespiary.run`."""
        return await self._command(await (await self._session.tasks()).start(params), wait=params.wait)

    async def ask(self, params: protocol.AskParams) -> Any:
        """`vespiary.askAgent`."""
        return await self._command(await (await self._session.tasks()).ask(params), wait=params.wait)

    async def fix(self, params: protocol.FixParams) -> Any:
        """`vespiary.fixDiagnostic`."""
        return await self._command(await (await self._session.tasks()).fix(params), wait=params.wait)

    async def cancel_any(self, params: protocol.CancelCommandParams) -> protocol.CancelResult:
        """`vespiary.cancelRun`."""
        runs = (await self._session.workspace()).runs
        if params.run_id is not None:
            return protocol.CancelResult(runs.cancel(RunId(params.run_id)))
        running = [info.run_id for info in runs.list() if info.outcome is Outcome.RUNNING]
        return protocol.CancelResult(bool(running) and runs.cancel(running[-1]))

    async def resume(self, params: protocol.ResumeParams) -> Any:
        """`vespiary.resumeRun`."""
        workspace = await self._session.workspace()
        run_id = params.run_id
        if run_id is None:
            run_id = await self._kept.latest()
        info = await workspace.resume(RunId(run_id))
        if params.wait:
            return await self._wait(info.run_id)
        self._session.speak_of(info.run_id)
        return info

    async def _command(self, task: Task, *, wait: bool) -> Any:
        task = await self._kept.placed(task)
        run_id = (await self._session.workspace()).runs.start(task)
        if wait:
            return await self._wait(run_id)
        self._session.speak_of(run_id)
        return protocol.StartResult(run_id)

    async def _wait(self, run_id: RunId) -> Any:
        runs = (await self._session.workspace()).runs
        try:
            return await runs.finished(run_id)
        except anyio.get_cancelled_exc_class():
            runs.cancel(run_id)
            raise

    # LSP

    async def code_actions(self, params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
        """`textDocument/codeAction`."""
        if not actions.wants(params):
            return []
        agent = await self._session.default_agent()
        if agent is None:
            return []
        support = self._session.capability("textDocument", "codeAction", "codeActionLiteralSupport")
        return actions.actions(params, agent, literals=support is not None)

    def did_save(self, params: types.DidSaveTextDocumentParams) -> None:
        """`textDocument/didSave`."""
        if self._session.editor is not None:
            self._session.editor.saved(params.text_document.uri)


def _reading(cls: type[Any], what: str, handler: Handler) -> Handler:
    """The handler behind a check of its parameters."""

    async def handle(params: Any) -> Any:
        return to_wire(await handler(protocol.parse(cls, params, what=what)))

    return handle


def _arguments(command: protocol.Command, handler: Handler) -> Callable[..., Awaitable[Any]]:
    """The handler as a command: at most one argument, an object or the text that stands for one."""
    checked = _reading(command.params, command.name, handler)

    async def handle(*arguments: Any) -> Any:
        if len(arguments) > 1:
            raise protocol.ParamsError(f"{command.name} takes one argument, an object.")
        argument = arguments[0] if arguments else None
        if isinstance(argument, str) and command.text_field is not None:
            argument = {camel(command.text_field): argument}
        return await checked(argument)

    return handle
