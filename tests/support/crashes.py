"""One request to the workspace in a process that dies in the middle of it, and once more in the next one.

Run as a program: reads scenarios as JSON from standard input, one a line, and answers each with one line. It forks for every life,
so it has no threads of its own and imports everything first.
"""

import errno
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from support.memory_ports import CALLER, MemoryRun, contents
from vespiary.app.disk import DiskEditor
from vespiary.capabilities.workspace import WorkspaceCapability
from vespiary.model.errors import RequestRefused

CHANGES = ("replace", "rename", "link", "unlink", "mkdir", "open")
DIED = 9


def live(
    root: Path, request: dict[str, Any], *, again: bool, linkless: bool = False, die_at: int | None = None
) -> dict[str, Any] | None:
    """One life of a process that makes the request. Gives its answer, or none if it died: before that change, or after the last."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            if linkless:
                os.link = _no_link
            all_done = _die_at(die_at) if die_at is not None else None
            told = json.dumps(anyio.run(_ask, root, request, again)).encode()
            if all_done is not None:
                all_done()
            os.write(writer, told)
            os._exit(0)
        except BaseException as error:  # a fork never returns into the parent's code
            print(repr(error), file=sys.stderr)
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, DIED), code
    return json.loads(told) if code == 0 else None


def _no_link(*args: Any, **more: Any) -> None:
    raise PermissionError(errno.EPERM, "This file system has no hard links.")


async def _ask(root: Path, request: dict[str, Any], again: bool) -> dict[str, Any]:
    run = MemoryRun()
    workspace = WorkspaceCapability(root, DiskEditor(root), run)
    try:
        answer = json.loads(await workspace(replace(CALLER, again=again), json.dumps(request)))
    except RequestRefused as error:
        answer = {"refused": error.code}
    edits = [(edit.path, edit.state.value, edit.to) for edit in run.edits]
    files = [(file.path, file.change.value, file.was) for file in run.files]
    return {"answer": answer, "edits": edits, "files": files}


def _die_at(number: int) -> Callable[[], None]:
    """Die before the change of that number; the result is to be called after all of them, and dies if there were so many."""
    count = 0

    def step() -> None:
        nonlocal count
        if count == number:
            os._exit(DIED)
        count += 1

    def deadly(act: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any, **more: Any) -> Any:
            if act is not real_open or args[1] & os.O_CREAT:
                step()
            return act(*args, **more)

        return do

    real_open = os.open
    for name in CHANGES:
        setattr(os, name, deadly(getattr(os, name)))
    return step


def lives(scenario: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """What becomes of a scenario undisturbed (the first), and after a crash at each possible point."""
    told: list[dict[str, Any]] = []
    number: int | None = None
    while True:
        root = folder / f"{len(told)}"
        root.mkdir()
        for path, text in scenario["files"].items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(text.encode())
        one = partial(live, root, scenario["request"], linkless=scenario.get("linkless", False))
        died = number is not None and one(again=False, die_at=number) is None
        if number is None or died:
            after = one(again=number is not None)
            told.append({"tree": contents(root), "point": number, **(after or {})})
        shutil.rmtree(root)
        if number is not None and not died:
            return told
        number = 0 if number is None else number + 1


def main() -> None:
    """Answer the scenarios."""
    for line in sys.stdin:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(lives(json.loads(line), Path(folder))), flush=True)


if __name__ == "__main__":
    main()
