"""The shell actor: what it asks the host to run, and how each end of a command is told."""

import shlex
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import requirement
from shell import Shell
from shell_quote import command_line
from vespiary_sdk import CapabilityError, ToolError
from vespiary_sdk.testing import FakeHost, ToolResult


def ended(**more: Any) -> dict[str, Any]:
    return {
        "status": "exited",
        "code": 0,
        "stdout": "",
        "stderr": "",
        "stdout_truncated": False,
        "stderr_truncated": False,
        "duration_ms": 5,
        **more,
    }


def run(answer: dict[str, Any] | None = None, **arguments: Any) -> tuple[ToolResult, dict[str, Any]]:
    requests: list[dict[str, Any]] = []

    def command(request: dict[str, Any]) -> dict[str, Any]:
        requests.append(request)
        return answer or ended()

    host = FakeHost(Shell, answers={"command": command})
    return host.call("execute_bash", **{"command": "true", **arguments}), requests[0] if requests else {}


@requirement("actors:shell-request")
def test_a_command_line_is_run_by_a_shell_in_the_workspace() -> None:
    _, request = run(command="ls | wc", directory="src", timeout=60)
    assert {key: value for key, value in request.items() if value} == {
        "program": "ls | wc",
        "cwd": "src",
        "timeout_ms": 60_000,
        "max_output_bytes": 5000,
        "shell": True,
    }


@requirement("actors:shell-timeout")
@pytest.mark.parametrize(
    ("asked", "given_ms"), [(None, 30_000), (0, 1000), (-5, 1000), (1, 1000), (600, 600_000), (10**9, 600_000)]
)
def test_the_timeout_is_thirty_seconds_and_stays_within_bounds(asked: int | None, given_ms: int) -> None:
    assert run(timeout=asked)[1]["timeout_ms"] == given_ms


@requirement("actors:shell-args")
def test_arguments_are_quoted() -> None:
    _, request = run(command="grep -r\n", args=["it's $HOME", "a b", "; rm -rf /", ""])
    assert shlex.split(request["program"]) == ["grep", "-r", "it's $HOME", "a b", "; rm -rf /", ""]


@pytest.mark.skipif(sys.platform == "win32", reason="quotes for a POSIX shell")
@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), max_size=4
    )
)
@settings(max_examples=25, deadline=None)
@requirement("actors:shell-args")
def test_a_real_shell_gets_every_argument_as_it_was(args: list[str]) -> None:
    script = "import sys; sys.stdout.buffer.write(repr(sys.argv[1:]).encode('utf-8', 'surrogateescape'))"
    line = command_line(f"{shlex.quote(sys.executable)} -S -E -c {shlex.quote(script)}", args, "linux")
    out = subprocess.run(["sh", "-c", line], capture_output=True, check=True, env={"PYTHONUTF8": "1"}).stdout
    assert out.decode("utf-8", "surrogateescape") == repr(args)


@requirement("actors:shell-args")
def test_on_windows_an_argument_is_quoted_for_every_shell_or_refused() -> None:
    assert (
        command_line("dir", ["a b", "src\\x.py", "*.py", "a;b|c", "ü"], "windows")
        == 'dir "a b" "src\\x.py" "*.py" "a;b|c" "ü"'
    )
    for bad in ('a"b', "%PATH%", "$HOME", "`x`", "a\nb", "!x", "a\\", "\\\\server\\x"):
        with pytest.raises(ToolError, match="cannot be passed safely on Windows"):
            command_line("dir", [bad], "windows")


@pytest.mark.parametrize("arguments", [{"command": " "}, {"command": "a\0b"}, {"args": ["\0"]}])
def test_a_command_that_cannot_be_run_is_refused_before_the_host_hears_of_it(arguments: dict[str, Any]) -> None:
    result, request = run(**arguments)
    assert not result.ok
    assert request == {}


@requirement("actors:shell-success")
@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (ended(stdout="hello\n"), "hello"),
        (ended(), "The command succeeded and printed nothing."),
        (ended(stderr=" \n"), "The command succeeded and printed nothing."),
        (ended(stderr="careful\n"), "stderr:\ncareful"),
        (ended(stdout="out\n", stderr="err\n"), "stdout:\nout\n\nstderr:\nerr"),
        (ended(stdout="  indented\n"), "  indented"),
    ],
)
def test_exit_code_zero_is_success(answer: dict[str, Any], content: str) -> None:
    assert run(answer)[0] == ToolResult(True, content)


@requirement("actors:shell-truncation")
def test_output_that_was_cut_is_no_error_and_says_so() -> None:
    result, _ = run(ended(stdout="a ... z", stdout_truncated=True))
    assert result == ToolResult(
        True, "a ... z\n[stdout was cut: 5,000 bytes of it are shown, its beginning and its end]"
    )


@requirement("actors:shell-failure")
@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (ended(code=2, stderr="bad\n"), "The command failed with exit code 2.\nstderr:\nbad"),
        (ended(code=1), "The command failed with exit code 1. It printed nothing."),
        (ended(status="signaled", code=None, signal=9, stdout="so far"), "The command was ended by signal 9.\nso far"),
        (
            ended(status="timed-out", code=None, stdout="so far"),
            "The command ran longer than 30 s and was ended with all that it started. "
            "Give a longer timeout if it needs one.\nso far",
        ),
        (
            ended(status="failed-to-start", code=None, reason="no such folder"),
            "The command could not be started: no such folder. It printed nothing.",
        ),
    ],
)
def test_everything_else_is_an_error_with_what_was_printed(answer: dict[str, Any], content: str) -> None:
    assert run(answer)[0] == ToolResult(False, content)


def test_at_the_longest_timeout_a_longer_one_is_not_advised() -> None:
    assert "longer timeout" not in run(ended(status="timed-out", code=None), timeout=600)[0].content


@requirement("actors:refusals")
def test_a_refused_grant_reaches_the_model_with_its_hint() -> None:
    def refuse(request: dict[str, Any]) -> Any:
        raise CapabilityError("command.denied", "The agent may not run commands.", "Grant `command` to it.")

    result = FakeHost(Shell, answers={"command": refuse}).call("execute_bash", command="ls")
    assert result == ToolResult(False, "The agent may not run commands. Grant `command` to it.")


def test_a_running_command_is_shown_with_its_arguments() -> None:
    host = FakeHost(Shell)
    host.start_call("execute_bash", {"command": "grep -r", "args": ["x y", "."]})
    host.start_call("execute_bash", {"command": "l" * 500})
    titles = [message.payload["title"] for message in host.sent]
    assert titles == ["$ grep -r x y .", "$ " + "l" * 200]


def test_a_cancelled_call_stops_the_command() -> None:
    host = FakeHost(Shell)
    call = host.start_call("execute_bash", {"command": "sleep 100"})
    assert len(host.requests) == 1
    host.cancel_call(call)
    assert [request.capability for request in host.cancelled] == ["command"]
    result = host.result(call)
    assert result is not None
    assert not result.ok


@requirement("actors:shell-unsaved")
def test_a_command_that_did_not_see_unsaved_changes_says_so() -> None:
    silent, _ = run(ended(unsaved=["src/a.py", "src/b.py"]))
    failed, _ = run(ended(code=1, stdout="boom", unsaved=["src/a.py"]))
    assert silent.content.startswith("The command succeeded and printed nothing.")
    assert "not saved yet: src/a.py, src/b.py." in silent.content
    assert "boom" in failed.content
    assert "not saved yet: src/a.py." in failed.content
    assert "not saved" not in run()[0].content
