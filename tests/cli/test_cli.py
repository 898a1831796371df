"""The command line as a process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ledger import requirement
from support.projects import project, reply


def vespiary(*arguments: str, cwd: Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vespiary", *arguments],
        cwd=cwd,
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "COLUMNS": "200", "PYTHONIOENCODING": "utf-8", **env},
        timeout=100,
        check=False,
    )


@requirement("cli:exit-codes")
def test_a_finished_task_exits_with_0_and_says_what_changed(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        {},
        reply("", ("create_file", {"path": "a.txt", "content": "hi\n"}), turn=1),
        reply("Made it.", turn=2),
    )

    done = vespiary("run", "Make a file", cwd=root)

    assert done.returncode == 0, done.stderr
    assert "Made it." in done.stdout
    assert "created a.txt" in done.stdout
    assert (root / "a.txt").read_text(encoding="utf-8") == "hi\n"


@requirement("cli:exit-codes")
def test_a_failed_task_exits_with_1_and_says_why(tmp_path: Path) -> None:
    root = project(tmp_path, {}, {"error": {"status": 401, "message": "no such key"}})

    done = vespiary("run", "Hello", cwd=root)

    assert done.returncode == 1
    assert "no such key" in done.stdout


@requirement("cli:exit-codes", "app:unknown-agent")
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["run", "--agent", "nobody", "Hello"], "coder"),
        (["run", ""], "empty"),
        (["run", "--mode", "nonsense", "Hello"], "apply"),
        (["nonsense"], "No such command"),
    ],
)
def test_what_cannot_be_meant_exits_with_2(arguments: list[str], word: str, tmp_path: Path) -> None:
    root = project(tmp_path, {}, reply("Hello", turn=1))

    done = vespiary(*arguments, cwd=root)

    assert done.returncode == 2
    assert word in done.stderr
    assert done.stdout == ""


@requirement("cli:exit-codes", "app:unknown-agent")
def test_a_workspace_without_a_model_says_what_to_write(tmp_path: Path) -> None:
    done = vespiary("run", "Hello", cwd=tmp_path, XDG_CONFIG_HOME=str(tmp_path / "none"))

    assert done.returncode == 2
    assert "[models." in done.stderr


@requirement("cli:exit-codes")
@pytest.mark.skipif(sys.platform == "win32", reason="a console event cannot be sent to one process on Windows")
def test_an_interrupt_cancels_the_run_and_exits_with_130(tmp_path: Path) -> None:
    root = project(tmp_path, {}, reply("Too late", turn=1, latency_ms=60_000))
    command = [sys.executable, "-m", "vespiary", "run", "--json", "Hello"]
    events: list[dict[str, object]] = []
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if events[-1]["kind"] == "status" and events[-1]["state"] == "thinking":
                process.send_signal(signal.SIGINT)

    assert process.returncode == 130
    assert events[-1]["kind"] == "run.finished"
    assert events[-1]["outcome"] == "cancelled"


@requirement("cli:stdin-prompt")
@pytest.mark.parametrize("arguments", [["run", "--json"], ["run", "--json", "-"]])
def test_the_task_can_come_from_standard_input(arguments: list[str], tmp_path: Path) -> None:
    root = project(tmp_path, {}, reply("Heard.", user="from the pipe"))

    done = vespiary(*arguments, cwd=root, stdin="A task from the pipe\n")

    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert events[-1]["text"] == "Heard."


@requirement("cli:demo")
def test_the_demo_ends_with_passing_tests_and_a_diff(tmp_path: Path) -> None:
    done = vespiary("demo", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED (failures=1, errors=1)" in done.stdout
    assert "All three tests pass." in done.stdout
    assert "+    return min(prices, default=None)" in done.stdout
    assert "-    return sum(prices) - discount" in done.stdout


@requirement("cli:trust")
def test_a_workspace_s_own_file_grants_power_only_while_it_is_trusted(tmp_path: Path) -> None:
    state = {"VESPIARY_STATE_DIR": str(tmp_path / "state")}
    root = project(tmp_path / "work", {}, reply("Done.", turn=1), agent='grants = { command = "allow" }')

    before = vespiary("run", "Hello", cwd=root, **state)
    trusting = vespiary("trust", cwd=root, **state)
    after = vespiary("run", "Hello", cwd=root, **state)
    with (root / "vespiary.toml").open("a") as file:
        file.write("\n# changed\n")
    changed = vespiary("run", "Hello", cwd=root, **state)

    assert before.returncode == 2
    assert "vespiary trust" in before.stderr
    assert trusting.returncode == 0, trusting.stderr
    assert "command" in trusting.stderr
    assert after.returncode == 0, after.stderr
    assert changed.returncode == 2


def test_the_version_is_told(tmp_path: Path) -> None:
    from vespiary import __version__

    assert vespiary("--version", cwd=tmp_path).stdout.strip() == f"vespiary {__version__}"


def test_the_agents_are_listed(tmp_path: Path) -> None:
    listed = vespiary("agents", "--json", cwd=project(tmp_path, {}, reply("x", turn=1)))

    assert [agent["name"] for agent in json.loads(listed.stdout)] == ["coder"]


def test_json_is_utf_8_whatever_the_terminal_is(tmp_path: Path) -> None:
    root = project(tmp_path, {}, reply("x", turn=1), agent='description = "Größe 蜂"')

    listed = vespiary("agents", "--json", cwd=root, PYTHONIOENCODING="cp1252")
    shown = vespiary("agents", cwd=root, PYTHONIOENCODING="cp1252:strict")

    assert json.loads(listed.stdout)[0]["description"] == "Größe 蜂"
    assert shown.returncode == 0, shown.stderr


@requirement("cli:next-step")
def test_agents_without_a_model_say_what_to_write(tmp_path: Path) -> None:
    listed = vespiary("agents", cwd=tmp_path, VESPIARY_CONFIG=str(tmp_path / "none.toml"))

    assert listed.returncode == 0
    assert "coder (default)  none" in listed.stdout
    assert "[models.default]" in listed.stderr


def test_a_task_needs_no_quotes(tmp_path: Path) -> None:
    root = project(tmp_path, {}, reply("Heard.", turn=1, user="Fix the failing test"))

    done = vespiary("run", "Fix", "the", "failing", "test", "--mode", "plan", cwd=root)

    assert done.returncode == 0, done.stdout
    assert "Heard." in done.stdout
