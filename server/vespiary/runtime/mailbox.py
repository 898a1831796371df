"""The inputs that wait for one actor, in order and within bounds.

Knows sizes and order. Does not know who sends, or when a step is taken. An answer never waits behind more than one message,
and messages never behind more than one answer, so that neither can starve the other.
"""

from collections import deque
from collections.abc import Sequence
from sys import getsizeof
from typing import Protocol

from vespiary.model.ids import ActorId, RunId
from vespiary.model.messages import Envelope
from vespiary.model.steps import Answer, Deliver

_OVERHEAD = 160
"""Bytes that a waiting input costs beside its payload: its object, its ids, its place in a queue."""


def weigh(item: Envelope | Answer) -> int:
    """About how many bytes a waiting input takes."""
    return getsizeof(item.payload) + _OVERHEAD


class Account:
    """What waits for all actors of one run, in bytes, against a limit."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.held = 0
        self.limit = limit

    @property
    def over(self) -> bool:
        """Whether more waits than may."""
        return self.held > self.limit


Place = tuple[int, int]
"""Where a message stands in the journal of its run: the entry of the step that sent it, and its index among the outputs."""


class Spill(Protocol):
    """Where messages go that a mailbox has no room for. Called on the event loop."""

    def store(self, run: RunId, actor: ActorId, envelope: Envelope, place: Place | None) -> int:
        """Keep a message behind those kept for this actor before. Gives how many bytes of memory that takes."""
        ...

    def take(self, actor: ActorId, limit: int) -> tuple[Sequence[Envelope], int]:
        """Give back the oldest, at most `limit`, and keep them no longer; and how many bytes they took."""
        ...

    def drop(self, actor: ActorId) -> None:
        """Forget what is kept for this actor."""
        ...


class MemorySpill:
    """Keeps messages in memory, whose size the run's `Account` bounds."""

    def __init__(self) -> None:
        self._kept: dict[ActorId, deque[Envelope]] = {}

    def store(self, run: RunId, actor: ActorId, envelope: Envelope, place: Place | None) -> int:
        """Keep a message."""
        self._kept.setdefault(actor, deque()).append(envelope)
        return weigh(envelope)

    def take(self, actor: ActorId, limit: int) -> tuple[Sequence[Envelope], int]:
        """The oldest messages."""
        kept = self._kept.get(actor)
        if kept is None:
            return (), 0
        taken = [kept.popleft() for _ in range(min(limit, len(kept)))]
        if not kept:
            del self._kept[actor]
        return taken, sum(map(weigh, taken))

    def drop(self, actor: ActorId) -> None:
        """Forget an actor's messages."""
        self._kept.pop(actor, None)


class Mailbox:
    """What waits for one actor."""

    __slots__ = (
        "_account",
        "_answer_next",
        "_answers",
        "_bound",
        "_bytes",
        "_held",
        "_letter_bytes",
        "_letters",
        "_owner",
        "_run",
        "_spill",
        "spilled",
    )

    def __init__(self, run: RunId, owner: ActorId, account: Account, spill: Spill, bound: int, size: int) -> None:
        self._run = run
        self._owner = owner
        self._account = account
        self._spill = spill
        self._bound = bound
        self._bytes = size
        self._letter_bytes = 0
        self._letters: deque[Envelope] = deque()
        self._answers: deque[Answer] = deque()
        self._answer_next = True
        self._held = 0
        self.spilled = 0
        """Messages that are in the spill."""

    def __len__(self) -> int:
        return len(self._letters) + len(self._answers) + self.spilled

    def __bool__(self) -> bool:
        return bool(self._letters or self._answers or self.spilled)

    @property
    def answers(self) -> int:
        """Answers that wait."""
        return len(self._answers)

    def waiting(self) -> tuple[Sequence[Envelope], Sequence[Answer]]:
        """Messages and answers that wait, each in order; of messages only those that are not in the spill."""
        return tuple(self._letters), tuple(self._answers)

    def put(self, envelope: Envelope, place: Place | None = None) -> None:
        """Add a message behind all others. It is never dropped; the caller looks at the account afterwards."""
        if self.spilled or len(self._letters) >= self._bound or self._letter_bytes >= self._bytes:
            self._charge(self._spill.store(self._run, self._owner, envelope, place))
            self.spilled += 1
        else:
            self._append(envelope)

    def put_answer(self, answer: Answer, *, first: bool = False) -> None:
        """Add an answer, before all others if `first`. A full mailbox does not hold it up."""
        self._charge(weigh(answer))
        if first:
            self._answers.appendleft(answer)
        else:
            self._answers.append(answer)

    def take(self) -> Deliver | Answer | None:
        """The next input, if there is one: the oldest answer and the oldest message in turn."""
        if self._answers and (self._answer_next or not self._letters):
            return self.take_answer()
        return self.take_letter()

    def take_answer(self, request: int | None = None) -> Answer | None:
        """The oldest answer, or the one to this request."""
        for answer in self._answers:
            if request is None or answer.request == request:
                self._answer_next = False
                self._answers.remove(answer)
                self._charge(-weigh(answer))
                return answer
        return None

    def take_letter(self) -> Deliver | None:
        """The oldest message."""
        if not self._letters:
            return None
        self._answer_next = True
        envelope = self._letters.popleft()
        weight = weigh(envelope)
        self._letter_bytes -= weight
        self._charge(-weight)
        if self.spilled and not self._letters:
            self._refill()
        return Deliver(envelope)

    def withdraw(self, request: int) -> bool:
        """Drop the waiting answer to a request that is no longer wanted. Whether there was one."""
        for answer in self._answers:
            if answer.request == request:
                self._answers.remove(answer)
                self._charge(-weigh(answer))
                return True
        return False

    def drop_answers(self) -> None:
        """Drop all answers: the instance that asked is gone."""
        for answer in self._answers:
            self._charge(-weigh(answer))
        self._answers.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._charge(-self._held)
        self._answers.clear()
        self._letters.clear()
        self._letter_bytes = 0
        self._spill.drop(self._owner)
        self.spilled = 0

    def _charge(self, size: int) -> None:
        self._held += size
        self._account.held += size

    def _append(self, envelope: Envelope) -> None:
        weight = weigh(envelope)
        self._letter_bytes += weight
        self._charge(weight)
        self._letters.append(envelope)

    def _refill(self) -> None:
        back, released = self._spill.take(self._owner, self._bound)
        self._charge(-released)
        for envelope in back:
            self._append(envelope)
        self.spilled -= len(back)
