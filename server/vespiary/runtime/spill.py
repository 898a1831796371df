"""A spill that keeps only where messages stand: the journal has them already.

Knows the journal's entries. A message that is in no entry, because the host said it in consequence of something else, is kept
itself.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from vespiary.model.ids import ActorId, RunId, scope_of
from vespiary.model.messages import Envelope
from vespiary.model.pack import unpack_outputs
from vespiary.model.steps import Send
from vespiary.runtime.entries import JournalDiverged, step_actor
from vespiary.runtime.journal import Entry, Journal
from vespiary.runtime.mailbox import Place, weigh

_PLACE_BYTES = 16


@dataclass(slots=True)
class _Kept:
    run: RunId
    entries: "deque[array[int]]" = field(default_factory=deque["array[int]"])
    """Blocks of pairs (entry, index); an entry of zero stands for the next of `others`."""
    others: deque[Envelope] = field(default_factory=deque[Envelope])
    begun: int = 0
    """Pairs of the first block that were taken already."""


_BLOCK = 2048
"""Numbers in a block."""


class JournalSpill:
    """Keeps the places of messages, 16 bytes each."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._kept: dict[ActorId, _Kept] = {}

    def store(self, run: RunId, actor: ActorId, envelope: Envelope, place: Place | None) -> int:
        """Keep a message, or where it stands."""
        kept = self._kept.setdefault(actor, _Kept(run))
        if not kept.entries or len(kept.entries[-1]) >= _BLOCK:
            kept.entries.append(array("Q"))
        if place is None:
            kept.entries[-1].extend((0, 0))
            kept.others.append(envelope)
            return weigh(envelope)
        kept.entries[-1].extend(place)
        return _PLACE_BYTES

    def take(self, actor: ActorId, limit: int) -> tuple[Sequence[Envelope], int]:
        """The oldest messages, read from the journal. Raises what the journal raises when it cannot be read."""
        kept = self._kept.get(actor)
        if kept is None:
            return (), 0
        places = self._places(kept, limit)
        numbers = sorted({number for number, _ in places if number})
        entries = dict(zip(numbers, self._journal.read_now(kept.run, numbers), strict=True)) if numbers else {}
        outputs = {number: unpack_outputs(entry[6]) for number, entry in entries.items()}
        taken: list[Envelope] = []
        released = 0
        for number, index in places:
            if not number:
                taken.append(kept.others.popleft())
                released += weigh(taken[-1])
                continue
            taken.append(_envelope(number, entries[number], outputs[number], index))
            released += _PLACE_BYTES
        if not kept.entries:
            del self._kept[actor]
        return taken, released

    def drop(self, actor: ActorId) -> None:
        """Forget an actor's messages."""
        self._kept.pop(actor, None)

    @staticmethod
    def _places(kept: _Kept, limit: int) -> list[Place]:
        places: list[Place] = []
        while kept.entries and len(places) < limit:
            block = kept.entries[0]
            end = min(len(block) // 2, kept.begun + limit - len(places))
            places.extend((block[2 * at], block[2 * at + 1]) for at in range(kept.begun, end))
            kept.begun = end
            if 2 * end == len(block):
                kept.entries.popleft()
                kept.begun = 0
        return places


def _envelope(number: int, entry: Entry, outputs: Sequence[object], index: int) -> Envelope:
    sent = outputs[index] if index < len(outputs) else None
    if not isinstance(sent, Send):
        raise JournalDiverged(number, f"its output {index} is no message")
    sender = step_actor(entry)
    return Envelope(sent.id, sent.type, sender, scope_of(sender), sent.payload)
