"""What every part of the store stands on: the opened database, its writer, its readers, and the life of them all."""

import atexit
import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vespiary.journal import folder as folders
from vespiary.journal.cache import FrameCache
from vespiary.journal.checkpoints import Checkpoints
from vespiary.journal.entries import Entries
from vespiary.journal.errors import UNREADABLE, JournalDamaged, JournalError, written
from vespiary.journal.locks import acquire
from vespiary.journal.marks import ENDED, Marks
from vespiary.journal.opening import Place, Sync, open_for_reading, open_for_writing
from vespiary.journal.owners import Owners
from vespiary.journal.purge import purge
from vespiary.journal.readers import Readers
from vespiary.journal.schema import Schema
from vespiary.journal.seals import Seals
from vespiary.journal.writer import Writer

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger(__name__)
_OPENING_SECONDS = 30.0
_MOST_NOTICES = 100


class Core:
    """An open journal. Made by `JournalStore.open`.

    `notices` are sentences for people: what was set aside, which rows are damaged.
    """

    def __init__(
        self, folder: Path, key: bytes, sync: Sync, now: Callable[[], int], schema: Schema, *, read_only: bool
    ) -> None:
        self.folder = folder
        self.notices: list[str] = []
        self._now = now
        self._sync: Sync | None = None
        self._cache = FrameCache()
        self._owners = Owners(folder / "owners")
        self._marks = Marks(folder / "marks")
        self._closed = False
        try:
            self._open(key, sync, schema, read_only=read_only)
        except (OSError, *UNREADABLE) as error:
            self._owners.end()
            raise written(error) from error
        except BaseException:
            self._owners.end()
            raise
        if not read_only:
            atexit.register(self.close)
            self._writer_or_refuse().call(purge)

    def _open(self, key: bytes, sync: Sync, schema: Schema, *, read_only: bool) -> None:
        folder = self.folder
        if read_only:
            self._set_up(open_for_reading(folder, key, schema), None)
            return
        folders.prepare(folder)
        folders.check_file(folder / "journal.lock")
        opening = acquire(folder / "journal.lock", seconds=_OPENING_SECONDS)
        if opening is None:
            raise JournalError(
                "Another Vespiary has been opening the journal for half a minute.",
                hint="End it if it hangs, then try again.",
                code="journal.busy",
            )
        try:
            place = open_for_writing(folder, key, schema, in_use=self._owners.others, notice=self._tell)
            self._owners.others()
            # Before the lock is freed, so that nobody moves aside what is in use.
            self._owners.begin()
            self._sync = sync
            self._set_up(place, sync)
            self._missed()
        finally:
            opening.release()

    @property
    def owner(self) -> str:
        """The token of this store: what `RunRecord.owner` says of runs that it writes."""
        return self._owners.token

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written."""
        return self._writer is None

    def close(self) -> None:
        """Write what was asked for, and end. Blocks; may be called again, on any thread."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self._writer is not None:
            self._writer.close()
        self._marks.close()
        self._readers.close()
        if self._checkpoints is not None:
            self._checkpoints.close()
        self._owners.end()

    def _set_up(self, place: Place, sync: Sync | None) -> None:
        self._place = place
        self._seals = Seals(place.key)
        self._readers = Readers(place)
        self._entries = Entries(self._readers, self._seals, self._cache)
        self._writer: Writer | None = None
        self._checkpoints: Checkpoints | None = None
        if sync is not None:
            turn = threading.Lock()
            self._checkpoints = Checkpoints(place, sync, turn)
            try:
                self._writer = Writer(
                    place,
                    sync,
                    self._seals,
                    self._owners.token,
                    self._cache,
                    self._checkpoints.wrote,
                    turn,
                    self._marks,
                )
            except BaseException:
                self._checkpoints.close()
                raise

    def _missed(self) -> None:
        """Tell of runs that the journal had and has no more. Nobody else opens it meanwhile, and a mark comes after its run."""
        replaced = bool(self.notices)  # which was told
        marked = self._marks.runs()
        there = {row[0] for row in self._select("SELECT run FROM heads")} if marked else set[str]()
        for run in marked:
            if run not in there:
                if not replaced and 0 < self._marks.get(run, since_boot=self._sync == "normal") < ENDED:
                    self._tell(
                        f"The run {run}, which had not ended, is no longer in the journal: it cannot be resumed."
                    )
                self._marks.drop(run)

    def _writer_or_refuse(self) -> Writer:
        if self._writer is None:
            raise JournalError("The journal was opened only to be read.", code="journal.read-only")
        return self._writer

    def _tell(self, sentence: str) -> None:
        if sentence not in self.notices and len(self.notices) < _MOST_NOTICES:
            self.notices.append(sentence)
            _log.info("%s", sentence)

    def _sound(self, rows: Iterable[R], read: Callable[[R], T]) -> Iterator[T]:
        """What can be read of rows; of what is damaged people are told, and it is left out."""
        for row in rows:
            try:
                yield read(row)
            except JournalDamaged as error:
                self._tell(error.message)

    def _select(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._readers.use() as connection:
            return connection.execute(statement, values).fetchall()

    def __enter__(self) -> "Core":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(JournalError):
            self.close()
