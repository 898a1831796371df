"""One request to the workspace in a process that dies in the middle of it, and once more in the next one.

Run as a program: reads scenarios as JSON from standard input, one a line, and answers each with one line. It forks for every life,
so it has no threads of its own and imports everything first.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from support.memory_ports import CALLER, MemoryRun, contents
from vespiary.app.disk import DiskEditor
from vespiary.capabilities.workspace import WorkspaceCapability
from vespiary.model.errors import RequestRefused

STEPS = ("replace", "rename", "link", "unlink", "mkdir", "fsync", "fchmod", "open")
DIED = 9


def live(root: Path, request: dict[str, Any], *, again: bool, die_at: int | None = None) -> dict[str, Any] | None:
    """One life of a process that makes the request; gives its answer, or none if it died at that change of the file system."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            if die_at is not None:
                _die_at(die_at)
            told = json.dumps(anyio.run(_ask, root, request, again)).encode()
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


def _die_at(number: int) -> None:
    """Die before the change of that number, or after it: even numbers are before, odd ones after."""
    count = 0

    def deadly(act: Callable[..., Any]) -> Callable[..., Any]:
        def do(*args: Any, **more: Any) -> Any:
            nonlocal count
            if act is real_open and not args[1] & os.O_CREAT:
                return act(*args, **more)
            if count == number:
                os._exit(DIED)
            result = act(*args, **more)
            if count + 1 == number:
                os._exit(DIED)
            count += 2
            return result

        return do

    real_open = os.open
    for name in STEPS:
        setattr(os, name, deadly(getattr(os, name)))


def lives(scenario: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """What becomes of a scenario undisturbed (the first), and after a crash at each possible point."""
    told: list[dict[str, Any]] = []
    number: int | None = None
    while True:
        root = folder / f"{len(told)}"
        for path, text in scenario["files"].items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(text.encode())
        died = live(root, scenario["request"], again=False, die_at=number) is None if number is not None else False
        if number is None or died:
            after = live(root, scenario["request"], again=number is not None)
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
