"""The commands of `vespiary session`. What each does lives in a module of its own, imported when it is asked for."""

from pathlib import Path
from typing import Annotated

import typer

from vespiary.fronts.cli.errors import reporting
from vespiary.fronts.cli.options import AsJson, Folder, alone

session = typer.Typer(help="Conversations: what agents remember across runs. Without a command: list them.")

SessionName = Annotated[
    str, typer.Argument(metavar="SESSION", help="The id of a conversation, as `vespiary session list` shows it.")
]


@session.callback(invoke_without_command=True)
def _default(context: typer.Context, json: AsJson = False, folder: Folder = Path()) -> None:  # pyright: ignore[reportUnusedFunction]
    with reporting():
        alone(context, json=json, folder=folder)
    if context.invoked_subcommand is None:
        list_sessions(json, folder)


@session.command("list")
def list_sessions(json: AsJson = False, folder: Folder = Path()) -> None:
    """List the conversations, the one that was changed last first."""
    from vespiary.fronts.cli.sessions import list_kept

    with reporting():
        list_kept(folder, as_json=json)


@session.command()
def show(session: SessionName, json: AsJson = False, folder: Folder = Path()) -> None:
    """Show a conversation: its tasks and what was answered."""
    from vespiary.fronts.cli.sessions import show_session

    with reporting():
        show_session(folder, session, as_json=json)


@session.command()
def fork(session: SessionName, json: AsJson = False, folder: Folder = Path()) -> None:
    """Begin a new conversation where this one stands; this one stays as it is."""
    from vespiary.fronts.cli.sessions import fork_session

    with reporting():
        fork_session(folder, session, as_json=json)


@session.command()
def delete(session: SessionName, folder: Folder = Path()) -> None:
    """Forget a conversation. Its runs stay in the journal."""
    from vespiary.fronts.cli.sessions import delete_session

    with reporting():
        delete_session(folder, session)
