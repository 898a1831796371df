"""Actors that misbehave, in a whole run: the run says what happened, and the next one works."""

from pathlib import Path

import pytest
from ledger import requirement
from support.fronts import InProcess, of_kind
from support.projects import project, reply

pytestmark = pytest.mark.anyio

TOOL = '''
from vespiary_sdk import Actor, tool


class Evil(Actor):
    @tool
    async def misbehave(self) -> str:
        """Do something that no actor should."""
        {body}
        return "survived"
'''

FATAL = {
    "loops": "while True: pass",
    "recurses": "f = lambda: f()\n        f()",
    "recurses in C": "x = []\n        for _ in range(200000): x = [x]\n        return repr(x)",
    "allocates": "x = []\n        while True: x.append(bytearray(1 << 20))",
    "raises": "raise ValueError('from the author')",
    "exits": "import sys\n        sys.exit(3)",
    "exits hard": "import os\n        os._exit(3)",
    "opens a file": "open('/etc/passwd').read()",
    "sleeps": "import time\n        time.sleep(1000)",
    "opens a socket": "import socket\n        socket.create_connection(('127.0.0.1', 80))",
    "starts a process": "import subprocess\n        subprocess.run(['true'])",
}


@requirement("app:hostile-actor")
@pytest.mark.parametrize("body", FATAL.values(), ids=FATAL.keys())
async def test_a_hostile_tool_costs_only_itself(body: str, tmp_path: Path) -> None:
    root = project(
        tmp_path,
        {"evil.py": TOOL.format(body=body)},
        reply("", ("misbehave", {}), turn=1),
        reply("The tool failed, so I stop here.", turn=2),
        agent='actors = ["assistant", "evil.py"]',
    )

    events = await InProcess().run(root, "Call the tool")

    assert events[-1]["outcome"] == "done", events[-1]
    results = [event for event in of_kind(events, "tool") if event["state"] in ("done", "failed")]
    assert [event["state"] for event in results] == ["failed"], results
    assert results[0]["content"]


@requirement("app:hostile-actor")
async def test_what_an_actor_prints_becomes_its_log(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        {
            "evil.py": TOOL.format(
                body="import logging, sys; print('out'); print('err', file=sys.stderr); logging.error('log')"
            )
        },
        reply("", ("misbehave", {}), turn=1),
        reply("Done.", turn=2),
        agent='actors = ["assistant", "evil.py"]',
    )

    events = await InProcess().run(root, "Call the tool")

    told = " ".join(event["text"] for event in of_kind(events, "log"))
    assert all(word in told for word in ("out", "err", "log"))
    assert events[-1]["outcome"] == "done"


@requirement("app:hostile-actor")
async def test_the_host_s_environment_and_clock_stay_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERY_SECRET", "s3cr3t")
    body = "import os, time; return repr(dict(os.environ)) + ' ' + str(time.time() == time.time())"
    root = project(
        tmp_path,
        {"evil.py": TOOL.format(body=body)},
        reply("", ("misbehave", {}), turn=1),
        reply("Done.", turn=2),
        agent='actors = ["assistant", "evil.py"]',
    )

    events = await InProcess().run(root, "Call the tool")

    results = [event for event in of_kind(events, "tool") if event["state"] == "done"]
    assert results[0]["content"] == "{} True"


@requirement("app:hostile-actor")
@pytest.mark.parametrize("source", ["def broken(:\n", "x = 1\n", "raise RuntimeError('at import')\n"])
async def test_an_actor_that_cannot_be_made_ends_the_run_with_its_reason(source: str, tmp_path: Path) -> None:
    root = project(tmp_path, {"evil.py": source}, agent='actors = ["assistant", "evil.py"]')

    events = await InProcess().run(root, "Hello")

    end = events[-1]
    assert end["outcome"] == "failed"
    assert "evil" in end["problem"]["message"]
