"""What a colony counts, as one value for people and tests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Statistics:
    """The state of a colony at one moment, and sums since it began."""

    runs: int
    scopes: int
    actors: int
    """Also those whose guests are still being dropped."""
    subscriptions: int
    ready: int
    """Actors that wait for their turn."""
    in_flight: int
    """Steps that the shards have."""
    waiting: int
    """Messages and answers in mailboxes."""
    spilled: int
    """Those of them that are in the spill."""
    waiting_bytes: int
    requests: int
    """Requests under way."""
    dead_letters: int
    steps: int
    """Since the beginning, as are the following."""
    messages: int
    deliveries: int
    failures: int
    restarts: int
    guest_seconds: float
    """Time spent inside guests."""
