"""`vespiary session list`, `show`, `fork`, `delete`."""

import asyncio
from pathlib import Path

from vespiary.app.kept import open_kept
from vespiary.fronts.cli.errors import say
from vespiary.fronts.cli.kept import kept, print_json, print_table, when, write_lines
from vespiary.fronts.cli.terminal import plain
from vespiary.model.wire import to_wire


def list_kept(folder: Path, *, as_json: bool) -> None:
    """Print the conversations, the one that was changed last first."""
    with open_kept(folder.resolve()) as journal:
        sessions = [] if journal is None else journal.sessions().list()
        notices = () if journal is None else journal.notices
    if as_json:
        print_json([to_wire(each) for each in sessions])
    elif not sessions:
        say('There are no conversations in this workspace yet. `vespiary run "..."` begins one.')
    else:
        print_table(
            ("session", "agent", "changed", "turns", "runs now", "begun with"),
            (
                (each.session_id, each.agent, when(each.updated), str(each.turns), each.running or "", each.title)
                for each in sessions
            ),
            right=("turns",),
        )
    for notice in notices:
        say(f"vespiary: {notice}")


def show_session(folder: Path, session: str, *, as_json: bool) -> None:
    """Print a conversation."""
    with kept(folder) as journal:
        detail = journal.sessions().get(session)
    if as_json:
        print_json(to_wire(detail))
        return
    info = detail.session
    lines = [f"session  {info.session_id}", f"agent    {info.agent}", f"begun    {when(info.created)}"]
    if info.running:
        lines.append(f"running  {info.running}")
    for turn in detail.turns:
        lines += ["", f"{when(turn.started)}  run {turn.run_id}  {turn.outcome.value}"]
        lines += [f"> {each}" for each in turn.prompt.strip().splitlines()]
        lines += turn.text.strip().splitlines()
    write_lines(map(plain, lines))


def fork_session(folder: Path, session: str, *, as_json: bool) -> None:
    """Fork a conversation and print the id of the new one."""
    with kept(folder, write=True) as journal:
        fork = asyncio.run(journal.sessions().fork(session))
    if as_json:
        print_json(to_wire(fork))
        return
    write_lines([fork.session_id])
    say(f'Go on with it: vespiary run --session {fork.session_id} "..."')


def delete_session(folder: Path, session: str) -> None:
    """Forget a conversation."""
    with kept(folder, write=True) as journal:
        asyncio.run(journal.sessions().delete(session))
    say(f"The conversation {session} is forgotten; its runs stay in the journal.")
