"""Options that many commands have."""

from pathlib import Path
from typing import Annotated

import typer

from vespiary.model.errors import UsageError

Folder = Annotated[
    Path, typer.Option("--folder", "-C", help="The workspace.", exists=True, file_okay=False, show_default="here")
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Let this workspace's own vespiary.toml grant power, for this call.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


def alone(context: typer.Context, *, json: bool, folder: Path) -> None:
    """Raises `UsageError` for options of a group that a command of it would not hear of."""
    if context.invoked_subcommand is not None and (json or folder != Path()):
        raise UsageError(
            "Options come after the command.", hint=f"Write `{context.info_name} {context.invoked_subcommand} -C ...`."
        )
