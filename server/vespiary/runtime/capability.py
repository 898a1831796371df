"""The seam between the runtime and what the host does for actors.

The runtime starts a capability for every request that a committed step put out, and hands its answer back as a step input. It does
not know what a capability means.
"""

from typing import Protocol

from vespiary.model.steps import Caller


class Capability(Protocol):
    """One kind of request. Called on the event loop, once per request, in a task of its own that may be cancelled."""

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Do the work and return the answer as JSON text.

        Raises `vespiary.model.errors.RequestRefused` (or another `VespiaryError`) to answer with a problem. Anything else is
        logged with its ids and answered as `internal`, without details.
        """
        ...

    def repeatable(self, payload: str) -> bool:
        """Whether the request may be started again after a crash that lost its answer (reads, model calls)."""
        ...
