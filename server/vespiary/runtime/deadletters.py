"""What could not be delivered or was fatal to its receiver, kept for people to look at. Bounded in count and bytes."""

from collections import deque
from dataclasses import dataclass

from vespiary.model.ids import ActorId, RunId
from vespiary.model.messages import Envelope
from vespiary.model.steps import Answer
from vespiary.runtime.mailbox import weigh


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One input. `receiver` is the actor that failed on it; none when there was nobody to give it to. `time` is in
    nanoseconds since the epoch."""

    run: RunId
    receiver: ActorId | None
    content: Envelope | Answer
    reason: str
    time: int


class DeadLetters:
    """The newest dead letters of all runs."""

    def __init__(self, count: int, size: int) -> None:
        self._kept: deque[DeadLetter] = deque()
        self._count = count
        self._limit = size
        self._held = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, letter: DeadLetter) -> None:
        """Keep one, and forget the oldest as far as the bounds ask for it."""
        self._kept.append(letter)
        self._held += weigh(letter.content)
        while self._kept and (len(self._kept) > self._count or self._held > self._limit):
            self._held -= weigh(self._kept.popleft().content)

    def of(self, run: RunId) -> tuple[DeadLetter, ...]:
        """Those of a run, oldest first."""
        return tuple(letter for letter in self._kept if letter.run == run)
