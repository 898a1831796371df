"""Runs that are killed: a process for each life, a model on loopback, and what there must be in the end.

Knows what a run that nothing disturbed leaves behind, and compares. The model counts what it was asked; the journal says what was
known at each kill. Nothing here knows how the runtime makes it come out right.
"""

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from support import crash_model
from support.fake_openai import Asked, FakeOpenAI, Reply
from vespiary.config import state_dir
from vespiary.journal.key import load_key
from vespiary.journal.store import JournalStore

Json = dict[str, Any]
PROMPT = "Do it. role=root"
SECONDS = 60
"""A life that takes longer hangs."""
_ACTORS = Path(__file__).parent / "crash_actors"
_LIFE = Path(__file__).parent / "crash_life.py"


def workspace(root: Path, model: str, *, journal: str = 'sync = "normal"', workers: int | None = None) -> Path:
    """A workspace for the run, with its agents and their files."""
    for name, text in crash_model.files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for actor in _ACTORS.glob("*.py"):
        (root / actor.name).write_bytes(actor.read_bytes())
    grants = 'read = "allow"\nwrite = "allow"\ncommand = "allow"\nagents = "allow"\n'
    made = f"[journal]\n{journal}\n\n{model}"
    if workers is not None:
        made += f"\n[workers]\ncount = {workers}\n"
    for name, actors in (
        ("root", ["assistant", "files", "shell", "boss.py"]),
        ("lead", ["assistant", "files", "boss.py", "voice.py"]),
        ("child", ["assistant", "files", "voice.py"]),
    ):
        made += f"\n[agents.{name}]\nactors = {json.dumps(actors)}\n[agents.{name}.grants]\n{grants}"
    (root / "vespiary.toml").write_text('default_agent = "root"\n\n' + made, encoding="utf-8")
    return root


@dataclass(frozen=True)
class Ending:
    """What a run left behind."""

    told: Json
    """Its outcome, text and files as a front is told them."""
    files: dict[str, str]
    conversations: frozenset[str]
    """The keys of all requests that the model ever got: every step of every conversation."""
    remembered: str
    """What the root's assistant remembers: its conversation, as it goes on in a later run."""


@dataclass(frozen=True)
class Reference:
    """A run that nobody killed: what it left behind, how many seconds it took, and its entries in the journal."""

    ending: Ending
    seconds: float
    entries: int


@dataclass
class Deaths:
    """What was counted over some runs."""

    runs: int = 0
    kills: int = 0
    requests: int = 0
    completed: int = 0
    repeated: int = 0
    """Replies that were fetched again because a kill came before the journal had them."""
    seconds: float = 0.0
    lives: Counter[int] = field(default_factory=Counter[int])
    """Runs by the number of their lives."""

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.kills} kills, {self.requests} requests to the model, {self.completed} answered to the "
            f"end, {self.repeated} of them again, {self.seconds:.1f} s"
        )


class Nest:
    """Lives, one after the other, forked from a process that has everything imported."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, str(_LIFE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            bufsize=0,
        )
        self._rest = b""

    def close(self) -> None:
        """End the process that forks."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process.wait()

    def live(self, wish: Json, kill_after: float | None = None, beside: Callable[[int], None] | None = None) -> int:
        """One life; gives its exit code. It is killed after so many seconds, if it lasts as long.

        `beside` gets its process id, and does something while it lives.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish).encode() + b"\n")
        pid = int(self._line(SECONDS))
        if beside is not None:
            beside(pid)
        try:
            return int(self._line(SECONDS if kill_after is None else kill_after))
        except TimeoutError:
            if kill_after is None:
                raise AssertionError(f"the life {wish} hangs") from None
        os.kill(pid, signal.SIGKILL)  # its parent has not waited for it: the process id is still its own
        return int(self._line(SECONDS))

    def alive(self, seconds: float) -> bool:
        """Whether the life goes on for so long."""
        try:
            line = self._line(seconds)
        except TimeoutError:
            return True
        self._rest = line + b"\n" + self._rest
        return False

    def _line(self, seconds: float) -> bytes:
        until = time.monotonic() + seconds
        out = self._process.stdout
        assert out is not None
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                raise TimeoutError
            data = os.read(out.fileno(), 4096)
            assert data, "the process that forks has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line


@contextmanager
def nest() -> Generator[Nest]:
    """A process that forks lives."""
    made = Nest()
    try:
        yield made
    finally:
        made.close()


class Trial:
    """One run, through as many lives as it takes."""

    def __init__(
        self,
        nest: Nest,
        root: Path,
        *,
        workers: int = 0,
        snapshot_every: int | None = 200,
        answer: Callable[[Asked], Reply] = crash_model.answer,
        journal: str = 'sync = "normal"',
    ) -> None:
        self.root = root / "workspace"
        self._nest = nest
        self._out = root / "told.json"
        self._server = FakeOpenAI(answer)
        self._wish: Json = {
            "root": str(self.root),
            "out": str(self._out),
            "workers": workers,
            "snapshot_every": snapshot_every,
            "prompt": PROMPT,
        }
        self._journal = journal
        self._lives = 0
        self._tries = 1
        """How often a life may ask for the same: more than once if it resumes its own run."""
        self.kills = 0
        self.full = 0
        """Lives in which the journal had no more space: an answer that it could not keep is fetched again, too."""
        self._answered: set[str] = set()
        """The requests whose answer the journal had when the process was last killed."""

    def __enter__(self) -> "Trial":
        self._server.__enter__()
        workspace(self.root, self._server.toml("default", api_key_env=crash_model.LIFE), journal=self._journal)
        return self

    def __exit__(self, *error: Any) -> None:
        self._server.__exit__(None, None, None)

    @property
    def server(self) -> FakeOpenAI:
        """The model."""
        return self._server

    def live(
        self, kill_after: float | None = None, *, beside: Callable[[int], None] | None = None, **more: Any
    ) -> bool:
        """One life; whether the run has ended. Fails if the model was asked for what the journal had."""
        self._out.unlink(missing_ok=True)
        self._lives += 1
        self._tries = 2 if "free" in more else 1
        code = self._nest.live({**self._wish, **more, "life": self._lives}, kill_after, beside)
        assert code in (0, -signal.SIGKILL), code
        self._check_fetches()
        if code == 0:
            self.full += self.told()["outcome"] == "interrupted"
            return True
        self.kills += 1
        self._answered = self.journalled()
        return False

    def forget(self) -> None:
        """What the journal had no longer counts: it was damaged since."""
        self._answered = set()

    def told(self) -> Json:
        """What a front was told at the end of the last life."""
        return json.loads(self._out.read_text(encoding="utf-8"))

    def ending(self) -> Ending:
        """What the run left behind."""
        told = self.told()
        notices = told.pop("notices")
        assert not notices, notices
        with self.store() as store:
            assert store.check() == []
            records = store.runs()
            assert len(records) == 1
            (session,) = store.sessions()
            state = json.loads(session.data)
            assert len(state["turns"]) == 1, "the conversation has the run as one turn"
        return Ending(told, self.files(), frozenset(self.asked()), _history(state["states"].get("assistant", "")))

    def files(self) -> dict[str, str]:
        """The workspace's own files, by path."""
        found = {
            str(path.relative_to(self.root)): path.read_text(encoding="utf-8")
            for path in self.root.rglob("*")
            if path.is_file() and ".vespiary" not in path.relative_to(self.root).parts
        }
        del found["vespiary.toml"]  # names a port
        return found

    def asked(self) -> list[str]:
        """The keys of the requests that the model got, in order."""
        return [crash_model.key(asked.messages) for asked in list(self._server.requests)]

    def completed(self) -> Counter[str]:
        """How often each request was answered to its end."""
        return Counter(crash_model.key(asked.messages) for asked, _ in list(self._server.completed))

    def store(self) -> JournalStore:
        """The journal, only to be read."""
        return JournalStore.open(self.root / ".vespiary", key=load_key(state_dir()), read_only=True)

    def next_entry(self) -> int:
        """The number of the run's next entry."""
        if not (self.root / ".vespiary" / "journal.db").exists():
            return 1
        with self.store() as store:
            records = store.runs()
        return records[0].next if records else 1

    def journalled(self) -> set[str]:
        """The keys of the model calls whose answer is in the journal."""
        if not (self.root / ".vespiary" / "journal.db").exists():
            return set()
        found: set[str] = set()
        with self.store() as store:
            for record in store.runs():
                wanted: dict[tuple[str, int], str] = {}
                for _, entry in store.entries(record.run):
                    if entry[0] == "step":
                        wanted |= {(entry[1], number): payload for number, payload in _model_calls(entry[6])}
                    elif entry[0] == "answer" and entry[3] and (entry[1], entry[2]) in wanted:
                        found.add(crash_model.key(json.loads(wanted[entry[1], entry[2]])["messages"]))
        return found

    def _check_fetches(self) -> None:
        # By the key that each life has: what a life asked last may be read only when it is dead already.
        life = f"Bearer life-{self._lives}"
        mine = [asked for asked in list(self._server.requests) if asked.headers.get("authorization") == life]
        new = [crash_model.key(asked.messages) for asked in mine]
        again = self._answered.intersection(new)
        assert not again, f"the model was asked for what the journal has: {sorted(again)}"
        twice = [key for key, count in Counter(new).items() if count > self._tries]
        assert not twice, f"one process asked for the same twice: {twice}"


def _model_calls(outputs: Any) -> Iterator[tuple[int, str]]:
    from vespiary.model.pack import unpack_outputs
    from vespiary.model.steps import Request

    for output in unpack_outputs(outputs):
        if isinstance(output, Request) and output.capability == "llm":
            yield output.id, output.payload


def _history(state: str) -> str:
    """The conversation in an assistant's snapshot."""

    def find(value: Any) -> Any:
        if isinstance(value, str) and value[:1] in ("{", "["):
            try:
                return find(json.loads(value))
            except ValueError:
                return None
        if isinstance(value, dict):
            held = cast("Json", value)
            if "history" in held:
                return held["history"]
            return next((found for each in held.values() if (found := find(each)) is not None), None)
        return None

    return json.dumps(find(state))


def undisturbed(nest: Nest, root: Path, **options: Any) -> Reference:
    """A run that nobody kills."""
    with Trial(nest, root, **options) as trial:
        begun = time.monotonic()
        assert trial.live()
        seconds = time.monotonic() - begun
        ending = trial.ending()
        assert ending.told["outcome"] == "done", ending.told
        assert set(trial.completed().values()) == {1}
        with trial.store() as store:
            entries = store.runs()[0].next - 1
    return Reference(ending, seconds, entries)


def killed_at_random(
    nest: Nest,
    root: Path,
    reference: Reference,
    source: random.Random,
    deaths: Deaths,
    *,
    most: int,
    slow: float = 1.0,
    **options: Any,
) -> None:
    """One run, killed at random moments until it ends, `most` times; then it must have come to what the reference came to.

    `slow` is by how much it takes longer than the reference.
    """
    begun = time.monotonic()
    with Trial(nest, root, **options) as trial:
        while trial.kills < most:
            if trial.live(slow * source.uniform(0, reference.seconds * source.choice((0.1, 0.3, 0.6, 1.0)))):
                break
        else:
            assert trial.live()
        finish(trial, reference, deaths)
    deaths.seconds += time.monotonic() - begun


def killed_at_entries(
    nest: Nest,
    root: Path,
    reference: Reference,
    source: random.Random,
    deaths: Deaths,
    *,
    most: int,
    apart: int,
    before: bool,
    **options: Any,
) -> None:
    """One run, killed when it comes to certain entries of its journal: before they are given to it, or before they take effect.

    They are up to `apart` entries apart; `most` kills in all.
    """
    begun = time.monotonic()
    when = "before" if before else "after"
    with Trial(nest, root, **options) as trial:
        while trial.kills < most:
            if trial.live(die=[when, trial.next_entry() + source.randrange(apart)]):
                break
        else:
            assert trial.live()
        finish(trial, reference, deaths)
    deaths.seconds += time.monotonic() - begun


def workers_killed(
    nest: Nest, root: Path, reference: Reference, source: random.Random, deaths: Deaths, *, most: int, workers: int
) -> None:
    """One run in one life, whose worker processes are killed at random moments. Nothing is fetched twice."""
    begun = time.monotonic()
    killed = 0

    def beside(pid: int) -> None:
        nonlocal killed
        while killed < most and nest.alive(source.uniform(0, reference.seconds * source.choice((0.05, 0.2, 0.5)))):
            if found := children(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(source.choice(found), signal.SIGKILL)
                    killed += 1

    with Trial(nest, root, workers=workers, snapshot_every=source.choice((200, 3, None))) as trial:
        assert trial.live(beside=beside)
        finish(trial, reference, deaths)
        assert set(trial.completed().values()) == {1}
    deaths.kills += killed
    deaths.seconds += time.monotonic() - begun


def children(pid: int) -> list[int]:
    """The processes that a process started, on Linux. Those of each of its threads are listed apart."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, listed.read_text(encoding="ascii").split())
    return found


def same(what: str, found: object, wanted: object) -> None:
    """Fail with what differs; a test's own comparison is not rewritten here."""
    assert found == wanted, f"{what}: {found!r} where an undisturbed run has {wanted!r}"


def finish(trial: Trial, reference: Reference, deaths: Deaths) -> None:
    """Compare a run that has ended, and count."""
    ending, wanted = trial.ending(), reference.ending
    fetched = trial.completed()
    same("what a front was told", ending.told, wanted.told | {"calls": ending.told["calls"]})
    same("the files", ending.files, wanted.files)
    same("the requests", ending.conversations, wanted.conversations)
    same("what the assistant remembers", ending.remembered, wanted.remembered)
    repeated = sum(fetched.values()) - len(fetched)
    assert set(fetched) == wanted.conversations
    assert max(fetched.values()) <= 1 + trial.kills + trial.full
    deaths.runs += 1
    deaths.kills += trial.kills
    deaths.lives[trial.kills + 1] += 1
    deaths.requests += trial.server.calls
    deaths.completed += sum(fetched.values())
    deaths.repeated += repeated
