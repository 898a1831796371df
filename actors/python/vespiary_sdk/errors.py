"""The errors that an actor's author meets. Knows how the host writes a refusal; knows no capability."""

import json
from typing import Any


class CapabilityError(Exception):
    """The host would not do, or could not do, what the actor asked for.

    `code` is stable and dotted (`workspace.stale`), `message` a sentence, `hint` says what to do next, if anything is known.
    Raised by every function that asks the host for something. Uncaught in a tool, its text becomes the answer to the model.
    """

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class ToolError(Exception):
    """Raised by a tool to tell the model that it did not work, and why: an answer, not a fault of the actor."""


class ActorError(Exception):
    """The actor cannot work as it is written or configured. Told to whoever starts the agent."""


def refused(text: str) -> CapabilityError:
    """The error behind the host's words: JSON `{"code", "message", "hint"?}`, or a bare sentence."""
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        return CapabilityError("request.refused", text[:1].upper() + text[1:])
    problem: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
    hint = problem.get("hint")
    return CapabilityError(
        str(problem.get("code", "request.refused")),
        str(problem.get("message", text)),
        str(hint) if hint is not None else None,
    )
