"""`vespiary replay`: whether a run repeats from its record, and how it stood at a point of it."""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vespiary.fronts.cli.errors import DONE, FAILED, say
from vespiary.fronts.cli.journal_show import entry_line
from vespiary.fronts.cli.kept import counted, kept, line, print_json, write_lines
from vespiary.fronts.cli.terminal import log_to_stderr, plain
from vespiary.model.ids import ActorId
from vespiary.model.messages import Envelope
from vespiary.model.steps import (
    Answer,
    CancelRequest,
    Construct,
    Deliver,
    Log,
    Output,
    Request,
    Restore,
    Send,
    StepBody,
    StepResult,
)

if TYPE_CHECKING:
    from vespiary.app.replay import Divergence, ReplayReport, Stop
    from vespiary.app.standing import ActorOutline, Outline


def replay_run(folder: Path, run: str, *, until: int | None, actor: str | None, as_json: bool) -> int:
    """Replay a run and print what came of it; gives the exit code: 0 if it repeats."""
    log_to_stderr()
    with kept(folder) as journal:
        report = journal.replay(run, until=until, actor=actor, progress=say)
        outline = journal.outline(run, until) if until is not None and report.same else None
    if as_json:
        print_json(_data(report, outline))
    else:
        write_lines(map(plain, _lines(report, outline)))
    return DONE if report.same else FAILED


def _lines(report: "ReplayReport", outline: "Outline | None") -> Iterator[str]:
    for build in report.builds:
        yield (
            f"The component {build.component} is another build now than the run was recorded with "
            f"({_short(build.now)}, then {_short(build.recorded)}): differences may come from that."
        )
    if report.divergence is not None:
        yield from _divergence(report.divergence)
    yield _verdict(report)
    if report.skipped:
        told = ", ".join(f"{count:,} {why}" for why, count in report.skipped.items())
        steps = counted(sum(report.skipped.values()), "step")
        yield f"{steps} not repeated, since what failed was not the actor's doing: {told}."
    if report.stop is not None:
        yield ""
        yield from _stop(report.stop, outline)


def _verdict(report: "ReplayReport") -> str:
    steps, actors = counted(report.steps, "step"), counted(report.actors, "actor")
    if report.same:
        return f"Identical: {steps} of {actors} gave what the record says, up to entry {report.entries:,}."
    return f"Not identical. Before that, {steps} of {actors} gave what the record says."


def _divergence(found: "Divergence") -> Iterator[str]:
    again = " It had repeated at first; it did not when the actor was brought back after a failure." * found.rebuilding
    yield f"Entry {found.entry}: step {found.given.step} of {found.actor} does not repeat: {line(found.what, 400)}.{again}"
    yield f"It consumed {line(consumed(found.given.body), 1000)}"
    yield from difflib.unified_diff(
        list(_result(found.recorded)), list(_result(found.repeated)), "recorded", "repeated", lineterm="", n=2
    )
    yield ""


def _result(result: StepResult) -> Iterator[str]:
    """A result, in lines that can be compared."""
    if result.failure is not None:
        yield f"failure {result.failure.kind.value}: {result.failure.message}"
    if result.description is not None:
        description = result.description
        yield f"component {description.component}"
        for tool in description.tools:
            yield f"tool {tool.name}: {tool.description}"
            yield from _pretty("  ", tool.parameters)
        for wish in description.subscriptions:
            yield f"listens to {wish.pattern} ({wish.extent.value})"
    if result.state is not None:
        yield "state"
        yield from _pretty("  ", result.state)
    for output in result.outputs:
        yield from _output(output)


def _output(output: Output) -> Iterator[str]:
    match output:
        case Send(ident, message_type, payload, to):
            yield f"message {message_type}" + (f" to {to}" if to else "") + f" ({ident})"
            yield from _pretty("  ", payload)
        case Request(ident, capability, payload):
            yield f"request {ident} of {capability}"
            yield from _pretty("  ", payload)
        case CancelRequest(ident):
            yield f"cancel of request {ident}"
        case Log(level, text):
            yield f"log {level.value}"
            yield from (f"  {each}" for each in text.splitlines())


def _pretty(indent: str, payload: str) -> Iterator[str]:
    """JSON text on lines of its own; what is none as it is."""
    try:
        text = json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = payload
    for each in text.splitlines() or [""]:
        yield indent + each


def consumed(body: StepBody) -> str:
    """An input in a line."""
    match body:
        case Deliver(envelope):
            return _message(envelope)
        case Answer(request, ok, payload):
            return f"the {'answer' if ok else 'refusal'} to its request {request}: {payload}"
        case Construct():
            return "its construction"
        case Restore():
            return "an earlier state of its own"
        case _:
            return "the question for its state"


def _message(envelope: Envelope) -> str:
    return f"the message {envelope.type} from {envelope.sender} ({envelope.id}): {envelope.payload}"


def _stop(stop: "Stop", outline: "Outline | None") -> Iterator[str]:
    yield f"Entry {stop.number}: {entry_line(stop.entry)}"
    if stop.actor is None:
        yield "It is about no single actor."
    else:
        yield from _actor(stop, outline.actor(stop.actor) if outline is not None else None)
    if outline is None:
        yield "Nothing of the run lived any more."
        return
    yield ""
    yield "The agents then:"
    for agent in outline.agents:
        yield f"  {agent.scope} {agent.name}" + ("" if agent.ready else " (being made)")
        for each in agent.actors:
            waits = len(each.messages) + len(each.answers) + each.spilled + len(each.urgent)
            asked = counted(len(each.requests), "open request")
            yield f"    {each.actor}: {each.phase}, step {each.step}, {waits:,} waiting, {asked}"


def _actor(stop: "Stop", found: "ActorOutline | None") -> Iterator[str]:
    if stop.last is not None:
        given, result = stop.last
        yield f"Step {given.step} of {stop.actor} consumed {line(consumed(given.body), 1000)}"
        yield "and put out" if result.outputs or result.failure else "and put out nothing."
        yield from (f"  {each}" for each in _result(result))
    yield f"State of {stop.actor}:"
    yield from _pretty("  ", stop.state) if stop.state is not None else [f"  {stop.no_state}"]
    if found is None:
        yield "It did not live any more."
    else:
        yield from _waiting(found)
    if stop.logs:
        yield "Its log up to there:"
        for each in stop.logs:
            yield f"  {each.level.value:<5} {each.text}"


def _waiting(found: "ActorOutline") -> Iterator[str]:
    first = [f"  {line(consumed(body), 200)}" for body in found.urgent]
    messages = [f"  {line(_message(each), 200)}" for each in found.messages]
    answers = [f"  {line(consumed(each), 200)}" for each in found.answers]
    beyond = [f"  {found.spilled:,} further messages"] if found.spilled else []
    waits = [*first, *messages, *answers, *beyond]
    yield "What waits for it:" if waits else "Nothing waits for it."
    yield from waits
    yield "Its open requests:" if found.requests else "It has no open requests."
    for each in found.requests:
        yield f"  {each.id} of {each.capability}: {line(each.payload, 200)}"


def _short(identity: str) -> str:
    return identity[:12] or "unknown"


def _data(report: "ReplayReport", outline: "Outline | None") -> dict[str, Any]:
    from vespiary.model.wire import to_wire

    data: dict[str, Any] = {
        "run": report.run,
        "same": report.same,
        "entries": report.entries,
        "steps": report.steps,
        "actors": report.actors,
        "skipped": report.skipped,
        "builds": [to_wire(each) for each in report.builds],
    }
    if (found := report.divergence) is not None:
        data["divergence"] = {
            "entry": found.entry,
            "actor": found.actor,
            "step": found.given.step,
            "what": found.what,
            "rebuilding": found.rebuilding,
            "consumed": _body(found.given.body),
            "recorded": _plain(found.recorded),
            "repeated": _plain(found.repeated),
        }
    if (stop := report.stop) is not None:
        data["stop"] = {
            "entry": stop.number,
            "actor": stop.actor,
            "consumed": _body(stop.last[0].body) if stop.last else None,
            "outputs": _plain(stop.last[1])["outputs"] if stop.last else None,
            "state": stop.state,
            "noState": stop.no_state,
            "log": [to_wire(each) for each in stop.logs],
            "actors": _outline(outline),
        }
    return data


def _plain(result: StepResult) -> dict[str, Any]:
    from vespiary.model.wire import to_wire

    return {
        "outputs": [{"kind": type(each).__name__.lower(), **to_wire(each)} for each in result.outputs],
        "failure": to_wire(result.failure) if result.failure else None,
        "state": result.state,
        "description": to_wire(result.description) if result.description else None,
    }


def _body(body: StepBody) -> dict[str, Any]:
    from vespiary.model.wire import to_wire

    return {"kind": type(body).__name__.lower(), **to_wire(body)}


def _outline(outline: "Outline | None") -> dict[ActorId, Any]:
    from vespiary.model.wire import to_wire

    return {
        each.actor: {
            "phase": each.phase,
            "step": each.step,
            "urgent": [_body(body) for body in each.urgent],
            "messages": [to_wire(message) for message in each.messages],
            "answers": [to_wire(answer) for answer in each.answers],
            "spilled": each.spilled,
            "requests": [to_wire(request) for request in each.requests],
        }
        for agent in (outline.agents if outline is not None else ())
        for each in agent.actors
    }
