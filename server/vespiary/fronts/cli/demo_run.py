"""`vespiary demo`: the main job on a small project of its own, with a scripted model: no key, no network."""

import json
import os
import shlex
import shutil
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

from rich.markup import escape

from vespiary.changes.unified import unified
from vespiary.fronts.cli.errors import DONE, FAILED, say
from vespiary.fronts.cli.render import Renderer, diff, terminal
from vespiary.fronts.cli.run import run_to_end
from vespiary.model.events import EditEvent, RunEvent
from vespiary.model.runs import Outcome, Task

PROMPT = "The tests of this project fail. Make them pass."

_PACE = (("latency_ms = 300", "latency_ms = 800"), ("chunk_delay_ms = 15", "chunk_delay_ms = 40"))
"""What makes the script as quick as a person who watches can follow."""


def run_demo(*, keep: bool) -> int:
    """Run the demo; gives the exit code: 0 when the agent really made the tests pass."""
    root = Path(tempfile.mkdtemp(prefix="vespiary-demo-")).resolve()
    try:
        return _run(root)
    finally:
        if keep:
            say(f"The project is in {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)


def _run(root: Path) -> int:
    console = terminal()
    before = make_project(root, slowly=console.is_terminal)
    console.print(f"A small project with failing tests, in [cyan]{escape(str(root))}[/]")
    console.print("Three sandboxed WebAssembly actors and a scripted model: no key, no network.\n")
    renderer = Renderer(console)

    def show(event: RunEvent) -> None:
        # The whole diff comes at the end; until then an edit is one line.
        if isinstance(event.body, EditEvent):
            event = RunEvent(
                event.run_id, event.seq, event.time, event.scope, event.agent,
                EditEvent(event.body.path, event.body.state, "", event.body.to, event.body.reason),
            )  # fmt: skip
        renderer.show(event)

    info = run_to_end(root, Task(PROMPT), show, trusted=True)
    console.print("\n[bold]What the agent changed[/]")
    for file in info.files:
        after = (root / file.path).read_text(encoding="utf-8")
        console.print(diff(unified(file.path, before.get(file.path, ""), after)))
    if info.outcome is Outcome.DONE:
        console.print(
            '\nNext, in a project of yours, with a model of your own:\n  [bold]vespiary run "Fix the failing test"[/]'
        )
    return DONE if info.outcome is Outcome.DONE else FAILED


def make_project(root: Path, *, slowly: bool = False) -> dict[str, str]:
    """Write the demo project into a folder; gives the text of each of its files. `slowly`: at a pace that a person can follow."""
    with as_file(files("vespiary.fronts.cli") / "demo") as source:
        shutil.copytree(source / "project", root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(source / "vespiary.toml", root)
        script = (source / "model.toml").read_text(encoding="utf-8")
    if slowly:
        for quick, slow in _PACE:
            script = script.replace(quick, slow)
    # Within a TOML string, which escapes as JSON does.
    script = script.replace("@PYTHON@", json.dumps(_python())[1:-1])
    (root / "model.toml").write_text(script, encoding="utf-8")
    return {path.name: path.read_text(encoding="utf-8") for path in root.glob("*.py")}


def _python() -> str:
    """This interpreter, as short as the shell understands it."""
    name = Path(sys.executable).name.removesuffix(".exe")
    found = shutil.which(name)
    if found is not None and Path(found).samefile(sys.executable):
        return name
    path = Path(sys.executable).as_posix()
    return f'"{path}"' if os.name == "nt" else shlex.quote(path)
