"""A session: a conversation with an agent across runs. Values only. Times are seconds since the epoch."""

from dataclasses import dataclass

from vespiary.model.runs import Outcome


@dataclass(frozen=True, slots=True)
class Turn:
    """One task of a conversation and what was answered."""

    run_id: str
    prompt: str
    outcome: Outcome
    text: str
    started: float
    finished: float


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A conversation as it is listed. `turns` counts its tasks; `running` is the run that goes on in it, if one does."""

    session_id: str
    agent: str
    title: str
    created: float
    updated: float
    turns: int
    running: str | None = None


@dataclass(frozen=True, slots=True)
class SessionDetail:
    """A conversation with its tasks, the oldest first."""

    session: SessionInfo
    turns: tuple[Turn, ...]
