"""One run, three ways in: the same events, the same files."""

from pathlib import Path

import pytest
from ledger import requirement
from support.fronts import FRONTS, Front, of_kind, shape
from support.projects import project, reply

FILES = {"greet.py": 'def greet(name):\n    return "Helo " + name\n'}

REPLIES = (
    reply("Let me look.", ("read_file", {"path": "greet.py"}), turn=1),
    reply(
        "",
        ("edit_file", {"path": "greet.py", "edits": [{"old_string": "Helo", "new_string": "Hello"}]}),
        ("create_file", {"path": "docs/note.md", "content": "# Greeting\n"}),
        turn=2,
    ),
    reply("The greeting is spelt right now.", turn=3),
)

pytestmark = pytest.mark.anyio


@pytest.fixture(params=FRONTS.values(), ids=list(FRONTS))
def front(request: pytest.FixtureRequest) -> Front:
    return request.param


@requirement("app:one-run-everywhere", "app:events-numbered")
async def test_a_run_gives_the_same_result_through_every_front(front: Front, tmp_path: Path) -> None:
    root = project(tmp_path / "work", FILES, *REPLIES)

    events = await front.run(root, "Fix the spelling")

    assert (root / "greet.py").read_text(encoding="utf-8") == 'def greet(name):\n    return "Hello " + name\n'
    assert (root / "docs/note.md").read_text(encoding="utf-8") == "# Greeting\n"
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["kind"] == "run.started"
    end = events[-1]
    assert end["kind"] == "run.finished"
    assert end["outcome"] == "done"
    assert end["text"] == "The greeting is spelt right now."
    assert end["files"] == [
        {"path": "docs/note.md", "change": "created"},
        {"path": "greet.py", "change": "modified"},
    ]
    assert end["usage"]["calls"] == 3
    assert sorted((event["path"], event["state"]) for event in of_kind(events, "edit")) == [
        ("docs/note.md", "applied"),
        ("greet.py", "applied"),
    ]


@requirement("app:one-run-everywhere")
async def test_every_front_tells_the_same_events(tmp_path: Path) -> None:
    told = [
        sorted(map(str, shape(await front.run(project(tmp_path / name, FILES, *REPLIES), "Fix the spelling"))))
        for name, front in FRONTS.items()
    ]

    assert told[0] == told[1] == told[2]


@requirement("app:plan-mode")
async def test_a_plan_changes_nothing(front: Front, tmp_path: Path) -> None:
    root = project(tmp_path / "work", FILES, reply("I would fix the spelling.", turn=1))

    events = await front.run(root, "Fix the spelling", mode="plan")

    assert (root / "greet.py").read_text(encoding="utf-8") == FILES["greet.py"]
    assert events[-1]["outcome"] == "done"
    assert events[-1]["files"] == []
