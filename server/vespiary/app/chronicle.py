"""What is kept of runs in the journal beside their entries, and how a run is read from it again.

Knows the forms in which the app keeps things: headers, results, events, usage, dead letters. Does not know how a run goes on.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from vespiary.app.agents import Cast
from vespiary.app.run import Listener, Run
from vespiary.app.usage import usage_of
from vespiary.journal.errors import JournalError
from vespiary.journal.records import DeadRow, RunRecord, UsageRow
from vespiary.model.errors import Problem, VespiaryError
from vespiary.model.events import ReasoningDelta, RunEvent, RunFinished, TextDelta, UsageEvent
from vespiary.model.messages import Envelope
from vespiary.model.runs import Outcome, RunInfo, Task
from vespiary.model.wire import event_to_wire
from vespiary.runtime.deadletters import DeadLetter

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import TypeAdapter

    from vespiary.journal.store import JournalStore
    from vespiary.model.ids import RunId

log = logging.getLogger(__name__)

FORMAT = 1
"""Of headers. One that is newer cannot be read."""

_DELTA_CHARS = 8_000
"""Pieces of text are kept together up to this length."""


class Chronicle:
    """Writes down what happens. `find` gives a living run."""

    def __init__(self, store: "JournalStore", find: "Callable[[RunId], Run | None]") -> None:
        self.store = store
        self._find = find
        self._deltas: dict[RunId, RunEvent] = {}
        """Text that is under way, joined, by run."""

    def begin(self, run: Run) -> None:
        """A run begins."""
        self.store.begin(
            RunRecord(
                run.id,
                agent=run.agent,
                prompt=run.task.prompt,
                mode=run.mode,
                session=run.session,
                header=_header(run),
            )
        )

    def hear(self, event: RunEvent) -> None:
        """Keep an event of a run that lives. Pieces of text are joined."""
        body = event.body
        if isinstance(body, RunFinished):  # `finish` has kept it
            return
        before = self._deltas.get(event.run_id)
        if before is not None:
            joined = _joined(before, event)
            if joined is not None:
                self._deltas[event.run_id] = joined
                return
            self.flush(event.run_id)
        if isinstance(body, TextDelta | ReasoningDelta):
            self._deltas[event.run_id] = event
            return
        self._event(event)
        run = self._find(event.run_id)
        if isinstance(body, UsageEvent) and run is not None:
            self.store.add_usage(_usage_row(run, event, body))

    def bury(self, letter: DeadLetter) -> None:
        """Keep a dead letter."""
        run = self._find(letter.run)
        if run is not None and not run.muted:
            self.store.add_dead(_dead_row(letter))

    async def finish(self, run: Run, end: RunEvent) -> None:
        """A run has ended; `end` is its last event, which is yet to be told. Raises `JournalError`."""
        self.flush(run.id)
        self._event(end)
        if not run.suspended:
            await self.store.update(run.id, state=run.outcome, info=_dump(RunInfo, run.info()))

    async def discard(self, record: RunRecord) -> RunInfo:
        """An interrupted run is given up; gives how it is listed from now on."""
        problem = Problem("run.discarded", "It was interrupted, and given up.")
        given_up = replace(info_of(record), outcome=Outcome.CANCELLED, problem=problem, finished=record.updated / 1e9)
        await self.store.update(record.run, state=Outcome.CANCELLED, info=_dump(RunInfo, given_up))
        return given_up

    def unfinished(self) -> list[RunRecord]:
        """Runs that were interrupted, the oldest first. Blocks."""
        return self.store.unfinished(idle=lambda run: self._find(run) is None)

    def read(self, record: RunRecord, root: "Path", now: Callable[[], int], listener: Listener) -> Run:
        """An interrupted run as a record that can live again. Raises `JournalError` when it cannot be understood. Blocks."""
        try:
            run = _run_of(record, root, now, listener)
        except (KeyError, TypeError, ValueError) as error:
            raise JournalError(
                f"The beginning of run {record.run} cannot be understood by this version of Vespiary.",
                hint="Resume it with the version that began it, or forget it with `vespiary journal prune`.",
                code="journal.header",
            ) from error
        run.ledger.replay((row.agent, usage_of(row)) for row in self.store.usage(run=record.run))
        last = 0
        for seq, _ in self.store.events(record.run):
            last = seq
        run.go_on_after(last)
        return run

    def flush(self, run: "RunId") -> None:
        """Keep the text that is under way in a run, as far as it came."""
        event = self._deltas.pop(run, None)
        if event is not None:
            self._event(event)

    def _event(self, event: RunEvent) -> None:
        try:
            data = orjson.dumps(event_to_wire(event))
        except TypeError:  # half a surrogate pair
            log.warning("Event %s of run %s cannot be kept.", event.seq, event.run_id)
            return
        self.store.add_event(event.run_id, event.seq, data)


def info_of(record: RunRecord) -> RunInfo:
    """A kept run as it is listed: one that no process carries on is interrupted."""
    if record.info is not None and record.state is not Outcome.RUNNING:
        try:
            return _load(RunInfo, record.info)
        except ValueError:
            log.warning("What run %s came to cannot be understood.", record.run)
    outcome = Outcome.INTERRUPTED if record.state is Outcome.RUNNING else record.state
    return RunInfo(
        record.run,
        record.agent,
        record.prompt,
        record.mode,
        outcome,
        record.created / 1e9,
        session=record.session,
    )


def _header(run: Run) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "task": _dump(Task, run.task),
        "config": run.config.model_dump(mode="json", exclude={"root", "workspace_file"}),
        "cast": run.cast.pack(),
    }


def _run_of(record: RunRecord, root: "Path", now: Callable[[], int], listener: Listener) -> Run:
    from vespiary.config import Config

    header = record.header
    if header["format"] != FORMAT:
        raise ValueError(f"the format {header['format']} is not known")
    # JSON text, since that is where enumerations are read from names.
    config = Config.model_validate_json(orjson.dumps({**header["config"], "root": str(root)}))
    cast = Cast.unpack(config, header["cast"])
    task = _load(Task, header["task"])
    run = Run(record.run, task, record.agent, config, now, listener, cast=cast, started=record.created / 1e9)
    run.session = record.session
    return run


def _dump(kind: type[Any], value: Any) -> Any:
    return _form(kind).dump_python(value, mode="json")


def _load(kind: type[Any], data: Any) -> Any:
    return _form(kind).validate_json(orjson.dumps(data))


@cache
def _form(kind: type[Any]) -> "TypeAdapter[Any]":
    """How a kind of value is written. Made once: that takes milliseconds, which every run would wait for twice."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _joined(before: RunEvent, event: RunEvent) -> RunEvent | None:
    """Two pieces of the same text as one; none if they are not."""
    first, second = before.body, event.body
    same = type(first) is type(second) and (before.scope, before.agent) == (event.scope, event.agent)
    if (
        not same
        or not isinstance(first, TextDelta | ReasoningDelta)
        or not isinstance(second, TextDelta | ReasoningDelta)
    ):
        return None
    if len(first.text) > _DELTA_CHARS:
        return None
    body = type(first)(first.text + second.text)
    return RunEvent(event.run_id, event.seq, event.time, event.scope, event.agent, body)


def _usage_row(run: Run, event: RunEvent, body: UsageEvent) -> UsageRow:
    usage = body.usage
    return UsageRow(
        run.id,
        run.session,
        int(event.time * 1e9),
        event.agent,
        event.scope,
        body.provider,
        body.model,
        usage.input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.cached_tokens,
        None if usage.unpriced_calls else usage.cost,
        usage.calls,
    )


def _dead_row(letter: DeadLetter) -> DeadRow:
    content = letter.content
    if isinstance(content, Envelope):
        return DeadRow(
            letter.run,
            letter.time,
            letter.receiver,
            content.sender,
            "message",
            content.type,
            letter.reason,
            content.payload,
        )
    return DeadRow(
        letter.run,
        letter.time,
        letter.receiver,
        None,
        "answer",
        f"request {content.request}",
        letter.reason,
        content.payload,
    )


def why_not_kept(error: VespiaryError) -> str:
    """What a person is told when runs cannot be kept."""
    return f"Runs are not kept: they can be neither resumed nor replayed. {error}"
