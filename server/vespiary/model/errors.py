"""Failures as values for people: what happened, where, and what to do next.

Every error that a person or an actor may see derives from `VespiaryError`. `code` is stable and dotted, so that
clients can branch on it; `message` is a sentence; `hint` says what to do. None of them holds a secret.
"""

from dataclasses import dataclass


class VespiaryError(Exception):
    """A failure with a stable code, a sentence and, where there is one, a way out."""

    code: str = "internal"

    def __init__(self, message: str, *, hint: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        if not self.hint:
            return self.message
        # A message that lists something has its hint below the list.
        between = "\n" if "\n" in self.message else " "
        return f"{self.message}{between}{self.hint}"

    def problem(self) -> "Problem":
        """The same failure as a value."""
        return Problem(self.code, self.message, self.hint)


class RequestRefused(VespiaryError):
    """A capability will not do what an actor asked for. The actor gets the problem as its answer and lives on."""

    code = "request.refused"


class UsageError(VespiaryError):
    """A person asked for something that cannot be meant: a bad argument, an unknown agent. Exit code 2."""

    code = "usage"


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure as data: what crosses the boundary to actors, editors and the journal."""

    code: str
    message: str
    hint: str | None = None
