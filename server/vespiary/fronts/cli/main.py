"""The commands and their options. What each does lives in a module of its own, imported when it is asked for."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vespiary import __version__
from vespiary.fronts.cli.errors import reporting
from vespiary.fronts.cli.journal_app import journal
from vespiary.fronts.cli.options import Folder, Trust
from vespiary.fronts.cli.session_app import session
from vespiary.fronts.cli.tokens_app import tokens

app = typer.Typer(
    name="vespiary",
    help="A language server that hosts a colony of sandboxed AI agents.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(journal, name="journal")
app.add_typer(session, name="session")
app.add_typer(tokens, name="tokens")


class ModeName(StrEnum):
    """What a run may do to the workspace."""

    APPLY = "apply"
    PLAN = "plan"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vespiary {__version__}")
        raise typer.Exit


@app.callback()
def _main(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    prompt: Annotated[
        list[str] | None,
        typer.Argument(help="The task, in one or more words; `-` or nothing reads it from standard input."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", "-a", help="Who does it; the default agent if not given.")
    ] = None,
    mode: Annotated[
        ModeName | None, typer.Option("--mode", "-m", help="Apply changes, or only plan them.", show_default="apply")
    ] = None,
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Go on with this conversation.")
    ] = None,
    go_on: Annotated[
        bool, typer.Option("--continue", "-c", help="Go on with the agent's latest conversation.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Let an interrupted run go on: the one that is named in place of a task, or the newest."
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One event a line, as JSON.")] = False,
    folder: Folder = Path(),
    trust: Trust = False,
) -> None:
    """Give a task to an agent in this folder and wait for its end."""
    from vespiary.fronts.cli.run import Latest, Resume, run_task
    from vespiary.model.errors import UsageError
    from vespiary.model.runs import Mode, Task

    with reporting():
        if go_on and session is not None:
            raise UsageError("--continue and --session name two conversations.", hint="Give one of them.")
        if resume:
            if agent is not None or mode is not None or session is not None or go_on:
                raise UsageError(
                    "A run that is resumed keeps its agent, mode and conversation.", hint="Give --resume alone."
                )
            if prompt and len(prompt) > 1:
                raise UsageError(
                    "--resume takes the id of one run, and no task.", hint="`vespiary journal` lists the runs."
                )
            what = Resume(prompt[0] if prompt else None)
        else:
            words = _prompt(" ".join(prompt) if prompt else None)
            task = Task(words, agent, Mode((mode or ModeName.APPLY).value), session=session)
            what = Latest(task) if go_on else task
        raise typer.Exit(run_task(folder, what, as_json=json, trusted=True if trust else None))


def _prompt(given: str | None) -> str:
    from vespiary.model.errors import UsageError

    wanted = given is None or given == "-"
    stdin = sys.stdin if wanted else None
    # The shell may have closed it.
    if wanted and (stdin is None or (given is None and stdin.isatty())):
        raise UsageError("There is no task.", hint='Try `vespiary run "Fix the failing test"`.')
    try:
        prompt = stdin.buffer.read().decode("utf-8-sig") if stdin is not None else given or ""
        prompt.encode("utf-8")
    except UnicodeError:
        raise UsageError("The task is not UTF-8 text.", hint="Give it as UTF-8.") from None
    if not prompt.strip():
        raise UsageError("The task is empty.", hint="Say what is to be done.")
    return prompt


@app.command()
def replay(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, as `vespiary journal` lists it.")],
    until: Annotated[
        int | None, typer.Option("--until", min=1, metavar="ENTRY", help="Stop after this entry and show how it stood.")
    ] = None,
    actor: Annotated[str | None, typer.Option("--actor", help="Only the actors of this name, or this one.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    folder: Folder = Path(),
) -> None:
    """Repeat a run's recorded steps in a fresh sandbox and compare, byte for byte. Changes nothing."""
    from vespiary.fronts.cli.replay import replay_run

    with reporting():
        raise typer.Exit(replay_run(folder, run, until=until, actor=actor, as_json=json))


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the demo project on disk and say where.")] = False,
) -> None:
    """Watch an agent fix a small project: no key, no network."""
    from vespiary.fronts.cli.demo_run import run_demo

    with reporting():
        raise typer.Exit(run_demo(keep=keep))


@app.command()
def agents(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    folder: Folder = Path(),
    trust: Trust = False,
) -> None:
    """List the agents that this workspace offers."""
    from vespiary.fronts.cli.agents import list_agents

    with reporting():
        list_agents(folder, as_json=json, trusted=True if trust else None)


@app.command()
def trust(
    folder: Annotated[Path, typer.Argument(help="The workspace.", exists=True, file_okay=False)] = Path(),
    remove: Annotated[bool, typer.Option("--remove", help="Trust it no longer.")] = False,
) -> None:
    """Let a workspace's own vespiary.toml grant power and name keys, as it reads now."""
    from vespiary.fronts.cli.trust import change_trust

    with reporting():
        change_trust(folder, remove=remove)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def serve(context: typer.Context) -> None:
    """Run the language server on stdio, or with --tcp HOST:PORT."""
    from vespiary.fronts.lsp.main import serve as serve_lsp

    raise typer.Exit(serve_lsp(context.args))
