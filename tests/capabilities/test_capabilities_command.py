"""Programs: how they end, what they say, and that nothing of them stays."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from ledger import requirement
from support.memory_ports import CALLER, Ask, MemoryRun, asker
from support.processes import STUBBORN, gone, pids
from vespiary.capabilities.command import CommandCapability
from vespiary.capabilities.environment import command_environment, is_secret
from vespiary.capabilities.output import HeadTail
from vespiary.capabilities.paths import Paths
from vespiary.model.errors import RequestRefused
from vespiary.model.grants import Grant

pytestmark = pytest.mark.anyio

posix = pytest.mark.skipif(os.name == "nt", reason="signals and groups of POSIX")


@pytest.fixture
def command(root: Path, run: MemoryRun) -> Ask:
    return asker(CommandCapability(root, run))


async def python(command: Ask, code: str, **more: Any) -> dict[str, Any]:
    return await command(program=sys.executable, args=["-c", code], **more)


async def refused(command: Ask, **request: Any) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        await command(**request)
    return caught.value


@requirement("command:outcome")
async def test_a_command_answers_with_its_code_and_its_streams(command: Ask) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    answer = await python(command, code)
    assert answer.pop("duration_ms") > 0
    assert {key: value.replace("\r", "") if isinstance(value, str) else value for key, value in answer.items()} == {
        "status": "exited",
        "code": 3,
        "stdout": "out\n",
        "stderr": "err\n",
        "stdout_truncated": False,
        "stderr_truncated": False,
    }


@requirement("command:outcome")
async def test_a_program_that_is_not_there_says_so(root: Path, command: Ask) -> None:
    answer = await command(program="no-such-program-anywhere")
    assert (answer["status"], answer["reason"]) == ("failed-to-start", "There is no such program.")
    (root / "text").write_text("x", encoding="utf-8", newline="")
    answer = await command(program="./text")
    assert answer["status"] == "failed-to-start"


@requirement("command:outcome")
@posix
async def test_a_command_that_a_signal_ends_says_which(command: Ask) -> None:
    answer = await python(command, "import os; os.kill(os.getpid(), 9)")
    assert (answer["status"], answer["signal"], answer.get("code")) == ("signaled", "SIGKILL", None)


@posix
async def test_a_line_for_the_shell(root: Path, command: Ask) -> None:
    (root / "sub").mkdir()
    answer = await command(program="echo one | tr o 0 && echo two >&2; exit 4", shell=True, cwd="sub")
    assert (answer["code"], answer["stdout"].split(), answer["stderr"].split()) == (4, ["0ne"], ["two"])
    assert (await refused(command, program="echo", args=["x"], shell=True)).code == "command.request"


async def test_a_command_gets_no_input(command: Ask) -> None:
    answer = await python(command, "import sys; print(repr(sys.stdin.read()))")
    assert answer["stdout"].strip() == "''"


@posix
async def test_a_command_has_no_terminal_and_a_group_of_its_own(command: Ask) -> None:
    answer = await python(command, "import os; print(os.getpgid(0) == os.getpid() == os.getsid(0))")
    assert answer["stdout"] == "True\n"


@requirement("command:grant")
async def test_without_the_grant_nothing_runs_and_the_key_is_named(root: Path, run: MemoryRun, command: Ask) -> None:
    for grant in (Grant.DENY, Grant.ASK):
        run.permit(command=grant)
        error = await refused(command, program=sys.executable, args=["-c", "open('x', 'w')"])
        assert error.code == "command.denied"
        assert '[agents.coder.grants] command = "allow"' in str(error)
        assert "vespiary trust" in str(error)
    run.permit(command=Grant.ALLOW)
    run.plan()
    assert (await refused(command, program=sys.executable, args=["-c", "open('x', 'w')"])).code == "command.plan"
    assert not (root / "x").exists()


@requirement("command:cwd")
async def test_a_command_runs_in_a_folder_of_the_workspace(root: Path, command: Ask) -> None:
    sub = Paths(root).root / "sub"
    sub.mkdir()
    (root / "file").write_text("", encoding="utf-8", newline="")
    answer = await python(command, "import os; print(os.getcwd())", cwd="sub")
    assert answer["stdout"].strip() == str(sub)
    for cwd in ("..", "/", "../" + root.name, ".git", "file"):
        assert (await refused(command, program="true", cwd=cwd)).code == "workspace.path"
    assert (await refused(command, program="true", cwd="none")).code == "workspace.missing"


@requirement("command:cwd")
@posix
async def test_a_command_does_not_follow_a_link_out(root: Path, tmp_path: Path, command: Ask) -> None:
    (root / "link").symlink_to(tmp_path)
    assert (await refused(command, program="true", cwd="link")).code == "workspace.path"


@requirement("command:output")
async def test_both_streams_are_read_at_once(command: Ask) -> None:
    code = "import sys\nfor i in range(2000):\n print('o' * 500)\n print('e' * 500, file=sys.stderr)"
    answer = await python(command, code, max_output_bytes=2_000_000)
    assert (answer["status"], answer["code"]) == ("exited", 0)
    assert answer["stdout"].count("o") == answer["stderr"].count("e") == 1_000_000
    assert not answer["stdout_truncated"]
    assert not answer["stderr_truncated"]


@requirement("command:output", "command:no-sigpipe")
async def test_a_flood_keeps_its_beginning_and_end_and_the_writer_its_exit_code(command: Ask) -> None:
    code = "import sys\nw = sys.stdout.buffer.write\nw(b'begin')\nfor i in range(300):\n w(b'x' * 100_000)\nw(b'end')\nsys.exit(7)"
    answer = await python(command, code, max_output_bytes=1000)
    assert (answer["status"], answer["code"]) == ("exited", 7)
    assert answer["stdout_truncated"] is True
    assert answer["stdout"].startswith("beginx")
    assert answer["stdout"].endswith("xend")
    assert "29,999,008 bytes left out" in answer["stdout"]
    assert len(answer["stdout"]) < 1100


async def test_output_that_just_fits_is_whole(command: Ask) -> None:
    answer = await python(command, "import sys; sys.stdout.write('x' * 100)", max_output_bytes=100)
    assert (answer["stdout"], answer["stdout_truncated"]) == ("x" * 100, False)
    answer = await python(command, "import sys; sys.stdout.write('x' * 101)", max_output_bytes=100)
    assert answer["stdout_truncated"] is True


async def test_bytes_that_are_no_text_are_replaced(command: Ask) -> None:
    answer = await python(command, "import sys; sys.stdout.buffer.write(b'a\\xff\\xc3')")
    assert answer["stdout"] == "a\ufffd\ufffd"


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("cap", [0, 1, 2, 7, 64])
def test_any_pieces_give_the_same_head_and_tail(size: int, cap: int) -> None:
    data = "aé😀\n".encode() * 100
    kept = HeadTail(cap)
    for at in range(0, len(data), size):
        kept.add(data[at : at + size])
    whole = HeadTail(cap)
    whole.add(data)
    assert kept.text() == whole.text()
    assert kept.truncated
    fits = HeadTail(len(data))
    fits.add(data)
    assert (fits.text(), fits.truncated) == (data.decode(), False)


@requirement("command:outcome", "command:group")
async def test_a_timeout_keeps_what_was_said_so_far(command: Ask) -> None:
    code = "import time; print('here', flush=True); time.sleep(60)"
    answer = await python(command, code, timeout_ms=700)
    assert (answer["status"], answer["stdout"].strip()) == ("timed-out", "here")
    assert answer["duration_ms"] < 5000


@requirement("command:group")
@posix
async def test_a_cancel_ends_a_whole_group_that_ignores_signals_within_a_second(root: Path, command: Ask) -> None:
    begun, found = 0.0, [0]
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: python(command, STUBBORN))
        found = await pids(root)
        begun = time.monotonic()
        group.cancel_scope.cancel()
    assert time.monotonic() - begun < 1
    for pid in found:
        await gone(pid)


@requirement("command:group")
@posix
async def test_a_timeout_ends_a_whole_group_that_ignores_signals(root: Path, command: Ask) -> None:
    answer = await python(command, STUBBORN, timeout_ms=1500)
    assert answer["status"] == "timed-out"
    for pid in await pids(root):
        await gone(pid)


@requirement("command:group")
@posix
async def test_a_stopped_command_is_ended_too(command: Ask) -> None:
    answer = await python(command, "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", timeout_ms=500)
    assert answer["status"] == "timed-out"


@requirement("command:no-hang")
@posix
async def test_a_background_process_with_the_pipe_is_ended_with_its_command(command: Ask) -> None:
    answer = await command(program="sleep 60 & echo $!", shell=True)
    assert (answer["status"], answer["code"]) == ("exited", 0)
    assert answer["duration_ms"] < 5000
    await gone(int(answer["stdout"]))


@requirement("command:no-hang")
@posix
async def test_a_process_that_left_the_group_and_holds_the_pipe_does_not_hold_the_command(command: Ask) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(20)'], start_new_session=True)\n"
        "print(child.pid)"
    )
    answer = await python(command, code)
    assert (answer["status"], answer["code"]) == ("exited", 0)
    assert answer["duration_ms"] < 5000
    os.kill(int(answer["stdout"]), 9)


@requirement("command:exit")
@posix
async def test_what_still_runs_is_ended_when_the_host_exits(root: Path) -> None:
    host = f"""
import os, sys, threading, anyio
from pathlib import Path
from vespiary.capabilities.processes import run_program

async def main():
    async with anyio.create_task_group() as group:
        command = [sys.executable, "-c", {STUBBORN!r}]
        group.start_soon(lambda: run_program(command, cwd=Path("."), env=os.environ, timeout=60, cap=10))
        while not os.path.exists("pids"):
            await anyio.sleep(0.01)
        # As a fatal error would leave the loop: without running what is in it to its end.
        import atexit
        atexit._run_exitfuncs()
        os._exit(0)

anyio.run(main)
"""
    await anyio.run_process([sys.executable, "-c", host], cwd=root, stderr=subprocess.DEVNULL)
    for pid in await pids(root):
        await gone(pid)


@requirement("command:unsaved")
async def test_an_answer_names_what_was_unsaved_when_the_command_began(root: Path, run: MemoryRun) -> None:
    unsaved = ["b.py", "a.py"]
    command = asker(CommandCapability(root, run, unsaved=lambda: list(unsaved)))
    assert (await python(command, "pass"))["unsaved"] == ["a.py", "b.py"]
    unsaved.clear()
    assert "unsaved" not in await python(command, "pass")


@requirement("command:secrets")
async def test_a_command_sees_no_secret_of_the_host(root: Path, run: MemoryRun) -> None:
    host = {
        **{name: value for name, value in os.environ.items() if not is_secret(name, value)},
        "MY_MODEL": "sk-123456789",
        "COPY": "Bearer sk-123456789",
        "OPENAI_API_KEY": "1",
        "github_token": "2",
        "HARMLESS": "kept",
    }
    command = asker(CommandCapability(root, run, secret_names=lambda: ["MY_MODEL"], environ=host))
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    answer = await command(program=sys.executable, args=["-c", code], env={"GIVEN": "x"})
    for secret in ("MY_MODEL", "COPY", "OPENAI_API_KEY", "github_token", "sk-123"):
        assert secret not in answer["stdout"]
    assert '"HARMLESS": "kept"' in answer["stdout"]
    assert '"GIVEN": "x"' in answer["stdout"]


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "NPM_TOKEN",
        "PGPASSWORD",
        "DB_PASSWD",
        "MYSQL_PWD",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "SSH_AUTH_SOCK",
        "DB_PASS",
        "SMTPPASS",
        "GITHUB_PAT",
        "SENTRY_DSN",
        "my_private_thing",
        "SESSION_COOKIE",
    ],
)
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["PATH", "HOME", "PWD", "OLDPWD", "GIT_AUTHOR_NAME", "LANG", "VIRTUAL_ENV", "COMPASS", "SystemRoot"]
)
def test_ordinary_names_are_kept(name: str) -> None:
    assert not is_secret(name, "value")


def test_a_password_in_a_url_is_a_secret() -> None:
    assert is_secret("DATABASE_URL", "postgres://me:hunter2@db/x")
    assert not is_secret("HOMEPAGE", "https://example.org:443/a@b")
    assert command_environment({"A": "1"}, (), {"API_KEY": "given"}) == {"A": "1", "API_KEY": "given"}


def test_a_variable_has_one_value_even_where_the_case_of_its_name_does_not_count() -> None:
    host, wanted = {"PATH": "host", "TEMP": "t"}, {"Path": "mine"}
    assert command_environment(host, (), wanted, windows=True) == {"TEMP": "t", "Path": "mine"}
    assert command_environment(host, (), wanted, windows=False) == {"PATH": "host", "TEMP": "t", "Path": "mine"}


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"program": ""},
        {"program": 3},
        {"program": "a\x00b"},
        {"program": "a", "args": "b"},
        {"program": "a", "args": [1]},
        {"program": "a", "args": ["\x00"]},
        {"program": "a", "env": {"A=B": "c"}},
        {"program": "a", "env": {"": "c"}},
        {"program": "a", "env": {"A": 1}},
        {"program": "a", "timeout_ms": 600_001},
        {"program": "a", "timeout_ms": 0},
        {"program": "a", "max_output_bytes": -1},
        {"program": "a", "comand": "b"},
    ],
)
async def test_a_malformed_request_is_refused(command: Ask, request_: dict[str, Any]) -> None:
    assert (await refused(command, **request_)).code == "command.request"


def test_a_command_is_never_repeated(root: Path, run: MemoryRun) -> None:
    assert not CommandCapability(root, run).repeatable("{}")
    assert CALLER.agent == "coder"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@requirement("command:no-hang")
@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
async def test_no_file_descriptor_is_left_behind(command: Ask) -> None:
    held = "import subprocess, sys\nchild = subprocess.Popen(['sleep', '20'], start_new_session=True)\nprint(child.pid)"
    await python(command, "")
    before = descriptors()
    found = [int((await python(command, held))["stdout"]) for _ in range(2)]
    await command(program="no-such-program-anywhere")
    try:
        with anyio.fail_after(5):
            while descriptors() > before:
                await anyio.lowlevel.checkpoint()  # a transport closes at a later turn of the loop
    finally:
        for pid in found:
            os.kill(pid, 9)
