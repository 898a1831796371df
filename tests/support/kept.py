"""Colonies of scripted guests with a real journal, and the same run in another one."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.colonies import RUN, Stage, staged
from support.guests import Scripted
from support.journals import open_store
from vespiary.journal.records import RunRecord
from vespiary.model.ids import Scope
from vespiary.model.steps import Caller
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.capability import Capability


@asynccontextmanager
async def kept(
    root: Path,
    *behaviours: type[Scripted],
    capabilities: Mapping[str, Capability] | None = None,
    bounds: Bounds | None = None,
    seed: int = 7,
    inline: bool = False,
) -> AsyncGenerator[Stage]:
    """A colony with the journal of `root`. The run, if it has one, is recovered and goes on."""
    with open_store(root) as store:
        begun = store.run(RUN) is not None
        if begun:
            assert store.claim(RUN)
        else:
            await store.begin(RunRecord(RUN))
        async with staged(
            *behaviours, capabilities=capabilities, bounds=bounds, journal=store, seed=seed, inline=inline
        ) as stage:
            if begun:
                await stage.colony.recover(RUN, store.entries(RUN), lambda kind, data: None)
                stage.colony.resume(RUN)
            yield stage


def entries(root: Path) -> list[Any]:
    """The entries of the run."""
    with open_store(root, read_only=True) as store:
        return [entry for _, entry in store.entries(RUN)]


async def plant(root: Path, entries: Sequence[Any]) -> None:
    """A journal whose process was killed after these entries."""
    root.mkdir()  # noqa: ASYNC240 - a test's own folder
    with open_store(root) as store:
        await store.begin(RunRecord(RUN))
        await store.commit([(RUN, 1, entries)])


class Making:
    """A capability that makes an agent, as that of the app does. `stage` gives the colony."""

    def __init__(self, stage: Callable[[], Stage], spec: Any) -> None:
        self._stage = stage
        self._spec = spec
        self.callers: list[Caller] = []

    async def __call__(self, caller: Caller, payload: str) -> str:
        self.callers.append(caller)
        scope: Scope = await self._stage().colony.spawn(
            self._spec, run=caller.run, parent=caller.scope, cause=(caller.actor, caller.request)
        )
        return f'"{scope}"'

    def repeatable(self, payload: str) -> bool:
        return True
