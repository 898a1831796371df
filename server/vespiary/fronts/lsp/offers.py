"""Asks the person, when a workspace opens, what is to become of the runs that were interrupted in it.

Resuming is offered, never forced: whatever is not one of the offered answers changes nothing. Knows the client and the workspace;
does not know how a run is resumed.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from vespiary.fronts.lsp.progress import first_line
from vespiary.model.errors import VespiaryError
from vespiary.model.ids import RunId
from vespiary.model.runs import RunInfo

if TYPE_CHECKING:
    from vespiary.app.workspace import Workspace

log = logging.getLogger(__name__)

MOST = 3
"""Runs that are asked about, the newest first; the others can still be listed."""

RESUME, DISCARD, LATER = "Resume", "Discard", "Later"
"""The answers. Any other, and none, is the last."""

WARNING, INFO = 2, 3
"""Kinds of messages."""


class Client(Protocol):
    """What is needed of the connection."""

    async def request(self, method: str, params: Any) -> Any:
        """Ask the client."""
        ...


class Offers:
    """`speak_of` has the answer of a run shown; `show` shows a message of a kind."""

    def __init__(
        self,
        client: Client,
        workspace: "Workspace",
        speak_of: Callable[[RunId], None],
        show: Callable[[int, str], None],
    ) -> None:
        self._client = client
        self._workspace = workspace
        self._speak_of = speak_of
        self._show = show

    async def make(self) -> None:
        """Ask about one run after the other. Returns at the first that the person leaves for later."""
        try:
            if not await self._workspace.has_journal():  # most have none, and load nothing for it
                return
            runs = await self._workspace.interrupted()
            for info in runs[: -MOST - 1 : -1]:
                if not await self._settle(info, await self._answer(info)):
                    return
        except Exception:  # the boundary of the offer: nobody may be harmed by a question
            log.exception("Offering to resume failed")

    async def _answer(self, info: RunInfo) -> str:
        actions = [{"title": title} for title in (RESUME, DISCARD, LATER)]
        params = {"type": INFO, "message": question(info), "actions": actions}
        try:
            answer = await self._client.request("window/showMessageRequest", params)
        except Exception as error:  # noqa: BLE001 - a client that cannot ask, or is gone
            log.info("The client did not ask about run %s: %s", info.run_id, error)
            return LATER
        title = cast(dict[str, Any], answer).get("title") if isinstance(answer, dict) else None
        return title if title in (RESUME, DISCARD) else LATER

    async def _settle(self, info: RunInfo, answer: str) -> bool:
        """Do as the person said; false if there is nothing to be done now."""
        try:
            if answer == RESUME:
                await self._workspace.resume(info.run_id)
                self._speak_of(info.run_id)
            elif answer == DISCARD:
                await self._workspace.discard(info.run_id)
        except VespiaryError as error:  # it was resumed elsewhere meanwhile, for example
            self._show(WARNING, str(error))
        return answer != LATER


def question(info: RunInfo) -> str:
    """What the person is asked: who, what, when, and how far it was."""
    begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.started))
    calls, files = info.usage.calls, len(info.files)
    far = f"{_count(calls, 'model call')}, {_count(files, 'file')} changed" if calls or files else "nothing done yet"
    return f"{info.agent} was interrupted: {first_line(info.prompt)} (begun {begun}; {far}). Shall it go on?"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
