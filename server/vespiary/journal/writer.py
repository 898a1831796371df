"""The writer: one thread with its own connection, which makes all changes, in the order in which they were asked for.

What waits when it comes to it becomes one transaction. When that fails, its parts are tried one by one, so that what is wrong with
one does not fail the others; a run whose entries were not kept takes no more. Knows transactions and futures; does not know tables.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from vespiary.journal.cache import FrameCache
from vespiary.journal.errors import JournalError, is_busy, written
from vespiary.journal.heads import Heads
from vespiary.journal.marks import Marks
from vespiary.journal.opening import Place, Sync, gone
from vespiary.journal.seals import Seals
from vespiary.journal.transaction import Group, Transaction, Undo

T = TypeVar("T")

_log = logging.getLogger(__name__)
_MOST_ITEMS = 512
_MOST_ENTRIES = 4096
_LAZY_SECONDS = 0.05
_PAGES_BYTES = 3 * 4096
"""What a transaction adds to the log, beside its frames: about this."""


class Again:
    """An action's answer that says: once this is committed, in a later transaction, `then`.

    An action may be undone and called again, so what it did is not remembered in the action itself.
    """

    __slots__ = ("then",)

    def __init__(self, then: Callable[[Transaction], Any]) -> None:
        self.then = then


class _Item:
    """Something to do, and whom to tell. `loop` is None for a caller that waits on its thread."""

    __slots__ = ("action", "future", "groups", "lazy", "loop")

    def __init__(
        self,
        groups: Sequence[Group] | None,
        action: Callable[[Transaction], Any] | None,
        loop: asyncio.AbstractEventLoop | None,
        future: "asyncio.Future[Any] | Future[Any]",
        lazy: bool = False,
    ) -> None:
        self.groups = groups
        self.action = action
        self.loop = loop
        self.future = future
        self.lazy = lazy


_Outcome = tuple[_Item, Any, JournalError | None]


class Writer:
    """Makes all changes of a store. `wrote` is told after each transaction; `turn` is held during one."""

    def __init__(
        self,
        place: Place,
        sync: Sync,
        seals: Seals,
        owner: str,
        cache: FrameCache,
        wrote: Callable[[int], None],
        turn: threading.Lock,
        marks: Marks,
    ) -> None:
        self._marks = marks
        self._place = place
        self._connection = place.connect(sync=sync)
        self._seals = seals
        self._heads = Heads(self._connection, seals)
        self._owner = owner
        self._cache = cache
        self._wrote = wrote
        self._turn = turn
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._refused: dict[str, JournalError] = {}
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="vespiary-journal", daemon=True)
        self._thread.start()

    def commit(self, groups: Sequence[Group]) -> "asyncio.Future[None]":
        """Append entries. On the event loop; costs it microseconds."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._put(_Item(groups, None, loop, future))
        return future

    def submit(self, action: Callable[[Transaction], T | Again], *, lazy: bool = False) -> "asyncio.Future[T]":
        """Do something within a transaction. `lazy`: it may wait a moment for others. On the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Item(None, action, loop, future, lazy))
        return future

    def call(self, action: Callable[[Transaction], T | Again]) -> "Future[T]":
        """As `submit`, for a caller without an event loop."""
        future: Future[T] = Future()
        self._put(_Item(None, action, None, future))
        return future

    def reopen(self, run: str) -> None:
        """Let the run take entries again. Called within an action."""
        self._refused.pop(run, None)

    def close(self) -> None:
        """Do what was asked for, then end. Blocks."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _put(self, item: _Item) -> None:
        with self._closing:
            if not self._closed:
                self._queue.put(item)
                return
        _resolve([(item, None, _closed())])

    def _work(self) -> None:
        ending = False
        while not ending:
            items, ending = self._take()
            if items:
                again = self._settle(self._carry_out(items))
                for item in again:
                    self._queue.put(item)
        self._connection.close()
        while not self._queue.empty():
            # Only what was to be done again comes after the end.
            item = self._queue.get()
            if item is not None:
                self._settle([(item, None, _closed())])

    def _take(self) -> tuple[list[_Item], bool]:
        """What waits, and whether it is the last."""
        items: list[_Item] = []
        entries = 0
        until: float | None = None
        try:
            item = self._queue.get()
            while True:
                if item is None:
                    return items, True
                items.append(item)
                if item.groups is not None:
                    entries += sum(len(group[2]) for group in item.groups)
                if len(items) >= _MOST_ITEMS or entries >= _MOST_ENTRIES:
                    return items, False
                if not item.lazy:
                    until = 0.0
                elif until is None:
                    until = time.monotonic() + _LAZY_SECONDS
                item = self._next(until)
        except Empty:
            return items, False

    def _next(self, until: float) -> _Item | None:
        if until == 0.0:
            return self._queue.get_nowait()
        left = until - time.monotonic()
        return self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()

    def _carry_out(self, items: list[_Item]) -> list[_Outcome]:
        try:
            with self._turn:
                return self._transaction(items)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: whatever went wrong, its callers are told
            if len(items) > 1 and not is_busy(error):
                return [outcome for item in items for outcome in self._carry_out([item])]
            failure = error.cause if isinstance(error, Undo) else written(error)
            # What a person can mend needs no traceback; there may be one for each change that waits.
            trace = None if failure.code in ("journal.full", "journal.busy", "journal.gone") else error
            _log.warning("The journal did not keep %d changes: %s", len(items), failure, exc_info=trace)
            return [self._refuse(item, failure) for item in items]

    def _transaction(self, items: list[_Item]) -> list[_Outcome]:
        if not self._place.is_there():
            raise gone()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            transaction = Transaction(self._connection, self._seals, self._heads, self._owner)
            outcomes = [self._do(transaction, item) for item in items]
            transaction.flush()
            self._connection.execute("COMMIT")
        except BaseException:
            self._heads.clear()
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        size = _PAGES_BYTES
        for run, first, count, data in transaction.frames:
            self._cache.put(run, first, count, data)
            size += len(data) + 4096
            self._marks.put(run, first + count)
        for run, number in transaction.marks.items():
            self._marks.put(run, number)
        self._wrote(size)
        return outcomes

    def _do(self, transaction: Transaction, item: _Item) -> _Outcome:
        if item.groups is not None:
            try:
                for run, _, _ in item.groups:
                    if run in self._refused:
                        # A new one each time: one that is raised again and again grows.
                        refused = self._refused[run]
                        raise JournalError(refused.message, hint=refused.hint, code=refused.code)
                transaction.append(item.groups)
            except JournalError as error:
                return self._refuse(item, error)
            return (item, None, None)
        action = item.action
        assert action is not None
        connection = transaction.connection
        connection.execute("SAVEPOINT action")
        try:
            value = action(transaction)
        except JournalError as error:
            connection.execute("ROLLBACK TO action")
            connection.execute("RELEASE action")
            self._heads.clear()
            return (item, None, error)
        connection.execute("RELEASE action")
        return (item, value, None)

    def _refuse(self, item: _Item, error: JournalError) -> _Outcome:
        """What was not kept of a run makes a gap: the run takes no more."""
        for run, _, _ in item.groups or ():
            self._refused.setdefault(run, error)
        return (item, None, error)

    def _settle(self, outcomes: list[_Outcome]) -> list[_Item]:
        """Tell the callers, each event loop in one call. Gives what is to be done again."""
        again: list[_Item] = []
        loops: dict[asyncio.AbstractEventLoop | None, list[_Outcome]] = {}
        for outcome in outcomes:
            item, value, _ = outcome
            if isinstance(value, Again):
                item.action = value.then
                again.append(item)
            else:
                loops.setdefault(item.loop, []).append(outcome)
        for loop, theirs in loops.items():
            if loop is None:
                _resolve(theirs)
                continue
            try:
                loop.call_soon_threadsafe(_resolve, theirs)
            except RuntimeError:
                # The loop was closed: nobody waits any more.
                _log.debug("%d changes were kept that nobody waits for", len(theirs))
        return again


def _closed() -> JournalError:
    return JournalError("The journal is closed.", code="journal.closed")


def _resolve(outcomes: list[_Outcome]) -> None:
    for item, value, error in outcomes:
        future = item.future
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
            if item.loop is not None:
                # Callers may ignore the answer: it was logged.
                cast("asyncio.Future[Any]", future).exception()
