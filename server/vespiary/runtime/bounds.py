"""What the runtime allows, in numbers, and the refusals that follow from them.

Knows sizes and counts only. The bounds on one instance inside the sandbox are `vespiary.model.steps.Limits`.
"""

from dataclasses import dataclass

from vespiary.model.errors import VespiaryError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one colony. Every queue in the runtime is bounded by one of these."""

    depth: int = 8
    """Scopes from the root agent of a run down to its deepest descendant."""
    scopes_per_run: int = 4096
    """Agents of one run alive at once."""
    actors_per_agent: int = 64
    """Actors of one agent."""
    mailbox_envelopes: int = 1024
    """Messages that one mailbox holds itself; what comes beyond goes to the spill and comes back in order."""
    mailbox_bytes: int = 4 * MIB
    """The same in bytes. What is in the spill takes 16 bytes of memory where a journal has it."""
    waiting_bytes_per_run: int = 64 * MIB
    """Messages and answers that wait for the actors of a run, together. More ends the run; nothing is dropped silently."""
    requests_per_actor: int = 1000
    """Requests of one actor under way or answered but not yet delivered."""
    requests_per_run: int = 10_000
    """The same for all actors of a run."""
    answer_bytes: int = 24 * MIB
    """One answer to a request, in UTF-8: room for the largest file that is read, escaped as JSON. A longer one is a problem."""
    restarts_per_actor: int = 3
    """How often an actor is rebuilt within a run; the next fatal failure ends its agent."""
    snapshot_every: int | None = None
    """Ask an actor for its state after so many messages and answers, to rebuild it from. None: never."""
    checkpoint_entries: int = 20_000
    """Entries of a run after which it is written down as it stands, so that they can go."""
    checkpoint_bytes: int = 64 * MIB
    """The same in bytes."""
    crashes_per_input: int = 2
    """How often a shard may die while it runs an input until that input is blamed for it."""
    shard_losses: int = 20
    """How often in a row a shard may die without finishing a batch until what it was given fails."""
    rebuild_batch: int = 64
    """Recorded steps that are read and repeated at once when an actor is rebuilt."""
    rebuilds_at_once: int = 2
    """Actors that are rebuilt in one shard at the same time."""
    batch: int = 64
    """Steps that go to a shard at once. A batch is never held back to fill it."""
    batches_in_flight: int = 4
    """Batches of one shard that are worked on, wait there, or wait for the journal."""
    actors_before_next_shard: int = 24
    """Actors that the shards in use have each before the next one is taken into use: a process costs memory."""
    turn: int = 64
    """Outputs and deliveries that take effect before the event loop may do something else."""
    dead_letters: int = 1000
    """Dead letters that are kept, the newest."""
    dead_letter_bytes: int = 8 * MIB
    """The same, in bytes."""
    farewell_seconds: float = 0.8
    """How long stop and cancel wait for guests to be gone; what remains is dropped in the background."""


class SpawnRefused(VespiaryError):
    """The colony will not make this agent: too deep, too many, or the run has ended."""

    code = "spawn.refused"


class SpawnFailed(VespiaryError):
    """An agent could not be made. Nothing of it is left. `actor` is the name of the actor that failed, `reason` why."""

    code = "spawn.failed"

    def __init__(self, agent: str, actor: str | None, reason: str) -> None:
        where = f': its actor "{actor}" failed to start' if actor else ""
        super().__init__(f'The agent "{agent}" could not start{where}: {reason}')
        self.agent = agent
        self.actor = actor
        self.reason = reason


class ScopeEnded(VespiaryError):
    """A scope that does not live, or no longer."""

    code = "scope.ended"
