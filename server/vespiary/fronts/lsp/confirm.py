"""Waiting until a document reads as an edit says it should, or until it is clear that it will not.

Knows documents and clocks; does not know what the edit is or how it was sent.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio

from vespiary.model.edits import ApplyResult, ApplyState

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core import Document, Documents

REPLY_SECONDS = 20.0
"""How long the client may take to answer."""
SEEN_SECONDS = 5.0
"""How long a change may take to be seen once the client said that it made it. Neovim gathers changes for 0.15 seconds."""
SETTLE_SECONDS = 0.5
"""How long a document that reads neither as before nor as expected must be quiet to count as somebody else's."""
LINGER_SECONDS = 0.5
"""How long to go on looking after the caller was cancelled, so that a change on its way is still counted."""


class Confirmation:
    """Of one edit; made before the edit is sent."""

    def __init__(self, documents: "Documents", document: "Document", expected: str) -> None:
        self._documents = documents
        self._document = document
        self._before = document.text
        self._expected = _comparable(expected)
        self._news = anyio.Event()
        self._seen = False
        self._closed = False
        self._replied = False
        self._refusal: str | None = None

    async def watch(self, send: Callable[[], Awaitable[Any]]) -> ApplyResult:
        """Send the edit and say what became of it. Cancelled, it looks on for a moment: a change that happened is still told."""
        self._documents.on_change.append(self._changed)
        self._documents.on_close.append(self._gone)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._send, send)
                await self._settle()
                tasks.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._wait_until_seen(LINGER_SECONDS)
            if not self._seen:
                raise
        finally:
            self._documents.on_change.remove(self._changed)
            self._documents.on_close.remove(self._gone)
        return self._result()

    def _changed(self, document: "Document") -> None:
        if document is self._document:
            self._seen = self._seen or _comparable(document.text) == self._expected
            self._wake()

    def _gone(self, document: "Document") -> None:
        if document is self._document:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()

    async def _send(self, send: Callable[[], Awaitable[Any]]) -> None:
        try:
            reply = await send()
            self._refusal = _refusal(reply)
        except Exception as error:  # noqa: BLE001 - an error answer of the client, whose class belongs to the transport
            self._refusal = str(error) or type(error).__name__
        self._replied = True
        self._wake()

    async def _settle(self) -> None:
        with anyio.move_on_after(REPLY_SECONDS):
            while not (self._replied or self._seen or self._closed):
                await self._news.wait()
        if not (self._replied or self._seen or self._closed):
            self._refusal = f"The editor did not answer within {REPLY_SECONDS:.0f} seconds."
        elif self._seen or self._closed:
            # The answer follows the change; going on before it would cancel a request that is being answered.
            with anyio.move_on_after(LINGER_SECONDS):
                while not self._replied:
                    await self._news.wait()
        elif self._refusal is None:
            await self._wait_until_seen(SEEN_SECONDS)

    async def _wait_until_seen(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            while not self._seen and not self._closed:
                somebody_else = self._document.text != self._before
                with anyio.move_on_after(SETTLE_SECONDS if somebody_else else None) as quiet:
                    await self._news.wait()
                if quiet.cancelled_caught:
                    return

    def _result(self) -> ApplyResult:
        if self._seen:
            return ApplyResult(ApplyState.APPLIED)
        if self._closed:
            return ApplyResult(ApplyState.REFUSED, "The document was closed in the editor.")
        if self._document.text != self._before:
            return ApplyResult(ApplyState.STALE, "The document was changed in the editor at the same moment.")
        reason = self._refusal or "The editor said that it made the change, but the document is as before."
        return ApplyResult(ApplyState.REFUSED, reason)


def _comparable(text: str) -> str:
    """Editors give a document one kind of line ending, and may end it with one; that is not a difference."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def _refusal(reply: Any) -> str | None:
    """Why the client says no; none if it says yes, which need not be true."""
    if isinstance(reply, dict) and reply.get("applied") is True:  # pyright: ignore[reportUnknownMemberType]
        return None
    reason: Any = reply.get("failureReason") if isinstance(reply, dict) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    return f"The editor refused the change: {reason}" if reason else "The editor refused the change."
