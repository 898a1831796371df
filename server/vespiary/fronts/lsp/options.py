"""The options of `vespiary serve`, read by hand because an editor waits for the start. Knows nothing of the server."""

from collections.abc import Sequence
from dataclasses import dataclass

from vespiary.model.errors import UsageError

HELP = """\
usage: vespiary serve [--stdio | --tcp HOST:PORT [--allow-remote]]
                      [--log-level LEVEL]

The language server. An editor starts it; both speak the Language Server
Protocol.

  --stdio            standard input and output (the default)
  --tcp HOST:PORT    listen on a socket; one workspace for each connection.
                     Port 0 picks a free one and says which on stderr.
  --allow-remote     let HOST be more than this machine. Whoever can connect
                     can run agents and read the workspace.
  --log-level LEVEL  what goes to stderr: debug, info, warning (the default)
                     or error
"""

LEVELS = ("debug", "info", "warning", "error")


@dataclass(slots=True)
class Options:
    """What was asked for. `tcp` is a host and a port; none means standard input and output."""

    tcp: tuple[str, int] | None = None
    allow_remote: bool = False
    log_level: str = "WARNING"
    help: bool = False


def read_options(argv: Sequence[str]) -> Options:
    """The options. Raises `UsageError`."""
    options = Options()
    rest = list(argv)
    stdio = False
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name in ("--tcp", "--log-level") and not equals:
            if not rest:
                raise UsageError(f"{name} needs a value.", hint="See `vespiary serve --help`.")
            value = rest.pop(0)
        elif equals and name not in ("--tcp", "--log-level", "--clientProcessId"):
            raise UsageError(f"{name} takes no value.", hint="See `vespiary serve --help`.")
        match name:
            case "--stdio":
                stdio = True
            case "--tcp":
                options.tcp = _address(value)
            case "--allow-remote":
                options.allow_remote = True
            case "--log-level":
                if value.lower() not in LEVELS:
                    raise UsageError(f"There is no log level {value!r}.", hint=f"Use one of {', '.join(LEVELS)}.")
                options.log_level = value.upper()
            case "--clientProcessId":
                pass  # Some editors add it; `initialize` tells the same.
            case "-h" | "--help":
                options.help = True
            case _:
                raise UsageError(f"There is no option {name}.", hint="See `vespiary serve --help`.")
    if stdio and options.tcp is not None:
        raise UsageError("--stdio and --tcp exclude one another.")
    return options


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is no address.", hint="Use HOST:PORT, for example 127.0.0.1:7890.")
    return host.strip("[]") or "127.0.0.1", int(port)
