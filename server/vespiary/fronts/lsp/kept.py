"""The verbs about what is kept: interrupted runs, their events, conversations. Each is a few lines over the workspace.

Knows the protocol and the session; does not know how anything is kept. Nothing here makes a journal where there is none.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from vespiary import protocol
from vespiary.model.errors import UsageError
from vespiary.model.ids import RunId
from vespiary.model.runs import RunInfo, Task

if TYPE_CHECKING:
    from vespiary.app.sessions import Sessions
    from vespiary.fronts.lsp.session import Session

MOST_EVENTS = 10_000
"""Events of one answer."""


class Kept:
    """The handlers of one connection."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    async def events(self, params: protocol.EventsParams) -> Any:
        """`vespiary/run/events`."""
        if not 1 <= params.limit <= MOST_EVENTS:
            raise protocol.ParamsError(f"`limit` is from 1 to {MOST_EVENTS}, not {params.limit}.")
        workspace = await self._session.workspace()
        return await workspace.events(RunId(params.run_id), params.after, params.limit)

    async def interrupted(self, params: protocol.NoParams) -> protocol.RunsResult:
        """`vespiary/run/interrupted`."""
        return protocol.RunsResult(await (await self._session.workspace()).interrupted())

    async def latest(self) -> RunId:
        """The interrupted run that was begun last. Raises `UsageError` if there is none."""
        runs = await (await self._session.workspace()).interrupted()
        if not runs:
            raise UsageError("No run was interrupted.", code="run.not-interrupted")
        return runs[-1].run_id

    async def resume(self, params: protocol.RunParams) -> RunInfo:
        """`vespiary/run/resume`."""
        return await (await self._session.workspace()).resume(RunId(params.run_id))

    async def discard(self, params: protocol.RunParams) -> RunInfo:
        """`vespiary/run/discard`."""
        return await (await self._session.workspace()).discard(RunId(params.run_id))

    async def placed(self, task: Task) -> Task:
        """A task in the conversation that it names, with its agent. Raises `UsageError` if it cannot go on with it."""
        if task.session is None:
            return task
        sessions = await self._sessions(task.session)
        return replace(task, agent=await anyio.to_thread.run_sync(sessions.agent, task.session, task.agent))

    async def sessions(self, params: protocol.NoParams) -> protocol.SessionsResult:
        """`vespiary/session/list`."""
        workspace = await self._session.workspace()
        if not await workspace.has_journal():
            return protocol.SessionsResult(())
        sessions = await workspace.sessions()
        return protocol.SessionsResult(tuple(await anyio.to_thread.run_sync(sessions.list)))

    async def session(self, params: protocol.SessionParams) -> Any:
        """`vespiary/session/get`."""
        sessions = await self._sessions(params.session_id)
        return await anyio.to_thread.run_sync(sessions.get, params.session_id)

    async def fork(self, params: protocol.SessionParams) -> Any:
        """`vespiary/session/fork`."""
        return await (await self._sessions(params.session_id)).fork(params.session_id)

    async def delete(self, params: protocol.SessionParams) -> None:
        """`vespiary/session/delete`."""
        await (await self._sessions(params.session_id)).delete(params.session_id)

    async def _sessions(self, session: str) -> "Sessions":
        workspace = await self._session.workspace()
        if not await workspace.has_journal():
            raise UsageError(f"There is no conversation {session!r}: none was kept here yet.", code="session.unknown")
        return await workspace.sessions()
