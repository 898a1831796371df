"""What a step puts out, and how it fails."""

import json

import pytest
from ledger import requirement
from support.sandbox import NOW, QUICK, SCOPE, Sandbox, lines
from support.wat import OK, WatActor
from vespiary.model.ids import Scope
from vespiary.model.steps import (
    CancelRequest,
    FailureKind,
    Level,
    Limits,
    Log,
    Request,
    Send,
    StepResult,
)

PAYLOAD = "(local.get $payload) (local.get $payload_len)"
AREA = "(i32.const 32)"


def kind(result: StepResult) -> FailureKind | None:
    return None if result.failure is None else result.failure.kind


def refusal_logger(actor: WatActor, call: str) -> str:
    """Make a call that answers with a result in the return area, and log its error if it has one."""
    return (
        f"{call} (if (i32.load8_u {AREA}) (then (call $log (i32.const 3) (i32.load (i32.const 36)) "
        f"(i32.load (i32.const 40))))) {OK}"
    )


@requirement("wasm:outputs-in-order")
def test_outputs_come_in_the_order_in_which_they_were_made(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"""
      (call $log (i32.const 0) {actor.text("first")})
      (call $send {actor.text("a.b")} {PAYLOAD} {AREA})
      (local.set $id64 (call $timer (i64.const 90000000000)))
      (call $llm {PAYLOAD} {AREA})
      (call $send_to {actor.text("Zz9999")} {actor.text("c.d")} {PAYLOAD} {AREA})
      (call $cancel (local.get $id64))
      (call $cancel (local.get $id64))
      (call $cancel (i64.const 12345))
      (call $log (i32.const 3) {actor.text("last ü")}) {OK}"""
    assert sandbox.make(actor).failure is None
    result = sandbox.deliver(payload={"ü": "𝄞"})
    timer, llm = (item.id for item in result.outputs if isinstance(item, Request))
    text = json.dumps({"ü": "𝄞"})
    send, far = (item for item in result.outputs if isinstance(item, Send))
    assert result.outputs == (
        Log(Level.DEBUG, "first"),
        Send(send.id, "a.b", text),
        Request(timer, "timer", '{"millis":86400000}'),
        Request(llm, "llm", text),
        Send(far.id, "c.d", text, Scope("Zz9999")),
        CancelRequest(timer),
        Log(Level.ERROR, "last ü"),
    )
    assert timer < llm
    assert result.failure is None


@requirement("wasm:correlation")
def test_ids_continue_the_message_that_a_request_belongs_to(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"(call $llm {PAYLOAD} {AREA}) {OK}"
    actor.reply = f"(call $send {actor.text('a.b')} {actor.text('1')} {AREA}) {OK}"
    actor.construct = f"(call $send {actor.text('a.b')} {actor.text('1')} {AREA})"
    made = sandbox.make(actor)
    assert isinstance(made.outputs[0], Send)
    assert made.outputs[0].id.startswith("root:")
    request = sandbox.deliver().outputs[0]
    assert isinstance(request, Request)
    sent = sandbox.answer(request.id).outputs[0]
    assert isinstance(sent, Send)
    assert sent.id.startswith("m1:")
    unknown = sandbox.answer(request.id).outputs[0]
    assert isinstance(unknown, Send)
    assert unknown.id.startswith("root:")


@requirement("wasm:refusals")
@pytest.mark.parametrize(
    ("message_type", "payload", "scope", "reason"),
    [
        ("not a type", "1", None, "is not a message type"),
        ("a..b", "1", None, "is not a message type"),
        ("", "1", None, "is not a message type"),
        ("a" * 201, "1", None, "is not a message type"),
        ("vespiary.agent.ready", "1", None, "only the host may send"),
        ("vespiary.tool.result", "1", "zzzzzz", "cannot be sent into another scope"),
        ("vespiary.agent.done", "1", "zzzzzz", "cannot be sent into another scope"),
        ("a.b", "{", None, "is not JSON"),
        ("a.b", "", None, "is not JSON"),
        ("a.b", "NaN", None, "is not JSON"),
        ("a.b", "[" * 5000, None, "is not JSON"),
        ("a.b", "1", "../../", "is not a scope"),
        ("a.b", "1", "", "is not a scope"),
    ],
)
def test_what_may_not_be_sent_is_refused_with_a_sentence(
    sandbox: Sandbox, message_type: str, payload: str, scope: str | None, reason: str
) -> None:
    actor = WatActor()
    message = f"{actor.text(message_type)} {actor.text(payload)} {AREA}"
    call = f"(call $send {message})" if scope is None else f"(call $send_to {actor.text(scope)} {message})"
    actor.handle = refusal_logger(actor, call)
    sandbox.make(actor)
    result = sandbox.deliver()
    assert result.failure is None
    (line,) = lines(result)
    assert reason in line
    assert len(result.outputs) == 1


@requirement("wasm:refusals")
def test_a_request_that_is_not_json_is_refused(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"""(call $llm {actor.text("nonsense")} {AREA})
      (if (i32.load8_u {AREA}) (then (call $log (i32.const 3) (i32.load (i32.const 40)) (i32.load (i32.const 44))))) {OK}"""
    sandbox.make(actor)
    result = sandbox.deliver()
    assert "not JSON" in lines(result)[0]
    assert result.failure is None


@requirement("wasm:output-limits")
def test_too_many_messages_are_refused_and_too_many_lines_are_dropped_with_one_saying_so(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"""(loop $again
        (call $send {actor.text("a.b")} {actor.text("1")} {AREA})
        (call $log (i32.const 1) {actor.text("x")})
        (br_if $again (i32.gt_u (i32.const 5000) (local.tee $i (i32.add (local.get $i) (i32.const 1)))))) {OK}"""
    sandbox.make(actor, limits=Limits(outputs=10, call_ms=5_000))
    result = sandbox.deliver()
    assert result.failure is None
    assert len(result.outputs) == 11
    assert "dropped" in lines(result)[-1]


@requirement("wasm:output-limits")
def test_bytes_are_counted_over_all_outputs_of_a_step(sandbox: Sandbox) -> None:
    actor = WatActor()
    big = json.dumps("x" * 300)
    actor.handle = refusal_logger(
        actor,
        f"(call $send {actor.text('a.b')} {actor.text(big)} {AREA}) (call $send {actor.text('a.b')} {actor.text(big)} {AREA})",
    )
    sandbox.make(actor, limits=Limits(output_bytes=500))
    result = sandbox.deliver()
    assert [type(item) for item in result.outputs] == [Send, Log]
    assert "more bytes" in lines(result)[0]
    assert len(sandbox.deliver().outputs) == 2, "the next step has its own limits"


@requirement("wasm:output-limits", "wasm:fatal")
def test_too_many_timers_break_the_step(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"""(call $log (i32.const 1) {actor.text("kept")})
      (loop $again (drop (call $timer (i64.const 1)))
        (br_if $again (i32.gt_u (i32.const 50) (local.tee $i (i32.add (local.get $i) (i32.const 1)))))) {OK}"""
    sandbox.make(actor, limits=Limits(outputs=10))
    result = sandbox.deliver()
    assert kind(result) is FailureKind.PROTOCOL
    assert result.outputs == (Log(Level.INFO, "kept"),)
    assert "is gone" in str(sandbox.deliver().failure)


@requirement("wasm:handler-error")
def test_a_failed_handler_keeps_its_outputs_and_its_actor(sandbox: Sandbox) -> None:
    actor = WatActor()
    errors = [{"message": "root:m1", "error": "line 3: no such key"}, {"message": "x:y", "error": "and this"}]
    actor.handle = f"(call $send {actor.text('a.b')} {PAYLOAD} {AREA}) {actor.fail(json.dumps(errors))}"
    actor.reply = actor.fail("plain words")
    sandbox.make(actor)
    result = sandbox.deliver()
    assert kind(result) is FailureKind.HANDLER
    assert result.failure is not None
    assert result.failure.message == "line 3: no such key\nand this"
    assert len(result.outputs) == 1
    again = sandbox.answer(1)
    assert kind(again) is FailureKind.HANDLER
    assert again.failure is not None
    assert again.failure.message == "plain words"


@requirement("wasm:snapshot")
def test_state_is_taken_and_given_back(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.snapshot = f"(if (result i32) (global.get $steps) (then {actor.fail('state é')}) (else {OK}))"
    actor.restore = f"(call $log (i32.const 1) (local.get $state) (local.get $state_len)) {OK}"
    sandbox.make(actor)
    assert sandbox.snapshot().state is None
    sandbox.deliver()
    assert sandbox.snapshot().state == "state é"
    restored = sandbox.restore("state é")
    assert restored.failure is None
    assert lines(restored) == ["state é"]


@requirement("wasm:snapshot", "wasm:fatal")
def test_a_state_that_is_not_taken_back_ends_the_actor(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.restore = actor.fail("from another version")
    sandbox.make(actor)
    result = sandbox.restore("?")
    assert kind(result) is FailureKind.CONSTRUCT
    assert "from another version" in str(result.failure)
    assert kind(sandbox.deliver()) is FailureKind.TRAP


@requirement("wasm:deterministic")
def test_a_step_repeated_gives_the_same_outputs(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"""(call $random (i32.const 8) {AREA})
      (call $log (i32.const 1) (i32.load {AREA}) (i32.load (i32.const 36)))
      (call $send {actor.text("a.b")} {PAYLOAD} {AREA})
      (i64.store (i32.const 128) (call $now)) (call $log (i32.const 1) {actor.text("now")})
      (if (i64.ne (i64.load (i32.const 128)) (i64.const {NOW})) (then (unreachable))) {OK}"""
    path = sandbox.file(actor)
    outputs = []
    for name in ("one", "two"):
        sandbox.make(path, name)
        outputs.append(sandbox.deliver(name, step=5).outputs)
    assert outputs[0] == outputs[1]
    other = sandbox.deliver("one", seed=8).outputs
    assert other[0] != outputs[0][0]
    assert other[1] != outputs[0][1]
    assert sandbox.deliver("one", now=NOW + 1).failure is not None


def test_an_actor_knows_its_place_and_little_of_the_host(sandbox: Sandbox) -> None:
    actor = WatActor()
    logged = "".join(
        f"(call ${name} {AREA}) (call $log (i32.const 1) (i32.load {AREA}) (i32.load (i32.const 36)))"
        for name in ("scope", "self", "host")
    )
    parent = f"""(call $parent {AREA}) (if (i32.load8_u {AREA})
      (then (call $log (i32.const 1) (i32.load (i32.const 36)) (i32.load (i32.const 40)))))"""
    actor.handle = logged + parent + OK
    sandbox.make(actor, "root")
    scope, me, host = lines(sandbox.deliver("root"))
    assert (scope, me) == (SCOPE, f"{SCOPE}/root")
    assert sorted(json.loads(host)) == ["arch", "os", "version"]
    sandbox.make(actor, "child", parent=Scope("PAR3NT"))
    assert lines(sandbox.deliver("child"))[-1] == "PAR3NT"


def test_a_fresh_instance_asks_with_ids_of_its_own_and_a_repeated_one_with_the_same(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"(drop (call $timer (i64.const 1))) {OK}"
    sandbox.make(actor)
    first = sandbox.deliver(step=3).outputs[0]
    sandbox.make(actor)
    repeated = sandbox.deliver(step=3).outputs[0]
    sandbox.make(actor)
    fresh = sandbox.deliver(step=5).outputs[0]
    assert isinstance(first, Request)
    assert isinstance(fresh, Request)
    assert repeated == first
    assert fresh.id > first.id


def test_the_constructor_may_send_and_its_error_is_told_by_describe(sandbox: Sandbox) -> None:
    actor = WatActor(description="no model is configured", describe_fails=True)
    actor.construct = (
        "(call $log (i32.const 1) (local.get $scope) (local.get $scope_len))"
        "(call $log (i32.const 1) (local.get $config) (local.get $config_len))"
    )
    result = sandbox.make(actor, config='{"x":"ß"}')
    assert kind(result) is FailureKind.CONSTRUCT
    assert "no model is configured" in str(result.failure)
    assert lines(result) == [SCOPE, '{"x":"ß"}']
    assert len(sandbox.guests) == 0


def test_an_actor_that_was_never_made_is_said_to_be_gone(sandbox: Sandbox) -> None:
    for result in (sandbox.deliver("nobody"), sandbox.answer(1, name="nobody"), sandbox.snapshot("nobody")):
        assert kind(result) is FailureKind.TRAP
        assert "is gone" in str(result.failure)
    assert sandbox.destroy("nobody").failure is None


def test_text_with_half_characters_reaches_the_guest_as_text(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.reply = f"(call $log (i32.const 1) {PAYLOAD}) {OK}"
    sandbox.make(actor)
    assert lines(sandbox.answer(1, "a\ud800b")) == ["a?b"]


def test_a_large_payload_crosses_unharmed(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"(call $send {actor.text('a.b')} {PAYLOAD} {AREA}) {OK}"
    sandbox.make(actor, limits=QUICK)
    payload = {"text": "öäü𝄞" * 200_000}
    sent = sandbox.deliver(payload=payload).outputs[0]
    assert isinstance(sent, Send)
    assert json.loads(sent.payload) == payload
    assert sandbox.deliver().failure is None
