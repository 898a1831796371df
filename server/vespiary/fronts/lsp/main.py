"""`vespiary serve`: options, logging, and the server put together from the core, the session and the features.

Nothing that the first answer does not need is imported here.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vespiary import __version__
from vespiary.fronts.lsp.options import HELP, Options, read_options
from vespiary.model.errors import UsageError

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core import Server
    from vespiary.fronts.lsp.session import OpenWorkspace

_AT_A_TERMINAL = """\
vespiary serve: waiting for an editor to speak the Language Server Protocol
on standard input. Ctrl+C ends it. At a terminal, try `vespiary run`.
"""

MOST_WORKERS = 4
"""Worker processes of a workspace where the configuration does not say."""

USAGE = 2
"""The exit code for arguments that cannot be meant."""


def serve(argv: Sequence[str] = (), *, open_workspace: "OpenWorkspace | None" = None) -> int:
    """Serve until the client ends; gives the exit code. `open_workspace` is for tests."""
    try:
        options = read_options(argv)
    except UsageError as error:
        sys.stderr.write(f"vespiary serve: {error}\n")
        return USAGE
    if options.help:
        sys.stdout.write(HELP)
        return 0
    logging.basicConfig(
        stream=sys.stderr, level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if options.log_level != "DEBUG":
        logging.getLogger("pygls").setLevel(logging.WARNING)  # Its lines are about itself.
    try:
        return _serve(options, open_workspace or _open_workspace)
    except UsageError as error:  # an address that may not be, or cannot be, listened on
        option = " The option for that is --allow-remote." if error.hint and not options.allow_remote else ""
        sys.stderr.write(f"vespiary serve: {error}{option}\n")
        return USAGE


def _serve(options: Options, open_workspace: "OpenWorkspace") -> int:
    from vespiary.fronts.lsp import core

    def make_server() -> "Server":
        from vespiary.fronts.lsp.features import Features
        from vespiary.fronts.lsp.session import Session

        server = core.Server("vespiary", __version__)
        session = Session(server, open_workspace)
        Features(session).register(server)
        server.on_initialized(session.live)
        server.on_shutdown(session.close)
        return server

    if options.tcp is not None:
        host, port = options.tcp
        return core.run_tcp(host, port, make_server, allow_remote=options.allow_remote, ready=_listening)
    if sys.stdin is not None and sys.stdin.isatty():  # pyright: ignore[reportUnnecessaryComparison] - the shell may have closed it
        sys.stderr.write(_AT_A_TERMINAL)
    return core.run_stdio(make_server)


def _listening(host: str, port: int) -> None:
    sys.stderr.write(f"vespiary serve: listening on {host}:{port}\n")
    sys.stderr.flush()


def _open_workspace(*args: Any, **kwargs: Any) -> Any:
    from vespiary.app.options import Options as WorkspaceOptions
    from vespiary.app.workspace import Workspace

    return Workspace.open(*args, options=WorkspaceOptions(workers=default_workers(processors())), **kwargs)


def default_workers(count: int) -> int:
    """Worker processes for actors on a machine with so many processors, where the configuration does not say.

    One processor is left to the server, the editor and what agents run. Each further process costs its memory only once as many
    agents are at work, and more than four are of use to few.
    """
    return max(1, min(MOST_WORKERS, count - 1))


def processors() -> int:
    """Processors that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
