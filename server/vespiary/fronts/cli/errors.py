"""Failures of a command, told to a person on stderr, with the right exit code."""

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

import typer

from vespiary.fronts.cli.terminal import plain
from vespiary.model.errors import UsageError, VespiaryError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


@contextmanager
def reporting() -> Generator[None]:
    """Turn Vespiary's errors into words and exit codes."""
    try:
        yield
    except VespiaryError as error:
        tell(error)
        usage = isinstance(error, UsageError) or error.code.startswith(("config.", "usage"))
        raise typer.Exit(USAGE if usage else FAILED) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError) or (
            os.name == "nt" and error.errno == errno.EINVAL
        ):  # so Windows says it
            # The reader of our output left, as `head` does: not worth a word, nor another try when the interpreter ends.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            where = f"{error.filename}: " if error.filename else ""
            say(f"vespiary: {where}{error.strerror or error}.")
        raise typer.Exit(FAILED) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def tell(error: VespiaryError) -> None:
    """The error in words, on stderr."""
    say(f"vespiary: {error.message}")
    if error.hint:
        say(f"  {error.hint}")


def say(line: str) -> None:
    """A line to the person, on stderr, whatever it quotes."""
    typer.echo(plain(line), err=True)
