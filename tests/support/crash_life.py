"""One life of a process that carries on the run of a workspace: begins it or resumes it, and ends with it, unless it is killed.

Run as a program, it reads one command a line, as JSON, and forks for each, so that a life costs no imports. It answers with the
process id, and with the exit code when the life has ended. A command is `{"root", "out", "workers", "snapshot_every", "prompt",
"life", "die"?: ["before" | "after", entry | method], "full"?: entry, "free"?}`. `die` kills the life itself: before that entry is
given to the journal, or when the journal has it and nothing of it took effect; or at the first call of a method of the store.
`full` is the entry from which on the journal has no more space; with `free` it has some again once the run has ended by it, and the
run is resumed. With `--once` it lives the one life that the last argument describes.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from support.crash_model import LIFE
from vespiary.app.chronicle import info_of
from vespiary.app.disk import DiskEditor
from vespiary.app.options import Options
from vespiary.app.workspace import Workspace
from vespiary.journal.store import JournalStore
from vespiary.model.errors import VespiaryError
from vespiary.model.runs import Outcome, RunInfo, Task

Json = dict[str, Any]


async def live(wish: Json) -> None:
    """The life itself. What came of it is in the file `out`."""
    root = Path(wish["root"])
    notices: list[str] = []
    options = Options(workers=wish["workers"], snapshot_every=wish["snapshot_every"], progress=notices.append)
    try:
        async with Workspace.open(root, DiskEditor(root), trusted=True, options=options) as workspace:
            kept = await workspace.interrupted()
            record = await _finished(workspace)
            if "full" in wish:
                full_at(wish["full"])
            if kept:
                info = await workspace.resume(kept[0].run_id)
                info = await workspace.runs.finished(info.run_id)
            elif record is not None:
                info = record
            elif wish.get("resume"):
                store = workspace._hosting.store
                notices += store.notices if store is not None else []
                raise VespiaryError("There is nothing to resume.", code="test.nothing")
            else:
                run = workspace.runs.start(Task(wish["prompt"]))
                info = await workspace.runs.finished(run)
            told = _told(info)
            if "full" in wish:
                store = workspace._hosting.store
                assert store is not None
                told["problems"] = await anyio.to_thread.run_sync(store.check)
                told["entries"] = store.runs()[0].next - 1
                if wish.get("free"):
                    limit(store, 1 << 30)
                    (again,) = await workspace.interrupted()
                    assert again.run_id == info.run_id
                    await workspace.resume(info.run_id)
                    told["then"] = _told(await workspace.runs.finished(info.run_id))
    except VespiaryError as error:
        told = {"outcome": "error", "code": error.code, "message": str(error)}
    out = Path(wish["out"])
    fresh = out.with_suffix(".new")
    fresh.write_text(json.dumps({**told, "notices": notices}), encoding="utf-8")
    fresh.rename(out)


async def _finished(workspace: Workspace) -> RunInfo | None:
    """The run, if an earlier life ended it and was killed before it could tell."""
    store = workspace._hosting.store
    ended = [] if store is None else [record for record in store.runs() if record.state is not Outcome.RUNNING]
    return info_of(ended[0]) if ended else None


def _told(info: RunInfo) -> Json:
    problem = info.problem
    return {
        "outcome": info.outcome.value,
        "text": info.text,
        "code": problem.code if problem else None,
        "message": f"{problem.message} {problem.hint}" if problem else None,
        "files": sorted([file.path, file.change.value, file.was or ""] for file in info.files),
        "calls": info.usage.calls,
    }


def die_at(when: str, what: "int | str") -> None:
    """Kill this process at an entry of the run, or at a call of the store."""
    name = what if isinstance(what, str) else "commit"
    plain = getattr(JournalStore, name)

    def dying(self: JournalStore, *arguments: Any, **more: Any) -> Any:
        if isinstance(what, int) and not any(first <= what < first + len(rows) for _, first, rows in arguments[0]):
            return plain(self, *arguments, **more)
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        future = plain(self, *arguments, **more)
        # Before anybody else hears of it.
        future.add_done_callback(_die)
        return future

    setattr(JournalStore, name, dying)


def _die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full_at(number: int) -> None:
    """Let the journal have no more space from an entry on."""
    plain = JournalStore.commit

    def commit(self: JournalStore, groups: Any) -> Any:
        if any(first <= number < first + len(rows) for _, first, rows in groups):
            JournalStore.commit = plain
            limit(self, 1)  # SQLite makes it what the file has already
        return plain(self, groups)

    JournalStore.commit = commit  # pyright: ignore[reportAttributeAccessIssue]


def limit(store: JournalStore, pages: int) -> None:
    """How many pages the journal may have."""
    assert store._writer is not None
    store._writer._connection.execute(f"PRAGMA max_page_count={pages:d}").fetchall()


def begin(wish: Json) -> None:
    """Live in this process."""
    os.environ[LIFE] = f"life-{wish['life']}"
    if "die" in wish:
        die_at(*wish["die"])
    anyio.run(live, wish)


def _serve() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                begin(json.loads(line))
                os._exit(0)
            except BaseException as error:  # a fork never returns into the parent's code
                import traceback

                traceback.print_exception(error)
                os._exit(1)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--once"]:
        begin(json.loads(sys.argv[2]))
    else:
        _serve()
