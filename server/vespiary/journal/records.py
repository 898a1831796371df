"""What the journal keeps beside entries: runs, sessions, usage, dead letters. Values only; times are nanoseconds since 1970."""

from dataclasses import dataclass, field
from typing import Any, Literal

from vespiary.model.ids import RunId
from vespiary.model.runs import Mode, Outcome


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. `header` and `info` are plain data (JSON) that only the app reads; `next` is the number of its next entry.

    `owner` is the token of the store that writes it, `base` the number of its first entry that is still there. The store decides
    `owner`, `base`, `next` and `size` (bytes of entries), and `created` and `updated` where they are 0.
    """

    run: RunId
    agent: str = ""
    prompt: str = ""
    mode: Mode = Mode.APPLY
    session: str | None = None
    header: dict[str, Any] = field(default_factory=dict[str, Any])
    state: Outcome = Outcome.RUNNING
    info: dict[str, Any] | None = None
    created: int = 0
    updated: int = 0
    owner: str = ""
    base: int = 1
    next: int = 1
    size: int = 0


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A conversation across runs. `data` is the app's."""

    session: str
    agent: str = ""
    title: str = ""
    data: bytes = b""
    created: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One model call. Tokens as the provider counted them; `cost` in millionths of a dollar, where it is known."""

    run: RunId
    session: str | None
    time: int
    agent: str
    scope: str
    provider: str
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost: int | None = None
    calls: int = 1


@dataclass(frozen=True, slots=True)
class DeadRow:
    """A message or an answer that nobody took, or that killed whoever took it."""

    run: RunId
    time: int
    receiver: str | None
    sender: str | None
    kind: Literal["message", "answer"]
    type: str
    reason: str
    payload: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` let go. `bytes` is by how much the database file became smaller."""

    runs: int
    specs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What a journal holds. Sizes in bytes; `free_bytes` are within the file and will be written again."""

    file_bytes: int
    wal_bytes: int
    free_bytes: int
    runs: dict[str, int]
    frames: int
    entries: int
    entry_bytes: int
    events: int
    usage: int
    dead: int
    sessions: int
    specs: int
