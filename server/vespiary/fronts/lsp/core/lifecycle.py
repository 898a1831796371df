"""The states of a connection, what is allowed in each, and how it ends. Knows LSP's rules about them and nothing else."""

import asyncio
from enum import Enum

from vespiary.fronts.lsp.core.errors import INVALID_REQUEST, NOT_INITIALIZED, Rejected


class State(Enum):
    """Where a connection stands."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    """`shutdown` was received."""


class Lifecycle:
    """`ended` is set when there is nothing more to do; `exit_code` is then what the process should end with."""

    def __init__(self) -> None:
        self.state = State.NEW
        self.ended = asyncio.Event()
        self.shutting_down: asyncio.Task[None] | None = None

    @property
    def exit_code(self) -> int:
        """0 after a proper `shutdown`, else 1."""
        return 0 if self.state is State.STOPPED else 1

    def admit(self, method: str) -> None:
        """Raise `Rejected` if a request may not be made now."""
        if self.state is State.STOPPED:
            raise Rejected(INVALID_REQUEST, f"{method} came after `shutdown`.")
        if method == "initialize":
            if self.state is not State.NEW:
                raise Rejected(INVALID_REQUEST, "`initialize` may be sent only once.")
        elif self.state is not State.RUNNING:
            raise Rejected(NOT_INITIALIZED, f"{method} came before `initialize` was answered.")

    def hears(self) -> bool:
        """Whether notifications count now."""
        return self.state is State.RUNNING

    def end(self) -> None:
        """`exit` came, or the client left."""
        self.ended.set()
