"""The actor that runs shell commands for a model. Whether it may is the host's decision. Keeps no state between commands."""

from shell_output import LIMIT, report
from shell_quote import command_line
from vespiary_sdk import Actor, ToolError, context, tool
from vespiary_sdk.command import run

_DEFAULT_S, _LONGEST_S = 30, 600


def _title(command: str, args: list[str] | None = None, **_: object) -> str:
    return f"$ {' '.join([command, *(args or [])]):.200}"


class Shell(Actor):
    """The tool `execute_bash`."""

    def snapshot(self) -> None:
        """Nothing is kept from one command to the next."""

    @tool(title=_title)
    async def execute_bash(
        self,
        command: str,
        args: list[str] | None = None,
        directory: str | None = None,
        timeout: int | None = None,
    ) -> str:
        """Run a command line in a new shell, without a terminal and without input. Nothing is kept from one command to the next.

        Of long output the beginning and the end are shown.

        Args:
            command: The command line.
            args: Further arguments. Each is passed on as one word, whatever it holds.
            directory: The folder to run in, relative to the project; the project itself if not given.
            timeout: Seconds after which the command is ended: 30 if not given, 600 at most.
        """
        if not command.strip():
            raise ToolError("The command is empty.")
        seconds = _DEFAULT_S if timeout is None else min(max(timeout, 1), _LONGEST_S)
        result = await run(
            command_line(command, args or [], context.host().os),
            cwd=directory or ".",
            timeout_ms=seconds * 1000,
            max_output_bytes=LIMIT,
            shell=True,
        )
        text = report(result, seconds)
        if not result.ok:
            raise ToolError(text)
        return text
