"""A shard in this process, with the sandbox. The one module of the app that loads WebAssembly."""

from collections.abc import Awaitable, Callable

import anyio.to_thread

from vespiary.runtime.guests import Guests
from vespiary.runtime.inprocess import InProcessShard
from vespiary.runtime.shard import Shard
from vespiary.wasm.components import PYTHON, ComponentStore
from vespiary.wasm.guests import WasmGuests


def in_process(progress: Callable[[str], None]) -> tuple[Shard, Callable[[], Awaitable[None]]]:
    """The shard, and what loads the component of Python actors into it."""
    components = ComponentStore(progress=progress)

    async def warm() -> None:
        # Nobody waits for a compiler longer than they want.
        await anyio.to_thread.run_sync(components.load, PYTHON, abandon_on_cancel=True)

    return InProcessShard(lambda: WasmGuests(components)), warm


def fresh_guests(progress: Callable[[str], None]) -> Guests:
    """A sandbox for the calling thread, which closes it."""
    return WasmGuests(ComponentStore(progress=progress))
