"""The real language server with a model on loopback: workspaces for it, its worker processes, and its sudden end."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.fake_openai import Asked, FakeOpenAI, Reply, call, say
from support.processes import alive
from support.projects import project
from support.rawlsp import REAL, SILENT, Json, RawServer

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

TURNS: tuple[Reply, ...] = (
    Reply(tool_calls=[("create_file", {"path": "one.txt", "content": "1\n"}), ("read_file", {"path": "a.txt"})]),
    call("edit_file", {"path": "a.txt", "edits": [{"old_string": "hello", "new_string": "HELLO"}]}),
    call("create_file", {"path": "two.txt", "content": "2\n"}),
    say("All is done."),
)
"""A run of four model calls and three changes."""

AFTERWARDS = {"a.txt": "HELLO\nworld\n", "one.txt": "1\n", "two.txt": "2\n"}
"""The files after it."""


def texts(root: Path) -> dict[str, str]:
    """The texts in a folder."""
    return {path.name: path.read_text(encoding="utf-8") for path in root.glob("*.txt")}


def turn(asked: Asked) -> int:
    """Which reply of a conversation of one task a request asks for, from 0."""
    return sum(message["role"] == "assistant" for message in asked.messages)


def turns(model: FakeOpenAI) -> list[int]:
    """The replies that were asked for, in order."""
    return [turn(asked) for asked in model.requests]


def hanging_at(number: int) -> Callable[[Asked], Reply]:
    """Answers with `TURNS`, but the first request for that reply is never answered in full."""
    hung: list[int] = []

    def answer(asked: Asked) -> Reply:
        reply = TURNS[turn(asked)]
        if turn(asked) == number and not hung:
            hung.append(number)
            return Reply(text="Let me think about", then="hang")
        return reply

    return answer


def workspace(root: Path, model: FakeOpenAI, files: dict[str, str] | None = None, more: str = "") -> Path:
    """A workspace whose agent asks that model."""
    project(root, files or {"a.txt": "hello\nworld\n"})
    text = f'{model.toml()}\n[agents.coder]\nmodel = "default"\n{more}\n'
    (root / "vespiary.toml").write_text(text, encoding="utf-8", newline="")
    return root


class RealServer(RawServer):
    """`vespiary serve` with a client that does as it is asked. `choose`: the answer to a `window/showMessageRequest`."""

    def __init__(self, root: Path, choose: Any = SILENT, **capabilities: Any) -> None:
        self.choose = choose
        super().__init__(REAL, answer=self._decide)
        self.initialize(root, capabilities=capabilities, initializationOptions={"trusted": True})

    def begin(self, prompt: str, **more: Any) -> str:
        """Start a run; gives its id."""
        return self.request("vespiary/run/start", {"prompt": prompt, **more})["runId"]

    def command(self, name: str, *arguments: Any) -> Any:
        """Run a command."""
        return self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})

    def asked(self) -> list[Json]:
        """The questions to the person so far."""
        return [each["params"] for each in list(self.seen) if each.get("method") == "window/showMessageRequest"]

    def workers(self) -> list[int]:
        """The worker processes that there are."""
        return workers(self.process.pid)

    def kill(self) -> None:
        """End the server as a crash does."""
        self.process.kill()
        self.process.wait()

    def _decide(self, method: str, params: Any) -> Any:
        if method == "window/showMessageRequest":
            return self.choose(params) if callable(self.choose) else self.choose
        return None


def workers(server: int) -> list[int]:
    """The worker processes of a server, by its process id."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except OSError:  # it ended meanwhile
            continue
        if parent == server and b"vespiary.worker" in command and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def loaded(pid: int) -> str:
    """The files that a process has mapped."""
    return Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")


def interrupted(root: Path, **records: Any) -> None:
    """A journal of the user's with runs that nobody carries on. `records`: a prompt for each run id."""
    import asyncio

    from vespiary.config import state_dir
    from vespiary.journal.key import load_key
    from vespiary.journal.records import RunRecord
    from vespiary.journal.store import JournalStore
    from vespiary.model.ids import RunId

    async def work() -> None:
        with JournalStore.open(root / ".vespiary", key=load_key(state_dir()), sync="normal") as store:
            for run, prompt in records.items():
                await store.begin(RunRecord(RunId(run), agent="coder", prompt=prompt))

    asyncio.run(work())
