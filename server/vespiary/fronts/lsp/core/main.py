"""From a plain call to a running server: what a command line calls. Knows the order of starting; does not know its options.

The garbage collector rests while thousands of classes and functions are made that stay for ever; a moment after `initialize` they
are set aside, and it works as usual on what comes later.
"""

import asyncio
import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core.server import Server

SETTLE_SECONDS = 1.0


def run_stdio(make_server: "Callable[[], Server]") -> int:
    """Serve one client on standard input and output. Gives the exit code."""
    gc.disable()
    import anyio

    from vespiary.fronts.lsp.core.stdio import serve_stdio

    async def serve() -> int:
        asyncio.get_running_loop().call_later(SETTLE_SECONDS, _settle)
        return await serve_stdio(make_server)

    return anyio.run(serve)


def _settle() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


def run_tcp(
    host: str,
    port: int,
    make_server: "Callable[[], Server]",
    *,
    allow_remote: bool = False,
    ready: Callable[[str, int], None] | None = None,
) -> int:
    """Serve clients on TCP until interrupted. Gives the exit code. Raises `UsageError` as `serve_tcp`."""
    import anyio

    from vespiary.fronts.lsp.core.tcp import serve_tcp

    async def serve() -> None:
        await serve_tcp(host, port, make_server, allow_remote=allow_remote, ready=ready)

    try:
        anyio.run(serve)
    except KeyboardInterrupt:
        pass
    return 0
