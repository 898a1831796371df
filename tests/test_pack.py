"""Steps survive being packed, sent as bytes and read again."""

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vespiary.model.ids import ActorId, Scope
from vespiary.model.messages import Envelope, Extent, Subscription
from vespiary.model.pack import pack_body, pack_input, pack_result, unpack_body, unpack_input, unpack_result
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
    Request,
    Restore,
    Send,
    StepFailure,
    StepInput,
    StepResult,
    TakeSnapshot,
    Tool,
)

text = st.text(st.characters(codec="utf-8"))
number = st.integers(0, 2**63 - 1)
scope = st.builds(Scope, text)
actor = st.builds(ActorId, text)
spec = st.builds(ActorSpec, text, text, text, st.builds(Limits, number, number, number, number, number))
body = st.one_of(
    st.builds(Construct, spec, st.none() | scope),
    st.builds(Deliver, st.builds(Envelope, text, text, actor, scope, text)),
    st.builds(Answer, number, st.booleans(), text),
    st.just(TakeSnapshot()),
    st.builds(Restore, text),
    st.just(Destroy()),
)
output = st.one_of(
    st.builds(Send, text, text, text, st.none() | scope),
    st.builds(Request, number, text, text),
    st.builds(CancelRequest, number),
    st.builds(Log, st.sampled_from(Level), text),
)
description = st.builds(
    Description,
    st.tuples(st.builds(Tool, text, text, text)),
    st.tuples(st.builds(Subscription, text, st.sampled_from(Extent))),
    text,
)
failure = st.builds(StepFailure, st.sampled_from(FailureKind), text)


@given(st.builds(StepInput, actor, number, number, number, body))
def test_an_input_is_the_same_after_packing_and_reading(step: StepInput) -> None:
    assert unpack_input(ormsgpack.unpackb(ormsgpack.packb(pack_input(step)))) == step


@given(
    st.builds(
        StepResult,
        actor,
        number,
        st.lists(output, max_size=4).map(tuple),
        st.none() | failure,
        st.none() | description,
        st.none() | text,
        number,
    )
)
def test_a_result_is_the_same_after_packing_and_reading(result: StepResult) -> None:
    assert unpack_result(ormsgpack.unpackb(ormsgpack.packb(pack_result(result)))) == result


@given(spec)
def test_a_construct_may_leave_its_specification_to_the_reader(given_spec: ActorSpec) -> None:
    made = Construct(given_spec, None)
    assert unpack_body(pack_body(made, spec=False), given_spec) == made
    with pytest.raises(ValueError, match="specification"):
        unpack_body(pack_body(made, spec=False))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda each: st.lists(each, max_size=5)))
def test_nonsense_is_refused_with_a_value_error(nonsense: object) -> None:
    for read in (unpack_input, unpack_result, unpack_body):
        try:
            read(nonsense)
        except ValueError:
            continue
