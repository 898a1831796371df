"""What the colony does, told as events of its runs.

Knows the vocabulary of messages. Payloads come from actors and are not trusted: what does not fit is left out, never raised.
"""

import json
from collections.abc import Callable
from typing import Any, cast

from vespiary.app.run import Run
from vespiary.model import vocabulary
from vespiary.model.errors import Problem, VespiaryError
from vespiary.model.events import ActorFailedEvent, EventBody, LogEvent, Status, ToolEvent, ToolState
from vespiary.model.ids import HOST_ACTOR, ActorId, RunId, Scope, scope_of
from vespiary.model.messages import Envelope
from vespiary.model.runs import Outcome
from vespiary.model.steps import FailureKind, Log, StepFailure
from vespiary.runtime.deadletters import DeadLetter

Fields = dict[str, Any]


class Narrator:
    """The colony's observer. `find` gives a living run, `name` the agent that lives in a scope."""

    def __init__(self, find: Callable[[RunId], Run | None], name: Callable[[Scope], str]) -> None:
        self._find = find
        self._name = name
        self.bury: Callable[[DeadLetter], None] | None = None
        """Keeps dead letters, where there is a journal."""

    def message(self, run: RunId, published_in: Scope, envelope: Envelope) -> None:
        """Tell what a message says about the run; end the run on its root agent's answer."""
        record = self._find(run)
        # A message sent into a scope from outside is not that agent's own doing.
        if record is None or envelope.sender == HOST_ACTOR or envelope.scope != published_in:
            return
        tell = _TELLING.get(envelope.type)
        is_answer = envelope.type == vocabulary.AGENT_DONE and published_in == record.root
        if tell is None and not is_answer:
            return
        fields = _fields(envelope.payload)
        if fields is None:
            return
        if tell is not None and (body := tell(fields)) is not None:
            record.tell(body, published_in, self._name(published_in))
        if is_answer:
            _answer(record, fields)

    def log(self, run: RunId, actor: ActorId, line: Log) -> None:
        """Tell a log line."""
        self._tell(run, actor, LogEvent(line.level.value, actor, line.text))

    def failed(self, run: RunId, actor: ActorId, failure: StepFailure, *, restarted: bool) -> None:
        """Tell a failed step."""
        problem = Problem(f"actor.{failure.kind.value}", failure.message, _HINTS.get(failure.kind))
        self._tell(run, actor, ActorFailedEvent(actor, problem, restarted))
        record = self._find(run)
        if record is not None and not restarted:
            # A traceback ends with what happened.
            record.trouble = f"{actor}: {failure.message.strip().rpartition(chr(10))[2]}"

    def buried(self, letter: DeadLetter) -> None:
        """Nothing is told of a dead letter, since what led to it was. It is kept."""
        if self.bury is not None:
            self.bury(letter)

    def broken(self, run: RunId, problem: VespiaryError) -> None:
        """A run that cannot be kept any more ends for now: it can be resumed from what was kept."""
        record = self._find(run)
        if record is not None:
            record.hold(problem.problem())

    def exited(self, run: RunId, scope: Scope, reason: str) -> None:
        """A run whose root agent ends without an answer has failed."""
        record = self._find(run)
        if record is not None and scope == record.root:
            record.answer(Outcome.FAILED, record.text, Problem("agent.exited", f"The agent ended: {reason}"))

    def _tell(self, run: RunId, actor: ActorId, body: EventBody) -> None:
        record = self._find(run)
        if record is not None:
            scope = scope_of(actor)
            record.tell(body, scope, self._name(scope))


_HINTS = {
    FailureKind.DEADLINE: "Waiting for an answer costs no time; computing does. Split the work into smaller steps.",
    FailureKind.MEMORY: "The actor needs less data at once, or a higher memory limit.",
}


def _fields(payload: str) -> Fields | None:
    try:
        data = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return cast(Fields, data) if isinstance(data, dict) else None


def _text(fields: Fields, key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) else None


def _status(fields: Fields) -> EventBody | None:
    state = _text(fields, "state")
    return Status(state, _text(fields, "detail")) if state else None


def _called(fields: Fields) -> EventBody | None:
    call, name = _text(fields, "call"), _text(fields, "name")
    if call is None or name is None:
        return None
    try:
        arguments = json.dumps(fields.get("arguments"), ensure_ascii=False)
    except RecursionError:  # read by a reader that goes deeper than the writer
        arguments = None
    return ToolEvent(call, name, ToolState.CALLED, arguments=arguments)


def _running(fields: Fields) -> EventBody | None:
    call, name = _text(fields, "call"), _text(fields, "name")
    if call is None or name is None:
        return None
    return ToolEvent(call, name, ToolState.RUNNING, title=_text(fields, "title"), content=_text(fields, "detail"))


def _result(fields: Fields) -> EventBody | None:
    call, name = _text(fields, "call"), _text(fields, "name")
    if call is None or name is None:
        return None
    state = ToolState.DONE if fields.get("ok") is True else ToolState.FAILED
    return ToolEvent(call, name, state, content=_text(fields, "content"))


_TELLING: dict[str, Callable[[Fields], EventBody | None]] = {
    vocabulary.AGENT_STATUS: _status,
    vocabulary.TOOL_CALL: _called,
    vocabulary.TOOL_STATUS: _running,
    vocabulary.TOOL_RESULT: _result,
}


def _answer(run: Run, fields: Fields) -> None:
    text = _text(fields, "text") or ""
    if fields.get("outcome") == "done":
        run.answer(Outcome.DONE, text)
        return
    raw = fields.get("problem")
    given = cast(Fields, raw) if isinstance(raw, dict) else {}
    message = _text(given, "message") or "The agent gave up and did not say why."
    run.answer(Outcome.FAILED, text, Problem(_text(given, "code") or "agent.failed", message, _text(given, "hint")))
