"""The two call layers side by side, and what is left behind when instances go."""

import gc
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ledger import requirement
from support.sandbox import Sandbox
from support.wat import OK, WatActor
from vespiary.model.ids import Scope
from vespiary.model.steps import Limits, StepResult
from vespiary.wasm import call, engine, lean
from vespiary.wasm.call import CallLayer, StockLayer, best_layer
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests
from vespiary.wasm.lean import LeanLayer

AREA = "(i32.const 32)"
PAYLOAD = "(local.get $payload) (local.get $payload_len)"


def talkative() -> WatActor:
    """An actor that uses every host function and every kind of result."""
    actor = WatActor()
    logged = "".join(
        f"(call ${name} {AREA}) (call $log (i32.const 0) (i32.load {AREA}) (i32.load (i32.const 36)))"
        for name in ("scope", "self", "host")
    )
    starts = "".join(f"(call ${name} {PAYLOAD} {AREA})" for name in ("agents", "workspace", "llm", "command", "http"))
    actor.handle = f"""{logged} {starts} (call $parent {AREA}) (call $random (i32.const 9) {AREA})
      (call $log (i32.const 3) (i32.load {AREA}) (i32.load (i32.const 36)))
      (call $send {PAYLOAD} {PAYLOAD} {AREA}) (call $send {actor.text("t.x")} {PAYLOAD} {AREA})
      (call $send_to {actor.text("AAAAAA")} {actor.text("t.x")} {PAYLOAD} {AREA})
      (call $cancel (call $timer (call $now)))
      (call $fail {PAYLOAD})"""
    actor.reply = f"(if (result i32) (local.get $ok) (then {OK}) (else (call $fail {PAYLOAD})))"
    actor.snapshot = actor.fail("")
    actor.restore = "(call $fail (local.get $state) (local.get $state_len))"
    return actor


def shard(folder: Path, cache: Path, layer: CallLayer) -> Sandbox:
    return Sandbox(WasmGuests(ComponentStore(lambda _: None, folder=cache, layer=layer), layer=layer), folder)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Sandbox, Sandbox]:
    folder = tmp_path_factory.mktemp("layers")
    return shard(folder, cache, LeanLayer()), shard(folder, cache, StockLayer())


def outcome(result: StepResult) -> tuple[object, ...]:
    return (result.outputs, result.failure, result.description, result.state)


@requirement("wasm:lean-agrees")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payload=st.one_of(st.text(), st.recursive(st.integers() | st.text(), st.lists)),
    request=st.integers(0, 2**64 - 1),
    ok=st.booleans(),
)
def test_the_lean_layer_gives_the_same_as_the_stock_layer(
    pair: tuple[Sandbox, Sandbox], payload: object, request: int, ok: bool
) -> None:
    text = payload if isinstance(payload, str) else None
    results: list[list[tuple[object, ...]]] = []
    for sandbox in pair:
        made = sandbox.make(talkative(), limits=Limits(), parent=Scope("PAR3NT"))
        steps = [
            made,
            sandbox.deliver(payload=payload, step=9),
            sandbox.answer(request, text or "{}", ok=ok),
            sandbox.snapshot(),
            sandbox.restore(text or ""),
            sandbox.deliver(payload=payload, step=10),
        ]
        results.append([outcome(step) for step in steps])
    assert results[0] == results[1]
    assert results[0][0][1] is None


@requirement("wasm:lean-agrees")
def test_the_lean_layer_is_in_use_with_this_wasmtime() -> None:
    assert lean.usable()
    assert isinstance(best_layer(), LeanLayer)
    assert engine.reacts_at_once()


@requirement("wasm:lean-agrees")
def test_other_bindings_mean_the_stock_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean.b, "wasmtime_component_val_t", lean.c_uint64)
    assert isinstance(call.best_layer(), StockLayer)


def test_without_the_epoch_question_deadlines_still_hold(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_set_callback", None)
    sandbox.make(WatActor(handle="(loop $l (br $l)) (unreachable)"), limits=Limits(call_ms=60))
    result = sandbox.deliver()
    assert result.failure is not None
    assert result.failure.kind == "deadline"


def private_bytes() -> int:
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no Private_Dirty")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@requirement("wasm:no-leaks")
def test_thousands_of_instances_come_and_go_without_a_trace(sandbox: Sandbox) -> None:
    path = sandbox.file(talkative())

    def round_trip(count: int) -> None:
        for at in range(count):
            name = f"actor{at % 7}"
            assert sandbox.make(path, name).failure is None
            sandbox.deliver(name)
            if at % 3:
                sandbox.destroy(name)
        for at in range(7):
            sandbox.destroy(f"actor{at}")
        gc.collect()

    round_trip(300)
    before, watches, maps = private_bytes(), len(engine._watches), mappings()
    round_trip(3_000)
    assert len(sandbox.guests) == 0
    assert len(engine._watches) == watches
    assert mappings() - maps < 40
    assert private_bytes() - before < 12 * 2**20


def mappings() -> int:
    return len(Path("/proc/self/maps").read_text(encoding="ascii").splitlines())


@requirement("wasm:no-leaks")
def test_dropping_guests_needs_no_garbage_collector(sandbox: Sandbox) -> None:
    path = sandbox.file(WatActor())
    gc.disable()
    try:
        for at in range(20):
            sandbox.make(path, f"a{at}")
        living = len(engine._watches)
        sandbox.guests.close()
        assert len(engine._watches) == living - 20
    finally:
        gc.enable()


@requirement("wasm:no-leaks")
def test_crashes_leave_nothing_behind(sandbox: Sandbox) -> None:
    path = sandbox.file(WatActor(handle="(unreachable)"))
    living = len(engine._watches)
    for _ in range(200):
        sandbox.make(path)
        assert sandbox.deliver().failure is not None
    assert len(engine._watches) == living
    assert len(sandbox.guests) == 0


def test_guests_may_move_between_threads_one_at_a_time(sandbox: Sandbox) -> None:
    sandbox.make(talkative())
    results: list[StepResult] = []
    for _ in range(4):
        thread = threading.Thread(target=lambda: results.append(sandbox.deliver(step=9)))
        thread.start()
        thread.join()
    assert len({str(outcome(result)[1]) for result in results}) == 1
    assert len(results) == 4
