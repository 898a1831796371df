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
from vespiary.runtime.capability import Capability
from vespiary.runtime.colony import Colony
from vespiary.runtime.inprocess import InProcessShard
from vespiary.runtime.observer import Observer
from vespiary.runtime.timer import Timer
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests

if TYPE_CHECKING:
    from collections.abc import Callable

    from vespiary.app.options import Options
    from vespiary.app.steward import Configs, Steward
    from vespiary.capabilities.ports import EditorPort
    from vespiary.model.ids import RunId


class Assembly:
    """Everything that the runs of one workspace share."""

    def __init__(
        self,
        root: Path,
        editor: "EditorPort",
        steward: "Steward",
        options: "Options",
        configs: "Configs",
        progress: "Callable[[str], None]",
    ) -> None:
        self._options = options
        self._models = Models(configs.of_run)
        self._components = ComponentStore(progress=progress)
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

    def warm(self) -> None:
        """Load the component that every Python actor runs in, compiling it if it must be. Blocks; raises `VespiaryError`."""
        self._components.load("python")

    def colony(self, observer: Observer) -> Colony:
        """A colony that is yet to be entered."""
        return Colony(
            shards=[InProcessShard(lambda: WasmGuests(self._components))],
            capabilities=self._capabilities,
            observer=observer,
            clock=self._options.clock,
            source=self._options.source,
        )

    async def run_ended(self, run: "RunId") -> None:
        """Release what only this run used."""
        await self._models.ended(run)

    async def aclose(self) -> None:
        """Close the connections to models."""
        await self._models.aclose()


def _unsaved(editor: "EditorPort") -> list[str]:
    return [path for path in editor.buffers() if (buffer := editor.buffer(path)) is not None and buffer.modified]
