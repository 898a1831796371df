"""The commands of `vespiary journal`. What each does lives in modules of their own, imported when it is asked for."""

from pathlib import Path
from typing import Annotated

import typer

from vespiary.fronts.cli.errors import reporting
from vespiary.fronts.cli.options import AsJson, Folder, alone

journal = typer.Typer(
    help="What is kept of runs in this workspace. Without a command: list them.", no_args_is_help=False
)

RunName = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, as `vespiary journal` lists it.")]


@journal.callback(invoke_without_command=True)
def _default(context: typer.Context, json: AsJson = False, folder: Folder = Path()) -> None:  # pyright: ignore[reportUnusedFunction]
    with reporting():
        alone(context, json=json, folder=folder)
    if context.invoked_subcommand is None:
        list_runs(json, folder)


@journal.command("list")
def list_runs(json: AsJson = False, folder: Folder = Path()) -> None:
    """List the runs, the newest first."""
    from vespiary.fronts.cli.journal_show import list_kept

    with reporting():
        list_kept(folder, as_json=json)


@journal.command()
def show(
    run: RunName,
    entries: Annotated[bool, typer.Option("--entries", help="Every entry, a line each.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Every event, a line each.")] = False,
    json: AsJson = False,
    folder: Folder = Path(),
) -> None:
    """Show a run: what it was asked, what it came to, what it used, what is kept of it."""
    from vespiary.fronts.cli.journal_show import show_run

    with reporting():
        show_run(folder, run, entries=entries, events=events, as_json=json)


@journal.command()
def dead(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Of this run only.")] = None,
    json: AsJson = False,
    folder: Folder = Path(),
) -> None:
    """List dead letters: messages and answers that nobody took, or that killed whoever took them."""
    from vespiary.fronts.cli.journal_show import show_dead

    with reporting():
        show_dead(folder, run, as_json=json)


@journal.command()
def check(json: AsJson = False, folder: Folder = Path()) -> None:
    """Look whether the journal is sound. Exits with 1 if it is not."""
    from vespiary.fronts.cli.journal_keep import check_kept

    with reporting():
        raise typer.Exit(check_kept(folder, as_json=json))


@journal.command()
def prune(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Forget exactly these.")] = None,
    keep: Annotated[int | None, typer.Option("--keep", min=0, help="Finished runs that stay, the newest.")] = None,
    keep_mb: Annotated[int | None, typer.Option("--keep-mb", min=0, help="Megabytes of runs that stay.")] = None,
    older_than: Annotated[
        str | None, typer.Option("--older-than", metavar="AGE", help="Forget those older than this: 30d, 12h, 2w.")
    ] = None,
    folder: Folder = Path(),
) -> None:
    """Forget runs, the oldest first, and give their space back. Without options: what the configuration says."""
    from vespiary.fronts.cli.journal_keep import prune_kept

    with reporting():
        prune_kept(folder, runs or [], keep=keep, keep_mb=keep_mb, older_than=older_than)


@journal.command()
def export(
    run: RunName,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file, in place of standard output.")] = None,
    folder: Folder = Path(),
) -> None:
    """Write all that is kept of a run, a JSON mapping a line."""
    from vespiary.fronts.cli.journal_keep import export_run

    with reporting():
        export_run(folder, run, output)
