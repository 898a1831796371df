"""Python actors that mean harm or make mistakes, in the generic component."""

import pytest
from ledger import requirement
from support.sandbox import NOW, Sandbox, lines
from vespiary.model.steps import FailureKind, Limits, Log, Send, StepResult

HEAD = """
from vespiary_sdk import Actor, on, messaging
class A(Actor):
    @on("test.go")
    async def go(self, message):
"""
SOUND = HEAD + "        print('fine')\n"


def body(code: str) -> str:
    return HEAD + "".join(f"        {line}\n" for line in code.strip().splitlines())


def run(python: Sandbox, code: str, **limits: int) -> StepResult:
    """Make an actor whose handler is `code`, and wake it."""
    made = python.python(body(code), limits=Limits(**limits) if limits else None)
    assert made.failure is None, made.failure
    return python.deliver()


def kind(result: StepResult) -> FailureKind | None:
    return None if result.failure is None else result.failure.kind


def still_works(python: Sandbox) -> None:
    assert python.python(SOUND, "sound").failure is None
    assert lines(python.deliver("sound")) == ["fine"]


@requirement("wasm:prints")
def test_what_an_actor_prints_becomes_log_lines(python: Sandbox) -> None:
    code = """
import sys, logging
print("out")
print("err", file=sys.stderr)
logging.getLogger("x").warning("careful")
"""
    said = "\n".join(lines(run(python, code)))
    for word in ("out", "err", "careful"):
        assert word in said


@requirement("wasm:handler-error")
def test_an_exception_names_the_authors_line_and_the_actor_lives(python: Sandbox) -> None:
    result = run(python, 'print("before")\nraise ValueError("no such key")')
    assert kind(result) is FailureKind.HANDLER
    assert result.failure is not None
    assert "ValueError: no such key" in result.failure.message
    assert "line 7" in result.failure.message
    assert "before" in lines(result)
    assert kind(python.deliver()) is FailureKind.HANDLER


@requirement("wasm:deadline", "wasm:fatal")
def test_an_endless_loop_is_ended(python: Sandbox) -> None:
    result = run(python, "await messaging.send('a.b', 1) if False else None\nwhile True: pass", call_ms=200)
    assert kind(result) is FailureKind.DEADLINE
    still_works(python)


@requirement("wasm:memory")
def test_an_allocation_without_end_is_contained(python: Sandbox) -> None:
    code = "hoard = []\nwhile True: hoard.append(bytearray(1 << 20))"
    result = run(python, code, memory_bytes=64 * 2**20, call_ms=20_000)
    assert kind(result) in (FailureKind.HANDLER, FailureKind.MEMORY, FailureKind.TRAP)
    assert result.failure is not None
    still_works(python)


@requirement("wasm:memory")
def test_one_enormous_allocation_is_a_memory_error_of_the_author(python: Sandbox) -> None:
    result = run(python, "bytearray(1 << 29)")
    assert kind(result) is FailureKind.HANDLER
    assert "MemoryError" in str(result.failure)
    assert kind(python.deliver()) is FailureKind.HANDLER, "the actor lives"


@requirement("wasm:recursion")
@pytest.mark.parametrize("code", ["def f(): f()\nf()", "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)"])
def test_recursion_is_contained(python: Sandbox, code: str) -> None:
    result = run(python, code, call_ms=10_000)
    assert result.failure is not None
    still_works(python)


@requirement("wasm:exit")
@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "import os; os._exit(3)",
        "import os; os.abort()",
        "import signal, os; os.kill(os.getpid(), 9)",
        "import threading; l = threading.Lock(); l.acquire(); l.acquire()",
    ],
)
def test_exit_ends_at_most_the_actor(python: Sandbox, code: str) -> None:
    result = run(python, code, call_ms=2_000)
    assert result.failure is not None
    still_works(python)


@requirement("wasm:nothing-of-the-host")
@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "import os; os.listdir('/')",
        "import os; os.open('/etc/passwd', 0)",
        "import pathlib; pathlib.Path('/proc/self/environ').read_bytes()",
        "import os; os.mkdir('/tmp/vespiary-hostile')",
        "import subprocess; subprocess.run(['id'])",
        "import os; os.system('id')",
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1')",
        "import ctypes; ctypes.CDLL(None)",
        "import threading; threading.Thread(target=print).start()",
        "import vespiary",
    ],
)
def test_the_host_cannot_be_reached(python: Sandbox, code: str) -> None:
    result = run(python, code)
    assert result.failure is not None
    assert all(isinstance(item, Log) for item in result.outputs)
    still_works(python)


@requirement("wasm:nothing-of-the-host")
def test_environment_and_clock_are_the_hosts_decision(python: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    code = """
import os, time, json, datetime
messaging.send("a.b", {
    "env": {k: v for k, v in os.environ.items() if "hunter2" in v or k in ("HOME", "PATH", "USER", "SECRET_TOKEN")},
    "time": time.time_ns(), "year": datetime.datetime.now().year,
})
"""
    result = run(python, code)
    assert result.failure is None, result.failure
    (sent,) = (item for item in result.outputs if isinstance(item, Send))
    assert '"env":{}' in sent.payload.replace(" ", "")
    assert str(NOW)[:10] in sent.payload
    assert "2023" in sent.payload


@requirement("wasm:deterministic")
def test_two_instances_agree_on_chance_time_and_order(python: Sandbox) -> None:
    source = body(
        """
import random, uuid, time, secrets, os
messaging.send("a.b", [random.random(), str(uuid.uuid4()), time.time(), time.monotonic(), secrets.token_hex(8),
    list({"a", "b", "c", "dd"}), hash("x"), os.urandom(4).hex()])
"""
    )
    sent: list[object] = []
    for name in ("one", "two"):
        assert python.python(source, name).failure is None
    for seed in (3, 4):
        for name in ("one", "two"):
            result = python.deliver(name, seed=seed, step=50 + seed)
            assert result.failure is None, result.failure
            sent.append(result.outputs)
    assert sent[0] == sent[1]
    assert sent[2] == sent[3]
    assert sent[0] != sent[2]


@requirement("wasm:nonsense")
@pytest.mark.parametrize(
    "source",
    [
        "",
        "x = (",
        "raise RuntimeError('at import')",
        "1/0",
        "import nothing_like_this",
        "class NotAnActor: pass",
        "while True: pass",
    ],
)
def test_code_that_is_no_actor_is_a_construct_failure(python: Sandbox, source: str) -> None:
    result = python.python(source, limits=Limits(construct_ms=1_500))
    assert kind(result) in (FailureKind.CONSTRUCT, FailureKind.DEADLINE)
    still_works(python)


@requirement("wasm:output-limits")
def test_a_flood_of_prints_is_cut(python: Sandbox) -> None:
    result = run(python, "for i in range(20_000): print('x' * 50)", outputs=100, call_ms=10_000)
    assert result.failure is None
    assert len(result.outputs) <= 101
    assert "dropped" in lines(result)[-1]
