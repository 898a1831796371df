"""Runs as work-done progress: a line in the editor that says what an agent does, with a button that cancels it.

Only tokens that the server makes are used: a token that came with a request ends with its answer, and those are given at once.
Knows events and the progress part of LSP; knows nothing of how runs work.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from vespiary.model.events import RunEvent, RunFinished, RunResumed, RunStarted, Status, ToolEvent, ToolState
from vespiary.model.ids import RunId
from vespiary.model.runs import Outcome

log = logging.getLogger(__name__)

MESSAGE_LENGTH = 80
"""Characters of a progress line."""


class Client(Protocol):
    """What is needed of the connection."""

    def notify(self, method: str, params: Any) -> None:
        """Tell the client."""
        ...

    async def request(self, method: str, params: Any) -> Any:
        """Ask the client."""
        ...

    def spawn(self, function: Callable[..., Any], *args: Any) -> None:
        """Start a task."""
        ...


class Progress:
    """The progress of all runs. `tokens` is where the transport looks for what a cancelled token means."""

    def __init__(
        self, client: Client, tokens: dict[Any, "asyncio.Future[Any]"], cancel: Callable[[RunId], object]
    ) -> None:
        self._client = client
        self._tokens = tokens
        self._cancel = cancel
        self._shown: dict[RunId, _Line] = {}

    def hear(self, event: RunEvent) -> None:
        """Show what an event means for the line of its run."""
        body = event.body
        if isinstance(body, RunStarted | RunResumed):
            line = self._shown[event.run_id] = _Line(event.run_id, event.agent, first_line(body.prompt))
            self._client.spawn(self._begin, line)
            return
        line = self._shown.get(event.run_id)
        if line is None:
            return
        if isinstance(body, RunFinished):
            del self._shown[event.run_id]
            line.ended = _ENDINGS[body.outcome]
            self._end(line)
        elif (message := _message(body)) is not None and message != line.message:
            line.message = message
            if line.begun:
                self._tell(line, {"kind": "report", "message": message})

    async def _begin(self, line: "_Line") -> None:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._tokens[line.token] = future
        try:
            await self._client.request("window/workDoneProgress/create", {"token": line.token})
        except Exception as error:  # noqa: BLE001 - a client that does not want progress gets none
            log.info("The client made no progress for run %s: %s", line.run_id, error)
            self._tokens.pop(line.token, None)
            return
        future.add_done_callback(lambda _: self._cancelled(line))
        value = {"kind": "begin", "title": line.title, "cancellable": True, "message": line.message}
        self._tell(line, value)
        line.begun = True
        self._end(line)

    def _end(self, line: "_Line") -> None:
        if line.begun and line.ended is not None:
            self._tokens.pop(line.token, None)
            self._tell(line, {"kind": "end", "message": line.ended})

    def _cancelled(self, line: "_Line") -> None:
        if line.ended is None:
            self._cancel(line.run_id)

    def _tell(self, line: "_Line", value: dict[str, Any]) -> None:
        self._client.notify("$/progress", {"token": line.token, "value": value})


class _Line:
    """The progress of one run. `ended` is its last message, once there is one."""

    __slots__ = ("begun", "ended", "message", "run_id", "title", "token")

    def __init__(self, run_id: RunId, title: str, message: str) -> None:
        self.run_id = run_id
        self.token = f"vespiary/{run_id}"
        self.title = title
        self.message = message
        self.begun = False
        self.ended: str | None = None


_ENDINGS = {
    Outcome.DONE: "done",
    Outcome.FAILED: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.INTERRUPTED: "interrupted",
    Outcome.RUNNING: "ended",
}


def first_line(text: str) -> str:
    """The beginning of a text, on one line of at most `MESSAGE_LENGTH` characters."""
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_LENGTH else f"{line[: MESSAGE_LENGTH - 1]}…"


def _message(body: object) -> str | None:
    if isinstance(body, ToolEvent) and body.state in (ToolState.CALLED, ToolState.RUNNING):
        return first_line(body.title or body.name)
    if isinstance(body, Status) and body.state != "tools":
        return first_line(f"{body.state}: {body.detail}" if body.detail else body.state)
    return None
