"""WebAssembly guests for a worker process. Importing this is the expensive part of its start: it is done with the first need."""

from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests
from vespiary.worker.guests import Progress


class Sandbox(WasmGuests):
    """The guests of the process and the components that they are made of."""

    def __init__(self, progress: Progress) -> None:
        self._store = ComponentStore(progress)
        super().__init__(self._store)

    def load(self, reference: str) -> str:
        """Load a component, compiling it if it must be; gives its identity. Raises `VespiaryError`."""
        return self._store.load(reference).identity
