"""The colony of a workspace, its shards and its journal: made on first need, put away at the end.

Knows how the parts are got, and off the event loop what takes long. Does not know what runs do with them.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import anyio.from_thread
import anyio.to_thread

from vespiary.model.errors import VespiaryError

if TYPE_CHECKING:
    from vespiary.app.assembly import Assembly
    from vespiary.app.options import Options
    from vespiary.app.recorder import Recorder
    from vespiary.config import Config
    from vespiary.journal.store import JournalStore
    from vespiary.runtime.colony import Colony

log = logging.getLogger(__name__)

STATE_FOLDER = ".vespiary"
"""In the workspace: what belongs to Vespiary there."""


@dataclass(slots=True)
class _Start:
    """Something that is being made."""

    over: anyio.Event = field(default_factory=anyio.Event)
    failure: Exception | None = None


class Hosting:
    """`assemble` makes the parts; `config` reads the configuration; `say` tells people what takes long or goes wrong."""

    def __init__(
        self,
        root: Path,
        options: "Options",
        tasks: anyio.abc.TaskGroup,
        config: "Callable[[], Config]",
        assemble: "Callable[[int], Assembly]",
        recorder: "Recorder",
        say: Callable[[str], None],
    ) -> None:
        self._root = root
        self._options = options
        self._tasks = tasks
        self._config = config
        self._make = assemble
        self._recorder = recorder
        self._say = say
        self.assembly: Assembly | None = None
        self._colony: Colony | None = None
        self._store: JournalStore | None = None
        self._store_asked = False
        self._opening = anyio.Lock()
        self._start: _Start | None = None

    @property
    def running(self) -> "Colony | None":
        """The colony, if there is one already."""
        return self._colony

    @property
    def store(self) -> "JournalStore | None":
        """The journal, if it is open."""
        return self._store

    def has_journal(self) -> bool:
        """Whether the workspace has a journal already. Looks at the disk."""
        return (self._root / STATE_FOLDER / "journal.db").exists()

    async def journal(self) -> "JournalStore | None":
        """The journal, opened now if need be; none where none is kept. People are told why, once."""
        async with self._opening:
            if not self._store_asked:
                try:
                    self._store = await anyio.to_thread.run_sync(self._open_store)
                except VespiaryError as error:
                    from vespiary.app.chronicle import why_not_kept

                    self._say(why_not_kept(error))
                self._store_asked = True
                if self._store is not None:
                    for notice in self._store.notices:
                        self._say(notice)
                    self._recorder.attach(self._store)
        return self._store

    def _open_store(self) -> "JournalStore | None":
        from vespiary.config import JournalConfig, state_dir
        from vespiary.journal.key import load_key
        from vespiary.journal.store import JournalStore

        try:
            wanted = self._config().journal
        except VespiaryError:  # told to whoever starts a run
            wanted = JournalConfig()
        if not (wanted.enabled and self._options.journal):
            return None
        return JournalStore.open(
            self._root / STATE_FOLDER, key=load_key(state_dir()), sync=wanted.sync, now=self._options.clock.now
        )

    async def colony(self) -> "Colony":
        """The colony, made now if need be. Raises the `VespiaryError` that keeps it from being made."""
        if self._colony is not None:
            return self._colony
        start = self._start
        if start is None:
            # A task of the workspace, not of whoever asks first: that one may be cancelled, and must not wait for a compiler then.
            start = self._start = _Start()
            self._tasks.start_soon(self._host, start, name="colony")
        await start.over.wait()
        if start.failure is not None:
            raise start.failure
        if self._colony is None:  # it was put away meanwhile
            raise VespiaryError("The workspace is being closed.", code="workspace.closed")
        return self._colony

    async def _host(self, start: _Start) -> None:
        assembly: Assembly | None = None
        store: JournalStore | None = None
        try:
            store = await self.journal()
            assembly = await anyio.to_thread.run_sync(self._assemble, abandon_on_cancel=True)
            assembly.make_shards(self._progress)
            await assembly.warm()
            self.assembly = assembly
        except Exception as error:  # noqa: BLE001 - raised again for whoever waits; the next one tries again
            start.failure = error
            if assembly is not None:
                await assembly.aclose()
                assembly = None
        finally:
            self._start = None
            if assembly is None:
                start.over.set()
        if assembly is None:
            return
        try:
            async with assembly.colony(self._recorder.observer, store) as colony:
                self._colony = colony
                start.over.set()
                await anyio.sleep_forever()
        finally:
            start.over.set()
            self._colony = None
            with anyio.CancelScope(shield=True):
                await assembly.aclose()

    def _assemble(self) -> "Assembly":
        count = self._options.workers
        with suppress(VespiaryError):
            said = self._config().workers.count
            count = count if said is None else said
        return self._make(count)

    def _progress(self, line: str) -> None:
        """Told on the loop or on a thread of it."""
        try:
            anyio.from_thread.run_sync(self._say, line)
        except RuntimeError:  # it is the loop itself, or a thread that the loop does not know
            self._say(line)

    async def put_away(self) -> None:
        """Close the journal, after the colony's end."""
        store, self._store = self._store, None
        if store is not None:
            self._recorder.detach()
            await anyio.to_thread.run_sync(store.close)
