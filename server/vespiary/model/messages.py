"""Messages between actors, and who wants them.

Knows the envelope, the subscription and how a pattern matches a type. Does not know how messages travel.
"""

from dataclasses import dataclass
from enum import StrEnum

from vespiary.model.ids import ActorId, Scope


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message as it is delivered. `payload` is JSON text; `scope` is the sender's scope."""

    id: str
    type: str
    sender: ActorId
    scope: Scope
    payload: str


class Extent(StrEnum):
    """From where a subscriber hears messages."""

    OWN = "own"
    """Published in the subscriber's own scope."""
    SUBTREE = "subtree"
    """Published in the subscriber's own scope or in any scope below it."""
    EVERYWHERE = "everywhere"
    """Published anywhere in the same run."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A wish to be woken: a type pattern (`a.b`, `a.*` for everything below `a`, `*` for all) and an extent."""

    pattern: str
    extent: Extent = Extent.OWN


def matches(pattern: str, message_type: str) -> bool:
    """Whether a subscription pattern covers a message type."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return message_type.startswith(pattern[:-1])
    return pattern == message_type
