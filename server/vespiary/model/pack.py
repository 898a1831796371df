"""Steps as plain tuples of scalars, and back: the form that crosses to a worker process and goes into the journal.

One rule for both. Knows the shape of every input and output; does not know which bytes the tuples become. Reading raises
`ValueError` for what is not in this form, and nothing else.
"""

from collections.abc import Iterable
from typing import Any

from vespiary.model.ids import ActorId, Scope
from vespiary.model.messages import Envelope, Extent, Subscription
from vespiary.model.steps import (
    ActorSpec,
    Answer,
    CancelRequest,
    Construct,
    Deliver,
    Description,
    Destroy,
    FailureKind,
    Level,
    Limits,
    Log,
    Output,
    Request,
    Restore,
    Send,
    StepBody,
    StepFailure,
    StepInput,
    StepResult,
    TakeSnapshot,
    Tool,
)

Packed = Any
"""Tuples (lists, once read) of scalars and such tuples."""

_CONSTRUCT, _DELIVER, _ANSWER, _SNAPSHOT, _RESTORE, _DESTROY = range(6)
_SEND, _REQUEST, _CANCEL, _LOG = range(4)

_WRONG = (TypeError, ValueError, AttributeError, KeyError, IndexError)


def _not(what: str, error: Exception) -> ValueError:
    """Whatever went wrong while something was read, as one kind of error."""
    return ValueError(f"This is not {what}: {error}")


def pack_spec(spec: ActorSpec) -> Packed:
    """An actor's specification."""
    limits = spec.limits
    return (
        spec.name,
        spec.component,
        spec.config,
        (limits.memory_bytes, limits.construct_ms, limits.call_ms, limits.output_bytes, limits.outputs),
    )


def unpack_spec(packed: Packed) -> ActorSpec:
    """The specification again."""
    try:
        name, component, config, limits = packed
        return ActorSpec(name, component, config, Limits(*limits))
    except _WRONG as error:
        raise _not("a specification", error) from error


def pack_body(body: StepBody, *, spec: bool = True) -> Packed:
    """An input. Without `spec`, a `Construct` leaves out its specification, for whoever knows it already."""
    if isinstance(body, Deliver):
        envelope = body.envelope
        return (_DELIVER, envelope.id, envelope.type, envelope.sender, envelope.scope, envelope.payload)
    if isinstance(body, Answer):
        return (_ANSWER, body.request, body.ok, body.payload)
    if isinstance(body, Construct):
        return (_CONSTRUCT, pack_spec(body.spec) if spec else None, body.parent)
    if isinstance(body, Restore):
        return (_RESTORE, body.state)
    return (_SNAPSHOT,) if isinstance(body, TakeSnapshot) else (_DESTROY,)


def unpack_body(packed: Packed, spec: ActorSpec | None = None) -> StepBody:
    """The input again. `spec` is the specification that a `Construct` left out."""
    try:
        kind, *rest = packed
        if kind == _DELIVER:
            return Deliver(Envelope(*rest))
        if kind == _ANSWER:
            request, ok, payload = rest
            return Answer(request, bool(ok), payload)
        if kind == _CONSTRUCT:
            own, parent = rest
            found = unpack_spec(own) if own is not None else spec
            if found is None:
                raise ValueError("it has no specification")
            return Construct(found, None if parent is None else Scope(parent))
        if kind == _RESTORE:
            (state,) = rest
            return Restore(state)
        if kind == _SNAPSHOT:
            return TakeSnapshot()
        if kind == _DESTROY:
            return Destroy()
        raise ValueError(f"there is no input of the kind {kind!r}")
    except _WRONG as error:
        raise _not("an input", error) from error


def pack_input(step: StepInput) -> Packed:
    """A step's input."""
    return (step.actor, step.step, step.now, step.seed, pack_body(step.body))


def unpack_input(packed: Packed) -> StepInput:
    """The step's input again."""
    try:
        actor, step, now, seed, body = packed
        return StepInput(ActorId(actor), step, now, seed, unpack_body(body))
    except _WRONG as error:
        raise _not("a step", error) from error


def pack_outputs(outputs: Iterable[Output]) -> Packed:
    """Outputs, in order."""
    return tuple(map(_pack_output, outputs))


def _pack_output(output: Output) -> Packed:
    if isinstance(output, Send):
        return (_SEND, output.id, output.type, output.payload, output.to)
    if isinstance(output, Request):
        return (_REQUEST, output.id, output.capability, output.payload)
    if isinstance(output, CancelRequest):
        return (_CANCEL, output.id)
    return (_LOG, output.level.value, output.text)


def unpack_outputs(packed: Packed) -> tuple[Output, ...]:
    """The outputs again."""
    try:
        return tuple(map(_unpack_output, packed))
    except _WRONG as error:
        raise _not("an output", error) from error


def _unpack_output(packed: Packed) -> Output:
    kind = packed[0]
    if kind == _SEND:
        _, ident, message_type, payload, to = packed
        return Send(ident, message_type, payload, None if to is None else Scope(to))
    if kind == _REQUEST:
        return Request(*packed[1:])
    if kind == _CANCEL:
        return CancelRequest(*packed[1:])
    if kind == _LOG:
        _, level, text = packed
        return Log(Level(level), text)
    raise ValueError(f"there is no output of the kind {kind!r}")


def pack_description(description: Description | None) -> Packed:
    """What an actor says of itself."""
    if description is None:
        return None
    tools = tuple((tool.name, tool.description, tool.parameters) for tool in description.tools)
    wishes = tuple((wish.pattern, wish.extent.value) for wish in description.subscriptions)
    return (tools, wishes, description.component)


def unpack_description(packed: Packed) -> Description | None:
    """The description again."""
    if packed is None:
        return None
    try:
        tools, wishes, component = packed
        return Description(
            tuple(Tool(*tool) for tool in tools),
            tuple(Subscription(pattern, Extent(extent)) for pattern, extent in wishes),
            component,
        )
    except _WRONG as error:
        raise _not("a description", error) from error


def pack_failure(failure: StepFailure | None) -> Packed:
    """Why a step failed, if it did."""
    return None if failure is None else (failure.kind.value, failure.message)


def unpack_failure(packed: Packed) -> StepFailure | None:
    """The failure again."""
    if packed is None:
        return None
    try:
        kind, message = packed
        return StepFailure(FailureKind(kind), message)
    except _WRONG as error:
        raise _not("a failure", error) from error


def pack_result(result: StepResult) -> Packed:
    """What a step gave."""
    return (
        result.actor,
        result.step,
        pack_outputs(result.outputs),
        pack_failure(result.failure),
        pack_description(result.description),
        result.state,
        result.busy_ns,
    )


def unpack_result(packed: Packed) -> StepResult:
    """The result again."""
    try:
        actor, step, outputs, failure, description, state, busy_ns = packed
        return StepResult(
            ActorId(actor),
            step,
            unpack_outputs(outputs),
            unpack_failure(failure),
            unpack_description(description),
            state,
            busy_ns,
        )
    except _WRONG as error:
        raise _not("a result", error) from error
