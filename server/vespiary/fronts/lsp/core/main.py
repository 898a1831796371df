"""From a plain call to a running server: what a command line calls. Knows the order of starting; does not know its options.

The garbage collector rests while thousands of classes and functions are made that stay for ever; a moment after `initialize` they
are set aside, and it works as usual on what comes later.
"""

import asyncio
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core.server import Server

SETTLE_SECONDS = 1.0
LAST_SECONDS = 10.0
"""How long the tasks of the server may take to end once the client is gone."""


def run_stdio(make_server: "Callable[[], Server]") -> int:
    """Serve one client on standard input and output. Gives the exit code."""
    gc.disable()
    import anyio

    from vespiary.fronts.lsp.core.stdio import serve_stdio

    async def serve() -> int:
        asyncio.get_running_loop().call_later(SETTLE_SECONDS, _settle)
        return await serve_stdio(make_server, ended=_leave_at_last)

    return anyio.run(serve)


def _leave_at_last(exit_code: int) -> None:
    """The client is gone, so the process ends: even if something in it does not want to."""

    def leave() -> None:
        sys.stderr.write("vespiary: something did not end in time and is left behind\n")
        sys.stderr.flush()
        os._exit(exit_code)

    timer = threading.Timer(LAST_SECONDS, leave)
    timer.daemon = True
    timer.start()


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
        await serve_tcp(host, port, make_server, allow_remote=allow_remote, ready=ready, stop_on_signals=True)

    with contextlib.suppress(KeyboardInterrupt):
        anyio.run(serve)
    return 0
