"""`vespiary journal`, `session`, `tokens`, `replay` and what `run` has to do with them, as processes."""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ledger import requirement
from support.projects import project, reply
from test_cli import vespiary
from typer.testing import CliRunner
from vespiary.fronts.cli.main import app

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace whose model answers at once, and never to `slow`."""
    return project(
        tmp_path / "work",
        {},
        reply("Soon.", user="slow", latency_ms=60_000),
        reply("First.", user="first"),
        reply("Fine."),
    )


def ran(root: Path, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """The events of `vespiary run --json`."""
    done = vespiary("run", "--json", *arguments, cwd=root)
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def inside(root: Path, *arguments: str) -> Done:
    """A command in this process, for tests of many: a traceback of it fails the test."""
    result = CliRunner().invoke(app, [*arguments, "-C", str(root)], catch_exceptions=False)
    return Done(result.exit_code, result.stdout, result.stderr)


def listed(root: Path) -> list[dict[str, Any]]:
    return json.loads(vespiary("journal", "list", "--json", cwd=root).stdout)


def interrupted(root: Path, name: str = "SIGTERM") -> tuple[list[dict[str, Any]], str]:
    """The events of a run that is told to end while its model thinks, and what was said on stderr."""
    command = [sys.executable, "-m", "vespiary", "run", "--json", "slow"]
    events: list[dict[str, Any]] = []
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1].get("state") == "thinking":
                process.send_signal(getattr(signal, name))
        said = process.stderr.read()
    assert process.returncode == 130
    return events, said


def hurry(root: Path) -> None:
    """From now on the model answers at once."""
    script = root / "replies.toml"
    script.write_text(script.read_text(encoding="utf-8").replace("60000", "1"), encoding="utf-8")


@requirement("journal-cli:list")
def test_runs_are_listed_and_shown(root: Path) -> None:
    events = ran(root, "first")
    run = events[0]["runId"]

    (found,) = listed(root)
    plain = vespiary("journal", cwd=root)
    shown = vespiary("journal", "show", run, cwd=root)
    entries = vespiary("journal", "show", run, "--entries", cwd=root)
    told = vespiary("journal", "show", run, "--events", "--json", cwd=root)

    assert (found["runId"], found["state"], found["agent"], found["prompt"]) == (run, "done", "coder", "first")
    assert plain.stdout.splitlines()[0].split("\t") == [
        "run", "state", "agent", "session", "when", "entries", "size", "task",
    ]  # fmt: skip
    assert plain.stdout.splitlines()[1].startswith(f"{run}\tdone\tcoder\t{found['session']}\t")
    assert "answer   First." in shown.stdout
    assert "usage    coder · scripted · 1 model call" in shown.stdout
    assert len(entries.stdout.splitlines()) == found["entries"]
    assert [json.loads(line)["seq"] for line in told.stdout.splitlines()] == list(range(1, len(events) + 1))


@requirement("journal-cli:none")
def test_a_workspace_without_a_journal_says_so(root: Path) -> None:
    for group in ("journal", "session"):
        none = vespiary(group, cwd=root)
        assert none.returncode == 0, none.stderr
        assert none.stdout == ""
        assert "in this workspace yet" in none.stderr
    for command in (
        ("journal", "show", "abc"),
        ("journal", "export", "abc"),
        ("replay", "abc"),
        ("session", "show", "x"),
    ):
        named = vespiary(*command, cwd=root)
        assert named.returncode == 2
        assert "Nothing is kept" in named.stderr
    assert json.loads(vespiary("journal", "--json", cwd=root).stdout) == []
    assert vespiary("journal", "check", cwd=root).returncode == 0
    assert vespiary("run", "--resume", cwd=root).returncode == 2
    assert not (root / ".vespiary/journal.db-wal").exists()


@requirement("journal-cli:hostile")
@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c", "x' OR 1=1 --", "\x1b[31m", "ü" * 400, "%s%n", ""])
def test_an_id_is_only_ever_a_name(name: str, root: Path) -> None:
    ran(root, "first")
    commands = (
        ("journal", "show", name), ("journal", "export", name), ("journal", "prune", name), ("replay", name),
        ("session", "show", name), ("session", "delete", name), ("session", "fork", name), ("journal", "dead", name),
    )  # fmt: skip
    for command in commands:
        done = inside(root, *command)
        assert done.returncode == 2, (command, done.stderr)
        assert "\x1b" not in done.stderr
        assert "Traceback" not in done.stderr
    assert len(listed(root)) == 1


@requirement("journal-cli:hostile")
@pytest.mark.unrepeated
@pytest.mark.parametrize("damage", ["cut", "zeros", "garbage", "foreign"])
def test_a_journal_that_is_not_sound_is_told_and_never_a_traceback(
    damage: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ran(root, "first")[0]["runId"]
    assert vespiary("journal", "check", cwd=root).stdout == "The journal is sound.\n"
    path = root / ".vespiary/journal.db"
    data = path.read_bytes()
    env: dict[str, str] = {}
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "zeros":
        path.write_bytes(data[:8192] + bytes(len(data) - 8192))
    elif damage == "garbage":
        path.write_bytes(b"\x07" * 4096)
    else:
        env["VESPIARY_STATE_DIR"] = str(root.parent / "another person")
    before = path.read_bytes()

    checked = vespiary("journal", "check", cwd=root, **env)

    assert checked.returncode == 1
    assert checked.stdout.strip()
    if damage == "foreign":
        monkeypatch.setenv("VESPIARY_STATE_DIR", env["VESPIARY_STATE_DIR"])
    for command in (("journal",), ("journal", "show", run), ("replay", run), ("journal", "export", run), ("session",)):
        done = inside(root, *command)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode in (0, 1), done.stderr
    assert path.read_bytes() == before


@requirement("journal-cli:export")
def test_a_run_is_exported_whole_to_a_private_file(root: Path) -> None:
    run = ran(root, "first")[0]["runId"]
    (root / "run.jsonl").write_text("old", encoding="utf-8")

    done = vespiary("journal", "export", run, "-o", "run.jsonl", cwd=root)
    printed = vespiary("journal", "export", run, cwd=root)

    assert done.returncode == 0, done.stderr
    text = (root / "run.jsonl").read_text(encoding="utf-8")
    assert text == printed.stdout
    kinds = [json.loads(line)["kind"] for line in text.splitlines()]
    assert kinds[0] == "run"
    assert set(kinds) == {"run", "entry", "event", "usage"}
    if sys.platform != "win32":
        assert (root / "run.jsonl").stat().st_mode & 0o077 == 0
    assert list(root.glob("*.part")) == []


@requirement("journal-cli:prune")
def test_pruning_forgets_what_it_is_told_to_and_says_so(root: Path) -> None:
    runs = [ran(root, "first")[0]["runId"] for _ in range(4)]

    named = vespiary("journal", "prune", runs[1], cwd=root)
    kept = vespiary("journal", "prune", "--keep", "1", cwd=root)
    old = vespiary("journal", "prune", "--older-than", "1d", cwd=root)
    wrong = vespiary("journal", "prune", "--older-than", "soon", cwd=root)
    default = vespiary("journal", "prune", cwd=root)

    assert named.stdout.startswith("1 run forgotten")
    assert kept.stdout.startswith("2 runs forgotten")
    assert old.stdout.startswith("0 runs forgotten")
    assert default.stdout.startswith("0 runs forgotten")
    assert wrong.returncode == 2
    assert [run["runId"] for run in listed(root)] == runs[-1:]
    # What it cost stays known.
    report = json.loads(vespiary("tokens", "report", "--by", "run", "--json", cwd=root).stdout)
    assert {row["run"] for row in report["rows"]} == set(runs)


@requirement("journal-cli:prune")
@POSIX
def test_a_run_that_another_process_works_on_is_seen_and_not_forgotten(root: Path) -> None:
    command = [sys.executable, "-m", "vespiary", "run", "--json", "slow"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line).get("state") == "thinking":
                break
        (found,) = listed(root)
        refused = vespiary("journal", "prune", found["runId"], cwd=root)
        every = vespiary("journal", "prune", "--keep", "0", cwd=root)
        checked = vespiary("journal", "check", cwd=root)
        replayed = vespiary("replay", found["runId"], cwd=root)
        resumed = vespiary("run", "--resume", found["runId"], cwd=root)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert found["state"] == "running"
    assert refused.returncode == 2
    assert "another process works on it" in refused.stderr
    assert every.stdout.startswith("0 runs forgotten")
    assert checked.returncode == 0, checked.stdout
    assert replayed.returncode == 0, replayed.stdout
    assert resumed.returncode == 2


@requirement("journal-cli:pruned-after-runs")
def test_old_runs_are_forgotten_after_a_run_as_the_configuration_says(root: Path) -> None:
    with (root / "vespiary.toml").open("a", encoding="utf-8") as file:
        file.write("\n[journal]\nkeep_runs = 2\n")

    runs = [ran(root, "first")[0]["runId"] for _ in range(4)]

    assert [run["runId"] for run in listed(root)] == runs[:1:-1]


@requirement("cli:suspend", "cli:resume")
@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_run_that_was_told_to_end_goes_on_where_it_stopped(name: str, root: Path) -> None:
    events, said = interrupted(root, name)
    run = events[0]["runId"]
    (found,) = listed(root)
    hurry(root)
    more = ran(root, "--resume")

    assert events[-1]["outcome"] == "interrupted"
    assert f"vespiary run --resume {run}" in said
    assert found["state"] == "interrupted"
    assert more[0]["kind"] == "run.resumed"
    assert [event["seq"] for event in events + more] == list(range(1, len(events + more) + 1))
    assert (more[-1]["runId"], more[-1]["outcome"]) == (run, "done")
    assert vespiary("run", "--resume", run, cwd=root).returncode == 2


@requirement("cli:resume")
@POSIX
def test_of_several_interrupted_runs_the_newest_goes_on_and_the_others_are_named(root: Path) -> None:
    first = interrupted(root)[0][0]["runId"]
    second = interrupted(root)[0][0]["runId"]
    hurry(root)

    newest = vespiary("run", "--resume", "--json", cwd=root)
    named = ran(root, "--resume", first)

    assert newest.returncode == 0, newest.stderr
    assert f"Going on with {second}" in newest.stderr
    assert first in newest.stderr
    assert named[-1]["runId"] == first


@requirement("cli:resume")
@pytest.mark.parametrize(
    "arguments",
    [
        ["--resume", "--agent", "coder"], ["--resume", "--mode", "plan"], ["--resume", "--continue"],
        ["--resume", "a", "b"], ["--continue", "--session", "x", "Hello"],
    ],
)  # fmt: skip
def test_options_that_contradict_one_another_are_refused(arguments: list[str], root: Path) -> None:
    done = vespiary("run", *arguments, cwd=root)
    assert done.returncode == 2
    assert done.stdout == ""


@requirement("cli:sessions")
def test_a_conversation_goes_on_is_shown_forked_and_forgotten(root: Path) -> None:
    none = vespiary("run", "--continue", "more", cwd=root)
    ran(root, "first")
    ran(root, "--continue", "more")
    (session,) = json.loads(vespiary("session", "--json", cwd=root).stdout)
    shown = json.loads(vespiary("session", "show", session["sessionId"], "--json", cwd=root).stdout)
    fork = vespiary("session", "fork", session["sessionId"], cwd=root).stdout.strip()
    ran(root, "--session", fork, "and more")
    turns = {each["sessionId"]: each["turns"] for each in json.loads(vespiary("session", "--json", cwd=root).stdout)}
    gone = vespiary("session", "delete", session["sessionId"], cwd=root)
    left = json.loads(vespiary("session", "--json", cwd=root).stdout)

    assert none.returncode == 2
    assert "no conversation" in none.stderr
    assert [(turn["prompt"], turn["text"]) for turn in shown["turns"]] == [("first", "First."), ("more", "Fine.")]
    assert turns == {session["sessionId"]: 2, fork: 3}
    assert gone.returncode == 0
    assert [each["sessionId"] for each in left] == [fork]
    assert len(listed(root)) == 3


@requirement("journal-cli:tokens")
def test_the_tokens_of_kept_runs_are_added_up(root: Path) -> None:
    ran(root, "first")
    ran(root, "--continue", "more")

    report = vespiary("tokens", "report", "--by", "session", "--by", "day", "--since", "7d", cwd=root)
    wrong = vespiary("tokens", "report", "--since", "-3", cwd=root)
    none = vespiary("tokens", "report", "--json", cwd=root.parent)

    lines = [line.split("\t") for line in report.stdout.splitlines()]
    assert lines[0][:3] == ["session", "day", "calls"]
    assert [line[2] for line in lines[1:]] == ["2"]
    assert wrong.returncode == 2
    assert json.loads(none.stdout)["rows"] == []


@requirement("replay:command")
@pytest.mark.unrepeated
def test_a_run_is_replayed_and_a_change_of_its_record_is_found(root: Path) -> None:
    run = ran(root, "first")[0]["runId"]

    same = vespiary("replay", run, cwd=root)
    data = json.loads(vespiary("replay", run, "--json", cwd=root).stdout)
    stopped = vespiary("replay", run, "--until", "5", cwd=root)
    at = json.loads(vespiary("replay", run, "--until", "5", "--json", cwd=root).stdout)
    beyond = vespiary("replay", run, "--until", "5000", cwd=root)

    assert same.returncode == 0, same.stdout + same.stderr
    assert same.stdout.startswith("Identical: ")
    assert data["same"]
    assert data["steps"] > 5
    assert "State of " in stopped.stdout
    assert "The agents then:" in stopped.stdout
    assert at["stop"]["entry"] == 5
    assert at["stop"]["actor"] in at["stop"]["actors"]
    assert beyond.returncode == 1
    assert "has no entry 5000" in beyond.stderr
    shutil.rmtree(root / ".vespiary")


@requirement("journal-cli:options")
def test_options_before_a_command_are_not_lost_silently(root: Path) -> None:
    done = vespiary("journal", "--json", "show", "abc", cwd=root)
    assert done.returncode == 2
    assert "Options come after the command" in done.stderr
