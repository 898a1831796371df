"""The commands of `vespiary tokens`. What each does lives in a module of its own, imported when it is asked for."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vespiary.fronts.cli.errors import reporting
from vespiary.fronts.cli.options import AsJson, Folder

tokens = typer.Typer(help="What agents used of models.", no_args_is_help=True)


class ByName(StrEnum):
    """What rows of the report are about; as `vespiary.app.usage.By`, which is loaded later."""

    AGENT = "agent"
    MODEL = "model"
    RUN = "run"
    DAY = "day"
    SESSION = "session"


@tokens.callback()
def _group() -> None:  # pyright: ignore[reportUnusedFunction]
    """What agents used of models."""


@tokens.command()
def report(
    by: Annotated[
        list[ByName] | None, typer.Option("--by", help="What a row is about; may be given several times.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="AGE", help="Calls of the last 7d, 12h, 2w ... only.")
    ] = None,
    json: AsJson = False,
    folder: Folder = Path(),
) -> None:
    """Add up the model calls of this workspace's runs: tokens and cost."""
    from vespiary.fronts.cli.tokens import report_tokens

    with reporting():
        report_tokens(folder, [each.value for each in by or [ByName.AGENT, ByName.MODEL]], since, as_json=json)
