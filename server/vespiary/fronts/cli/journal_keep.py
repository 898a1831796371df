"""`vespiary journal check`, `prune`, `export`: looking after the journal."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from vespiary.app.kept import open_kept
from vespiary.fronts.cli.errors import DONE, FAILED, say
from vespiary.fronts.cli.kept import NONE_YET, counted, kept, print_json, since, size
from vespiary.fronts.cli.terminal import output, plain, write_json
from vespiary.model.errors import VespiaryError


def check_kept(folder: Path, *, as_json: bool) -> int:
    """Print what is wrong, a sentence a line; gives the exit code. Damage is what it is about: it raises nothing for it."""
    there = True
    try:
        with open_kept(folder.resolve()) as journal:
            there = journal is not None
            problems = [] if journal is None else journal.check()
    except VespiaryError as error:
        problems = [error.message]
    if as_json:
        print_json({"sound": not problems, "problems": problems})
    elif problems:
        out = output()
        out.writelines(plain(problem).replace("\n", " ") + "\n" for problem in problems)
        out.flush()
        say(f"{counted(len(problems), 'problem')}. Nothing that is damaged is used; `prune RUN` forgets a run.")
    elif there:
        output().write("The journal is sound.\n")
    else:
        say(NONE_YET)
    return FAILED if problems else DONE


def prune_kept(folder: Path, runs: list[str], *, keep: int | None, keep_mb: int | None, older_than: str | None) -> None:
    """Forget runs and say what that freed."""
    before = since(older_than) if older_than is not None else None
    limited = keep is not None or keep_mb is not None or before is not None
    with kept(folder, write=True) as journal:
        gone = 0
        for run in dict.fromkeys(runs):
            journal.delete(run)
            gone += 1
        if not (runs or limited):
            from vespiary.config import load

            wanted = load(folder.resolve()).journal
            keep, keep_mb = wanted.keep_runs, wanted.keep_mb
        pruned = journal.prune(
            keep_runs=keep, keep_bytes=None if keep_mb is None else keep_mb * 1_000_000, before=before
        )
        gone += pruned.runs
        left = len(journal.runs())
    out = output()
    freed = f", {size(pruned.bytes)} given back" if pruned.bytes else ""
    out.write(f"{counted(gone, 'run')} forgotten{freed}; {counted(left, 'run')} left.\n")
    out.flush()


def export_run(folder: Path, run: str, target: Path | None) -> None:
    """Write a run as JSON lines: to a file, which is there whole or not at all, or to standard output."""
    import orjson

    with kept(folder) as journal:
        if target is None:
            for each in journal.export(run):
                write_json(orjson.dumps(each))
            return
        temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        # What agents read and said is nobody else's to read.
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                for each in journal.export(run):
                    file.write(orjson.dumps(each) + b"\n")
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        say(f"{target} has all of the run {run}.")
