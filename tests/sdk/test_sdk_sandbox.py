"""The generic Python component in the real sandbox: what only happens there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger import requirement
from support.component import LiveActor, error, logs, python_actor, requests, sends
from vespiary.model.steps import CancelRequest, FailureKind, Limits

pytestmark = pytest.mark.timeout(300)  # the first one may have to build the component

Make = Callable[..., LiveActor]
FIXTURES = Path(__file__).parent / "actors"


def source(name: str) -> str:
    return (FIXTURES / f"{name}.py").read_text(encoding="utf-8")


@pytest.fixture
def hostile(live: Make) -> LiveActor:
    return live(python_actor(source("hostile")))


@requirement("sdk:output-is-log")
def test_everything_that_python_prints_is_a_log_line(live: Make) -> None:
    talker = live(python_actor(source("talker")))
    assert logs(talker.made) == [("info", "at import"), ("info", "in the constructor")]
    assert logs(talker.send("talk")) == [
        ("info", "one"),
        ("info", "two"),
        ("info", "bytes"),
        ("warn", "to stderr"),
        ("debug", "some.library: debugged"),
        ("info", "some.library: 1 informed"),
        ("error", "root: failed"),
        ("warn", "mine.py:23: UserWarning: beware"),
        ("warn", '  warnings.warn("beware", stacklevel=1)'),
        ("info", "half a li?ne"),
    ]


@requirement("sdk:deterministic")
def test_a_step_repeated_gives_the_same_outputs(live: Make) -> None:
    def told(actor: LiveActor) -> list[object]:
        return [*sends(actor.send("facts")), *sends(actor.send("facts"))]

    one, two = live(python_actor(source("chance"))), live(python_actor(source("chance")))
    first, second = told(one), told(two)
    assert first == second
    assert first[0] != first[1]
    facts = dict(sends(one.send("facts")))["facts"]
    assert facts["time"] == one.now / 1e9
    assert facts["nanoseconds"] == one.now
    assert facts["year"] == "2023-11-14T22:13:20"


@requirement("sdk:step-decides-random")
def test_random_numbers_depend_on_the_step_alone(live: Make) -> None:
    one, two = live(python_actor(source("chance"))), live(python_actor(source("chance")))
    one.send("draw", 17, seed=1)
    assert sends(one.send("draw", 0, seed=4)) == sends(two.send("draw", 0, seed=4))
    assert sends(one.send("draw", 3, seed=5)) == sends(two.send("draw", 3, seed=5))
    assert sends(one.send("draw", 3, seed=6)) != sends(two.send("draw", 3, seed=7))
    assert sends(one.send("seeded", seed=8)) == sends(one.send("seeded", seed=9))


@requirement("sdk:guards")
@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("open", "PermissionError: [Errno 63] An actor has no files. Use `await workspace.read(path)`"),
        ("path", "An actor has no files"),
        ("listdir", "An actor has no files"),
        ("tempfile", "No usable temporary directory"),
        ("write_fd", "An actor has no files"),
        ("posix", "No such file or directory"),
        ("subprocess", "An actor cannot start programs. Use `await command.run(program, args)`."),
        ("system", "An actor cannot start programs"),
        ("thread", "can't start new thread"),
        ("pool", "can't start new thread"),
        ("lock", "Nothing could end this wait: an actor has no threads"),
        ("event", "Nothing could end this wait"),
        ("event_with_a_limit", "Nothing could end this wait"),
        ("queue", "Nothing could end this wait"),
        ("simple_queue", "Nothing could end this wait"),
        ("future", "Nothing could end this wait"),
        ("to_thread", "An actor has no threads"),
        ("sleep", "time.sleep would stop everything. Use `await sleep(seconds)`"),
        ("run", "A handler already runs in an event loop"),
        ("connect", "An actor has no network. Use `await http.request(url)`."),
        ("socket", "An actor has no network"),
        ("url", "An actor has no network"),
        ("input", "EOFError: An actor has no terminal"),
        ("breakpoint", "An actor has no debugger"),
        ("numpy", "The module numpy is not among the actor's files"),
        ("tkinter", "The module tkinter of Python's library is not available"),
    ],
)
def test_what_a_sandbox_cannot_do_is_an_exception_with_a_way_out(hostile: LiveActor, what: str, words: str) -> None:
    result = hostile.send("try", what)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.HANDLER
    assert words in error(result)
    assert 'File "mine.py"' in error(result)
    assert error(hostile.send("fine")) == ""


@requirement("sdk:guards")
def test_nothing_of_the_host_shows(hostile: LiveActor) -> None:
    assert sends(hostile.send("look")) == [
        ("saw", {"environment": {}, "arguments": [], "path": [], "exists": False, "stdin": "", "cwd": "/"})
    ]


@requirement("sdk:exit-is-a-failure")
@pytest.mark.parametrize("what", ["exit", "os_exit", "abort", "keyboard"])
def test_leaving_fails_the_handler_and_the_actor_lives(hostile: LiveActor, what: str) -> None:
    result = hostile.send("try", what)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.HANDLER
    assert error(hostile.send("fine")) == ""


@pytest.mark.parametrize(("what", "words"), [("recurse", "RecursionError"), ("memory", "MemoryError")])
def test_running_out_of_stack_or_memory_fails_the_handler(hostile: LiveActor, what: str, words: str) -> None:
    result = hostile.send("try", what)
    assert result.failure is not None
    assert result.failure.kind is FailureKind.HANDLER
    assert words in error(result)
    assert error(hostile.send("fine")) == ""


@requirement("sdk:deep-json")
@pytest.mark.parametrize("what", ["deep_list", "deep_object", "deep_open"])
def test_json_nested_too_deeply_is_a_value_error(hostile: LiveActor, what: str) -> None:
    assert "Nested more than 500 deep" in error(hostile.send("try", what))
    assert error(hostile.send("fine")) == ""


def test_a_loop_is_ended_by_the_deadline_and_its_log_survives(live: Make) -> None:
    actor = live(python_actor(source("hostile")), limits=Limits(call_ms=200))
    result = actor.send("try", "loop")
    assert result.failure is not None
    assert result.failure.kind is FailureKind.DEADLINE
    assert logs(result) == [("info", "looping")]


@requirement("sdk:author-traceback")
def test_a_traceback_shows_the_authors_file_line_and_source_only(hostile: LiveActor) -> None:
    told = error(hostile.send("raise"))
    line = source("hostile").splitlines().index('        raise ValueError("the point")') + 1
    assert f'File "mine.py", line {line}, in deeper\n    raise ValueError("the point")' in told
    assert told.rstrip().endswith("ValueError: the point")
    assert "vespiary" not in told
    assert "asyncio" not in told


@requirement("sdk:syntax-error-line", "sdk:constructor-never-fails")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ndef broken(:\n", "mine.py, line 2: SyntaxError"),
        ("import vespiary_sdk\n", "mine has no class that derives from vespiary_sdk.Actor"),
        ("raise RuntimeError('at import')\n", 'File "mine.py", line 1'),
        ("import sys\nsys.exit(1)\n", "SystemExit: 1"),
        ("import pandas\n", "mine.py, line 1: No module named 'pandas'. The module pandas is not among"),
        (
            "from vespiary_sdk import *\nclass A(Actor):\n  def __init__(self, config):\n    1 / 0\n",
            "ZeroDivisionError",
        ),
        ("from vespiary_sdk import *\nclass A(Actor):\n  @tool\n  def f(self, x): ...\n", "f(x): the parameter needs"),
        ("\0", "source code string cannot contain null bytes"),
    ],
)
def test_an_actor_that_cannot_be_made_says_why(live: Make, text: str, words: str) -> None:
    made = live(python_actor(text)).made
    assert made.failure is not None
    assert made.failure.kind is FailureKind.CONSTRUCT
    assert words in error(made)


@requirement("sdk:bundle", "sdk:own-names-win")
@pytest.mark.parametrize("name", ["actor", "assistant", "files", "port"])
def test_an_actor_may_bring_modules_of_any_name(live: Make, name: str) -> None:
    helper = "import importlib.resources\nTEXT = importlib.resources.files('pack').joinpath('words.txt').read_text()\n"
    text = f"from pack.helper import TEXT\n{source('echo')}"
    files = {f"{name}.py": text, "pack/__init__.py": "", "pack/helper.py": helper, "pack/words.txt": "words"}
    actor = live(json.dumps({"name": name, "config": {}, "code": {"entry": name, "files": files}}))
    assert error(actor.made) == ""
    assert sends(actor.send("say")) == [("said", "words")]


@requirement("sdk:preloaded")
@pytest.mark.parametrize("name", ["assistant", "files", "shell"])
def test_built_in_actors_are_there_by_name(live: Make, name: str) -> None:
    made = live(json.dumps({"name": name, "config": {}, "code": {"preloaded": name}})).made
    assert error(made) == ""
    assert made.description is not None
    assert made.description.subscriptions
    assert bool(made.description.tools) == (name != "assistant")


@requirement("sdk:preloaded")
def test_an_unknown_built_in_actor_is_told_with_those_there_are(live: Make) -> None:
    made = live(json.dumps({"name": "x", "config": {}, "code": {"preloaded": "nobody"}})).made
    assert "There is no built-in actor 'nobody'. There are: assistant, files, shell." in error(made)


@requirement("sdk:asyncio", "sdk:capabilities")
def test_requests_timers_and_cancels_cross_the_boundary(live: Make) -> None:
    actor = live(python_actor(source("worker")))
    started = actor.send("race")
    timer, read = requests(started)
    assert (timer.capability, json.loads(timer.payload)) == ("timer", {"millis": 2000})
    assert (read.capability, json.loads(read.payload)) == ("workspace", {"op": "read", "path": "a"})
    assert actor.snapshot() is None
    won = actor.answer(read, {"path": "a", "text": "häuser", "hash": "0", "size": 1})
    assert sends(won) == [("won", "häuser")]
    assert [output.id for output in won.outputs if isinstance(output, CancelRequest)] == [timer.id]

    timer, read = requests(actor.send("race"))
    late = actor.answer(timer, {})
    assert sends(late) == [("late", None)]
    assert [output.id for output in late.outputs if isinstance(output, CancelRequest)] == [read.id]

    (_, read) = requests(actor.send("race"))
    refused = actor.answer(read, {"code": "workspace.missing", "message": "Not there."}, ok=False)
    assert sends(refused) == [("refused", ["workspace.missing", "Not there."])]
    assert sends(actor.send("forbidden")) == [
        ("refused", ["request.refused", "Only the host may send vespiary.agent.ready."])
    ]


@requirement("sdk:snapshot")
def test_state_moves_to_a_fresh_instance(live: Make) -> None:
    actor = live(python_actor(source("worker")))
    actor.send("count")
    state = actor.snapshot()
    assert state == '{"count":1}'
    other = live(python_actor(source("worker")))
    assert error(other.restore(state)) == ""
    assert sends(other.send("count")) == [("counted", 2)]
    assert "KeyError" in error(live(python_actor(source("worker"))).restore("{}"))


@requirement("sdk:native-tests")
def test_the_same_actor_runs_natively() -> None:
    from vespiary_component.loading import the_class
    from vespiary_sdk.testing import FakeHost, Sent

    module = type(json)("worker")
    exec(compile(source("worker"), "worker.py", "exec"), module.__dict__)
    host = FakeHost(the_class(module), workspace={"a": "häuser"})
    assert host.send("race") == [Sent("won", "häuser")]


@requirement("sdk:deep-json")
def test_a_long_text_that_looks_like_deep_json_is_read(hostile: LiveActor) -> None:
    assert error(hostile.send("try", "long_text")) == ""
