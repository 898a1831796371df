"""Arguments as parts of a command line, so that a shell takes each as one word and nothing in it as a command. Pure."""

import re
import shlex

from vespiary_sdk import ToolError

_WINDOWS_SAFE = re.compile(r"(?:[\w@+=:,./ ()\[\]{}~#;<>|&'*?-]|\\(?=[\w@+=:,./ -]))*\Z")


def command_line(command: str, args: list[str], os: str) -> str:
    """The command with its arguments. Raises `ToolError` for an argument that cannot be quoted on this system."""
    if "\0" in command or any("\0" in arg for arg in args):
        raise ToolError("A command cannot hold a NUL character.")
    quote = _windows if os == "windows" else shlex.quote
    # A line break at the end would make the arguments a command of their own.
    return " ".join([command.rstrip("\r\n"), *map(quote, args)])


def _windows(arg: str) -> str:
    # On Windows the shell is bash where there is one and cmd.exe otherwise. Within double quotes both take what is listed here as
    # it is; there is no form that means the same to both for the rest.
    if not _WINDOWS_SAFE.match(arg):
        raise ToolError(
            f"The argument {arg!r:.100} cannot be passed safely on Windows. Write it into the command, quoted as its shell wants."
        )
    return f'"{arg}"'
