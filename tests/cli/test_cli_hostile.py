"""The command line against what models, tools and repositories say, and against a world that goes away."""

import io
import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from rich.console import Console
from support.projects import project, reply
from vespiary.fronts.cli.render import Renderer
from vespiary.fronts.cli.terminal import plain
from vespiary.model.errors import Problem
from vespiary.model.events import (
    ActorFailedEvent,
    EditEvent,
    EditState,
    EventBody,
    LogEvent,
    RunEvent,
    RunFinished,
    RunStarted,
    Status,
    TextDelta,
    ToolEvent,
    ToolState,
)
from vespiary.model.ids import RunId
from vespiary.model.runs import ChangeKind, FileChanged, Mode, Outcome, Usage

HOSTILE = "\x1b]0;owned\x07 \x9b31m \r\x08 \u202e [red]x[/nope] \\\\\\ \ud83d"
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and closed descriptors as POSIX has them")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "vespiary", *arguments]


def shown(body: EventBody) -> str:
    """What the renderer writes on a terminal with colours switched off: every control character left is one let through."""
    stream = io.StringIO()
    console = Console(file=stream, highlight=False, soft_wrap=True, no_color=True, width=200)
    Renderer(console).show(RunEvent(RunId("r"), 1, 0.0, "aaaaaa", "coder", body))  # pyright: ignore[reportArgumentType]
    return stream.getvalue()


def bodies(text: str) -> list[EventBody]:
    problem = Problem("x", text, text)
    files = (FileChanged(text, ChangeKind.MODIFIED),)
    return [
        RunStarted(text, text, Mode.PLAN),
        TextDelta(text),
        Status("retrying", text),
        ToolEvent("1", text, ToolState.RUNNING, title=text),
        ToolEvent("1", text, ToolState.DONE, content=text),
        ToolEvent("1", text, ToolState.FAILED, content=text),
        ToolEvent("1", "execute_bash", ToolState.DONE, content=text),
        EditEvent(text, EditState.APPLIED, diff=f"--- a\n+++ b\n@@ -1 +1 @@\n-{text}\n+{text}\n", to=text),
        EditEvent(text, EditState.REFUSED, reason=text),
        LogEvent("warn", text, text),
        ActorFailedEvent(text, problem, restarted=True),  # pyright: ignore[reportArgumentType]
        RunFinished(Outcome.DONE, text, Usage(), files),
        RunFinished(Outcome.FAILED, text, Usage(), files, problem),
    ]


@requirement("cli:safe-terminal")
@pytest.mark.parametrize("body", bodies(HOSTILE), ids=lambda body: type(body).__name__)
def test_nothing_that_an_event_quotes_controls_the_terminal(body: EventBody) -> None:
    out = shown(body)
    assert UNSAFE.search(out) is None, out
    assert "[/nope]" in out or isinstance(body, EditEvent | RunFinished | RunStarted)


@requirement("cli:safe-terminal")
@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=200))
def test_plain_text_stays_and_nothing_else_does(text: str) -> None:
    made = plain(text)
    assert UNSAFE.search(made) is None
    assert plain(made) == made
    if UNSAFE.search(text) is None:
        assert made == text


@requirement("cli:safe-terminal")
def test_what_a_cloned_configuration_says_is_listed_as_it_is_written(tmp_path: Path) -> None:
    root = project(tmp_path, {}, reply("x", turn=1), agent=f"description = {json.dumps('[/x] ' + chr(27) + '[2J')}")
    listed = subprocess.run(command("agents"), cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert listed.returncode == 0, listed.stderr
    assert "[/x]" in listed.stdout
    assert "\x1b[2J" not in listed.stdout


@requirement("cli:safe-terminal")
def test_errors_and_warnings_cannot_control_the_terminal_either(tmp_path: Path) -> None:
    (tmp_path / "vespiary.toml").write_text('[agents."a\\u001b[2J"]\n"b\\u001b[2J" = 1\n', encoding="utf-8", newline="")
    done = subprocess.run(
        command("run", "Hello"), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert "\x1b" not in done.stderr


@requirement("cli:output-lost")
@POSIX
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_run_whose_reader_leaves_stops_changing_files(options: list[str], tmp_path: Path) -> None:
    root = project(
        tmp_path,
        {},
        reply("First words.", ("list_files", {}), turn=1),
        reply("More words.", ("create_file", {"path": "late.txt", "content": "x"}), turn=2, latency_ms=1500),
        reply("Done.", turn=3),
    )
    with subprocess.Popen(
        command("run", *options, "Hello"), cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in said, said
    assert not (root / "late.txt").exists()


@requirement("cli:exit-codes")
@POSIX
@pytest.mark.parametrize("options", [["--json"], []])
def test_a_closed_standard_output_is_no_trouble(options: list[str], tmp_path: Path) -> None:
    root = project(
        tmp_path, {}, reply("", ("create_file", {"path": "a", "content": "x"}), turn=1), reply("Done.", turn=2)
    )
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *command("run", *options, "Hello")]
    done = subprocess.run(line, cwd=root, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert (root / "a").exists()


@requirement("cli:stdin-prompt")
@POSIX
@pytest.mark.parametrize(
    ("arguments", "given"), [(["run"], None), (["run", "-"], None), (["run"], b"a\xff"), (["run", b"a\xff"], b"")]
)
def test_a_task_that_cannot_be_read_is_a_plain_error(
    arguments: list[str | bytes], given: bytes | None, tmp_path: Path
) -> None:
    root = project(tmp_path, {}, reply("Done.", turn=1))
    closing = "<&-" if given is None else ""
    line = ["sh", "-c", f'exec "$@" {closing}', "sh", *command(), *arguments]
    done = subprocess.run(line, cwd=root, input=given, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stderr.startswith(b"vespiary: ")


@requirement("cli:exit-codes")
def test_an_output_of_a_small_alphabet_takes_what_it_can(tmp_path: Path) -> None:
    root = project(tmp_path, {}, reply("Grüße 蜂", turn=1))
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command("run", "Hello"), cwd=root, env=env, capture_output=True, check=False, timeout=60)
    told = subprocess.run(
        command("run", "--json", "Hello"), cwd=root, env=env, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert b"Gr??e ?" in done.stdout
    assert b"Traceback" not in done.stderr
    assert json.loads(told.stdout.splitlines()[-1])["text"] == "Grüße 蜂"


@requirement("cli:commands-end")
@POSIX
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_ended_vespiary_leaves_no_command_behind(number: str, tmp_path: Path) -> None:
    """The command and its children hold a pipe open as long as they live."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    line = f"trap '' TERM HUP INT; exec 3> {pipe}; echo up >&3; while :; do sleep 5; done"
    root = project(
        tmp_path / "work",
        {},
        reply("", ("execute_bash", {"command": line}), turn=1),
        reply("Done.", turn=2),
        agent='grants = { command = "allow" }',
    )
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(
        command("run", "--trust", "--json", "Hello"),
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert select.select([reading], [], [], 60)[0], "the command did not start"
        assert os.read(reading, 10) == b"up\n"
        process.send_signal(getattr(signal, number))
        last = process.stdout.read().splitlines()[-1]
    assert process.returncode == 130
    # A person's interrupt is meant for the run; whoever ends the process may want it to go on later.
    assert json.loads(last)["outcome"] == ("cancelled" if number == "SIGINT" else "interrupted")
    assert select.select([reading], [], [], 2)[0], "the command lives on"
    assert os.read(reading, 10) == b""
    os.close(reading)
