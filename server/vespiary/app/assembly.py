"""Puts the parts together: the sandbox, the runtime, the capabilities. The one place that knows them all.

Importing this module is the expensive part of a first run; `workspace` does it off the event loop.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from vespiary.app.models import Models
from vespiary.capabilities.agents import AgentsCapability
from vespiary.capabilities.command import CommandCapability
from vespiary.capabilities.http import HttpCapability
from vespiary.capabilities.llm import LlmCapability
from vespiary.capabilities.workspace import WorkspaceCapability
from vespiary.runtime.bounds import Bounds
from vespiary.runtime.capability import Capability
from vespiary.runtime.colony import Colony
from vespiary.runtime.journal import Journal
from vespiary.runtime.observer import Observer
from vespiary.runtime.shard import Shard
from vespiary.runtime.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from vespiary.app.options import Options
    from vespiary.app.steward import Configs, Steward
    from vespiary.capabilities.ports import EditorPort
    from vespiary.model.ids import RunId


PYTHON = "python"
"""The component of Python actors."""


class Assembly:
    """Everything that the runs of one workspace share."""

    def __init__(
        self,
        root: Path,
        editor: "EditorPort",
        steward: "Steward",
        options: "Options",
        configs: "Configs",
        workers: int,
    ) -> None:
        self._options = options
        self._workers = workers
        self._shards: list[Shard] = []
        self._warm: Callable[[], Awaitable[None]] | None = None
        self._models = Models(configs.of_run)
        self._capabilities: dict[str, Capability] = {
            "workspace": WorkspaceCapability(root, editor, steward),
            "command": CommandCapability(
                root, steward, secret_names=configs.secret_names, unsaved=lambda: _unsaved(editor)
            ),
            "llm": LlmCapability(steward, self._models.of),
            "http": HttpCapability(steward),
            "agents": AgentsCapability(steward),
            "timer": Timer(now=options.clock.now),
        }

    def make_shards(self, progress: "Callable[[str], None]") -> None:
        """Make what actors live in. On the event loop; `progress` is told what takes long, also from another thread."""
        if self._workers:
            from vespiary.runtime.workers import make_worker_shards

            shards = make_worker_shards(self._workers, progress=progress)
            self._shards = [*shards]

            async def load() -> None:
                await shards[0].load(PYTHON)

            self._warm = load
        else:
            # Only here: a server whose actors live in other processes never loads the sandbox.
            from vespiary.app.sandbox import in_process

            shard, self._warm = in_process(progress)
            self._shards = [shard]

    async def warm(self) -> None:
        """Load the component that every Python actor runs in, compiling it if it must be. Raises `VespiaryError`."""
        assert self._warm is not None
        await self._warm()

    def colony(self, observer: Observer, journal: Journal | None) -> Colony:
        """A colony that is yet to be entered, and that closes the shards at its end."""
        shards, self._shards = self._shards, []
        return Colony(
            shards=shards,
            capabilities=self._capabilities,
            observer=observer,
            clock=self._options.clock,
            source=self._options.source,
            journal=journal,
            bounds=Bounds(snapshot_every=self._options.snapshot_every if journal is not None else None),
        )

    async def run_ended(self, run: "RunId") -> None:
        """Release what only this run used."""
        await self._models.ended(run)

    async def aclose(self) -> None:
        """Close the connections to models, and shards that no colony has."""
        for shard in self._shards:
            await shard.close()
        await self._models.aclose()


def _unsaved(editor: "EditorPort") -> list[str]:
    return [path for path in editor.buffers() if (buffer := editor.buffer(path)) is not None and buffer.modified]
