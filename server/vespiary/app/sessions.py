"""Conversations across runs: begun, gone on with, listed, forked, deleted.

A conversation is what its agent's actors remembered at the end of its last run. Knows the journal's records. Does not know how a
run works, nor what is in an actor's state.
"""

import random
from typing import TYPE_CHECKING, Any

import orjson

from vespiary.app.chronicle import Chronicle
from vespiary.app.run import Run
from vespiary.journal.records import SessionRecord
from vespiary.model.errors import UsageError
from vespiary.model.ids import new_run_id
from vespiary.model.runs import Outcome
from vespiary.model.sessions import SessionDetail, SessionInfo, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from vespiary.model.ids import RunId

_TITLE = 80


class Sessions:
    """The conversations of one workspace. `running` gives the runs that go on."""

    def __init__(self, chronicle: Chronicle, source: random.Random, running: "Callable[[], list[Run]]") -> None:
        self._store = chronicle.store
        self._source = source
        self._running = running

    async def open(self, run: Run) -> dict[str, str]:
        """Put a run into its conversation, a new one if it names none; gives the states that its actors begin with.

        A new conversation is not written down yet: that is `keep`, once the run is. Raises `UsageError` for a conversation that
        there is not, that is another agent's, or that a run goes on in.
        """
        if run.session is None:
            run.session = self._fresh()
            return {}
        return _states(self._free(run.session, run.agent, run.id))

    def agent(self, session: str, agent: str | None) -> str:
        """Whose conversation it is. Raises `UsageError` where a task for `agent` (none: for its own) could not go on with it."""
        return self._free(session, agent, None).agent

    async def keep(self, run: Run) -> None:
        """Write down the conversation of a run that is written down, if it is a new one: no crash leaves one without a run."""
        if run.session is not None and self._store.session(run.session) is None:
            await self._store.put_session(SessionRecord(run.session, run.agent, _title(run.task.prompt), _data({}, [])))

    async def states(self, run: Run) -> dict[str, str]:
        """What the actors of a run in this conversation begin with."""
        record = self._store.session(run.session) if run.session is not None else None
        return _states(record) if record is not None else {}

    async def close(self, run: Run, states: dict[str, str]) -> None:
        """A run has ended: keep what its actors remember, and its turn. What they cannot tell stays as it was.

        Also once more for a run whose process was killed after this and before the run's own end was kept.
        """
        if run.session is None or (record := self._store.session(run.session)) is None:
            return
        data = _read(record)
        info = run.info()
        turn = {
            "run": run.id,
            "prompt": run.task.prompt,
            "outcome": run.outcome.value,
            "text": run.text,
            "started": info.started,
            "finished": info.finished or info.started,
        }
        turns = [each for each in data["turns"] if each["run"] != run.id]
        kept = {**_states(record), **states}
        await self._store.put_session(
            SessionRecord(record.session, record.agent, record.title, _data(kept, [*turns, turn]), record.created)
        )

    def list(self) -> list[SessionInfo]:
        """All conversations, the one that was changed last first."""
        return [self._info(record) for record in self._store.sessions()]

    def get(self, session: str) -> SessionDetail:
        """A conversation with its turns. Raises `UsageError`."""
        record = self._known(session)
        turns = tuple(
            Turn(each["run"], each["prompt"], Outcome(each["outcome"]), each["text"], each["started"], each["finished"])
            for each in _read(record)["turns"]
        )
        return SessionDetail(self._info(record), turns)

    async def fork(self, session: str) -> SessionInfo:
        """A new conversation that begins as this one stands. Raises `UsageError`."""
        record = self._known(session)
        fork = SessionRecord(self._fresh(), record.agent, record.title, record.data)
        await self._store.put_session(fork)
        return self._info(self._known(fork.session))

    async def delete(self, session: str) -> None:
        """Forget a conversation; its runs stay in the journal. Raises `UsageError`, also while a run goes on in it."""
        self._known(session)
        if (busy := self._busy(session, None)) is not None:
            raise UsageError(
                f"The run {busy} of this conversation has not ended.",
                hint="Cancel it first, or discard it if it was interrupted.",
                code="session.busy",
            )
        await self._store.delete_session(session)

    def _free(self, session: str, agent: str | None, but: "RunId | None") -> SessionRecord:
        record = self._known(session)
        if agent not in (None, record.agent):
            raise UsageError(
                f"The conversation {session} is one with the agent {record.agent!r}, not {agent!r}.",
                hint=f"Give the task to {record.agent!r}, or begin a new conversation.",
                code="session.agent",
            )
        if (busy := self._busy(session, but)) is not None:
            raise UsageError(
                f"The run {busy} of the conversation {session} has not ended.",
                hint="Wait for its end, resume or discard it if it was interrupted, or fork the conversation.",
                code="session.busy",
            )
        return record

    def _known(self, session: str) -> SessionRecord:
        record = self._store.session(session)
        if record is None:
            raise UsageError(
                f"There is no conversation {session!r}.",
                hint="`vespiary session list` shows them.",
                code="session.unknown",
            )
        return record

    def _busy(self, session: str, but: "RunId | None") -> "RunId | None":
        living = [run.id for run in self._running() if run.session == session]
        # Also what another process carries on, and what was interrupted and may still be resumed.
        kept = [record.run for record in self._store.runs(session=session) if record.state is Outcome.RUNNING]
        return next((run for run in (*living, *kept) if run != but), None)

    def _info(self, record: SessionRecord) -> SessionInfo:
        return SessionInfo(
            record.session,
            record.agent,
            record.title,
            record.created / 1e9,
            record.updated / 1e9,
            len(_read(record)["turns"]),
            self._busy(record.session, None),
        )

    def _fresh(self) -> str:
        while True:
            session = str(new_run_id(self._source))
            if self._store.session(session) is None:
                return session


def _title(prompt: str) -> str:
    line = next((line.strip() for line in prompt.splitlines() if line.strip()), "")
    return line if len(line) <= _TITLE else line[: _TITLE - 1] + "…"


def _data(states: dict[str, str], turns: list[dict[str, Any]]) -> bytes:
    return orjson.dumps({"states": states, "turns": turns})


def _read(record: SessionRecord) -> dict[str, Any]:
    return orjson.loads(record.data)


def _states(record: SessionRecord) -> dict[str, str]:
    return _read(record)["states"]
