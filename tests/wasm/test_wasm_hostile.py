"""Actors that mean harm, written as a few instructions."""

import threading
import time
from pathlib import Path

import pytest
from ledger import requirement
from support.sandbox import NOW, Sandbox, lines
from support.wat import LOOP, OK, Import, WatActor
from vespiary.model.ids import ActorId
from vespiary.model.steps import Description, FailureKind, Limits, Log, Request, StepResult
from vespiary.wasm import engine as engines
from vespiary.wasm.call import StockLayer
from vespiary.wasm.components import ComponentStore, LoadedComponent
from vespiary.wasm.engine import shared_engine
from vespiary.wasm.guests import WasmGuests

RECURSE = "(call $down)"
DOWN = "(func $down (call $down) (call $down))"


def ended(result: StepResult) -> FailureKind:
    assert result.failure is not None
    assert result.failure.fatal
    assert all(isinstance(item, Log) for item in result.outputs)
    return result.failure.kind


def still_works(sandbox: Sandbox) -> None:
    """Another actor is made and serves."""
    actor = WatActor()
    actor.handle = f"(call $log (i32.const 1) {actor.text('fine')}) {OK}"
    assert sandbox.make(actor, "sound").failure is None
    assert lines(sandbox.deliver("sound")) == ["fine"]


@requirement("wasm:deadline", "wasm:fatal")
def test_an_endless_loop_is_ended_at_its_deadline_and_its_log_lines_are_kept(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"""(call $log (i32.const 1) {actor.text("about to loop")})
      (call $send {actor.text("a.b")} {actor.text("1")} (i32.const 32)) {LOOP}"""
    sandbox.make(actor, limits=Limits(call_ms=100))
    result = sandbox.deliver()
    assert ended(result) is FailureKind.DEADLINE
    assert lines(result) == ["about to loop"]
    assert result.failure is not None
    assert "0.1 s" in result.failure.message
    assert 90e6 < result.busy_ns < 5e9
    assert ended(sandbox.deliver()) is FailureKind.TRAP
    still_works(sandbox)


@requirement("wasm:deadline")
@pytest.mark.parametrize("part", ["construct", "snapshot", "reply", "restore"])
def test_every_call_has_a_deadline(sandbox: Sandbox, part: str) -> None:
    actor = WatActor()
    setattr(actor, part, LOOP)
    made = sandbox.make(actor, limits=Limits(call_ms=60, construct_ms=60))
    if part == "construct":
        assert ended(made) is FailureKind.DEADLINE
        return
    calls = {"snapshot": sandbox.snapshot, "reply": lambda: sandbox.answer(1), "restore": lambda: sandbox.restore("x")}
    assert ended(calls[part]()) is FailureKind.DEADLINE


@requirement("wasm:deadline")
def test_a_loop_before_the_constructor_has_a_deadline(sandbox: Sandbox) -> None:
    wat = WatActor(globals="(func $begin (loop $l (br $l))) (start $begin)")
    assert ended(sandbox.make(wat, limits=Limits(construct_ms=60))) is FailureKind.DEADLINE


@requirement("wasm:interrupt")
def test_an_interrupt_from_another_thread_ends_the_call_and_no_other(tmp_path: Path, cache: Path) -> None:
    """Two shards loop on two threads; one is interrupted, the other goes on to its own deadline."""
    store = ComponentStore(lambda _: None, folder=cache)
    shards = [Sandbox(WasmGuests(store), tmp_path) for _ in range(2)]
    actor = WatActor(handle=LOOP)
    path = shards[0].file(actor)
    for shard in shards:
        shard.make(path, limits=Limits(call_ms=1_500))
    results: dict[int, tuple[StepResult, float]] = {}

    def work(which: int) -> None:
        results[which] = (shards[which].deliver(), time.monotonic())

    threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    victim = shards[0].guests
    until = time.monotonic() + 20
    while threads[0].is_alive():
        asked = time.monotonic()
        assert asked < until
        victim.interrupt(ActorId("abCD12/somebody"))
        victim.interrupt(ActorId("abCD12/actor"))
        threads[0].join(0.1)
    threads[1].join()
    assert ended(results[0][0]) is FailureKind.CANCELLED
    assert ended(results[1][0]) is FailureKind.DEADLINE
    assert results[0][1] < results[1][1]
    for shard in shards:
        still_works(shard)
        shard.guests.close()


@requirement("wasm:interrupt")
def test_an_interrupt_ends_a_call_within_100_ms(tmp_path: Path, cache: Path) -> None:
    shard = Sandbox(WasmGuests(ComponentStore(lambda _: None, folder=cache)), tmp_path)
    path = shard.file(WatActor(handle=LOOP))
    taken: list[float] = []
    for _ in range(5):
        shard.make(path, limits=Limits(call_ms=20_000))
        done: list[float] = []

        def work(done: list[float] = done) -> None:
            shard.deliver()
            done.append(time.perf_counter())

        thread = threading.Thread(target=work)
        thread.start()
        while shard.guests._running is None:
            pass
        asked = time.perf_counter()
        shard.guests.interrupt(ActorId("abCD12/actor"))
        thread.join()
        taken.append(done[0] - asked)
    shard.guests.close()
    assert min(taken) < 0.1


@requirement("wasm:interrupt")
def test_an_interrupt_of_an_actor_at_rest_does_nothing(sandbox: Sandbox) -> None:
    sandbox.make(WatActor())
    sandbox.guests.interrupt(ActorId("abCD12/actor"))
    assert sandbox.deliver().failure is None


def test_the_ticker_rests_when_no_guest_runs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_IDLE_TICKS", 2)
    sandbox.make(WatActor())
    engine = shared_engine()
    until = time.monotonic() + 20
    while engine.ticking:
        assert time.monotonic() < until
        time.sleep(0.01)  # the state is a thread that ends by itself; nothing tells of it
    assert sandbox.deliver().failure is None
    assert engine.ticking


@requirement("wasm:recursion")
def test_recursion_without_end_is_a_trap_with_a_reason(sandbox: Sandbox) -> None:
    result = sandbox.make(WatActor(handle=RECURSE + OK, globals=DOWN)) and sandbox.deliver()
    assert ended(result) is FailureKind.TRAP
    assert "too deep" in str(result.failure)
    still_works(sandbox)


@requirement("wasm:memory")
def test_memory_does_not_grow_beyond_the_limit(sandbox: Sandbox) -> None:
    actor = WatActor()
    grow = "(loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))"
    pages = 1024
    actor.handle = f"""{grow} (if (i32.gt_u (memory.size) (i32.const {pages})) (then (unreachable)))
      (call $log (i32.const 1) {actor.text("lives")}) {OK}"""
    sandbox.make(actor, limits=Limits(memory_bytes=pages * 65536, call_ms=20_000))
    assert lines(sandbox.deliver()) == ["lives"]
    still_works(sandbox)


@requirement("wasm:memory")
def test_an_actor_that_starts_with_more_memory_than_its_limit_is_refused_as_such(sandbox: Sandbox) -> None:
    result = sandbox.make(WatActor(memory_pages=300), limits=Limits(memory_bytes=16 * 2**20))
    assert ended(result) is FailureKind.MEMORY
    assert "memory" in str(result.failure)


@requirement("wasm:exit")
def test_an_abort_is_a_trap(sandbox: Sandbox) -> None:
    sandbox.make(WatActor(handle="(unreachable)"))
    result = sandbox.deliver()
    assert ended(result) is FailureKind.TRAP
    assert "gave up" in str(result.failure)
    still_works(sandbox)


@requirement("wasm:exit", "wasm:nothing-of-the-host")
def test_exit_is_not_there_to_be_called(sandbox: Sandbox) -> None:
    imports = Import(
        "wasi:cli/exit@0.2.3", '(export "exit" (func (param "status" (result))))', {"exit": ("exit", "(param i32)")}
    )
    sandbox.make(WatActor(handle=f"(call $exit (i32.const 0)) {OK}", imports=[imports]))
    result = sandbox.deliver()
    assert ended(result) is FailureKind.TRAP
    assert "wasi:cli/exit" in str(result.failure)
    still_works(sandbox)


@requirement("wasm:output-limits")
def test_a_flood_of_log_lines_is_cut(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"(loop $l (call $log (i32.const 1) {actor.text('x' * 900)}) (br $l)) (unreachable)"
    sandbox.make(actor, limits=Limits(output_bytes=20_000, call_ms=100))
    result = sandbox.deliver()
    assert ended(result) is FailureKind.DEADLINE
    assert len(result.outputs) == 23
    assert sum(len(line) for line in lines(result)) < 21_000


@requirement("wasm:nonsense")
@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("", "not JSON"),
        ("[]", "not an object"),
        ('{"tools":{}}', "not a list"),
        ('{"tools":[7]}', "not an object"),
        ('{"tools":[{"name":"a b","description":"","parameters":{}}]}', "tools[0].name"),
        ('{"tools":[{"name":"a","description":"","parameters":"{}"}]}', "tools[0].parameters"),
        ('{"tools":[{"name":"a","parameters":{}}]}', "tools[0].description"),
        (
            '{"tools":[{"name":"a","description":"","parameters":{}},{"name":"a","description":"","parameters":{}}]}',
            "two tools are called a",
        ),
        ('{"subscriptions":[{"pattern":"a b"}]}', "subscriptions[0].pattern"),
        ('{"subscriptions":[{"pattern":"**"}]}', "subscriptions[0].pattern"),
        ('{"subscriptions":[{"pattern":"*","extent":"world"}]}', "subscriptions[0].extent"),
        ('{"subscriptions":[{"pattern":"*","extent":["own"]}]}', "subscriptions[0].extent"),
        ("[" * 3000, "not JSON"),
    ],
)
def test_a_nonsense_description_ends_the_actor_and_says_where(sandbox: Sandbox, description: str, reason: str) -> None:
    result = sandbox.make(WatActor(description=description))
    assert ended(result) is FailureKind.PROTOCOL
    assert reason in str(result.failure)
    assert result.description is None


def test_an_empty_description_is_one(sandbox: Sandbox) -> None:
    made = sandbox.make(WatActor(description="{}")).description
    assert made is not None
    assert made == Description(component=made.component)
    assert made.component


@requirement("wasm:nonsense")
@pytest.mark.parametrize(
    "result",
    [
        "(i32.const 0x7fffffff)",
        "(i32.const -4)",
        "(i32.const 3)",
        "(block (result i32) (i32.store8 (i32.const 80) (i32.const 9)) (i32.const 80))",
        "(call $fail (i32.const 0) (i32.const 0x7fffffff))",
        "(block (result i32) (i32.store8 (i32.const 128) (i32.const 0xff)) (call $fail (i32.const 128) (i32.const 1)))",
    ],
)
def test_a_nonsense_result_is_a_trap(sandbox: Sandbox, result: str) -> None:
    sandbox.make(WatActor(handle=result))
    assert ended(sandbox.deliver()) is FailureKind.TRAP
    still_works(sandbox)


@requirement("wasm:nonsense")
def test_a_call_of_code_that_is_not_there_is_told_in_words(sandbox: Sandbox) -> None:
    sandbox.make(
        WatActor(
            globals="(type $nothing (func)) (table 1 funcref)",
            handle=f"(call_indirect (type $nothing) (i32.const 0)) {OK}",
        )
    )
    failure = sandbox.deliver().failure
    assert failure is not None
    assert failure.kind is FailureKind.TRAP
    assert "the actor called code that is not there" in failure.message
    still_works(sandbox)


@requirement("wasm:nonsense")
def test_nonsense_arguments_to_the_host_are_a_trap(sandbox: Sandbox) -> None:
    for call in (
        "(call $log (i32.const 77) (i32.const 0) (i32.const 0))",
        "(call $log (i32.const 1) (i32.const -8) (i32.const 100))",
        "(call $llm (i32.const 0) (i32.const 0x7ffffff0) (i32.const 32))",
    ):
        sandbox.make(WatActor(handle=call + OK))
        assert ended(sandbox.deliver()) is FailureKind.TRAP
    still_works(sandbox)


@requirement("wasm:nonsense")
def test_numbers_at_their_ends_do_no_harm(sandbox: Sandbox) -> None:
    actor = WatActor()
    actor.handle = f"""(drop (call $timer (i64.const -1))) (call $cancel (i64.const -1))
      (call $random (i32.const -1) (i32.const 32))
      (if (i32.ne (i32.load (i32.const 36)) (i32.const 131072)) (then (unreachable))) {OK}"""
    sandbox.make(actor)
    result = sandbox.deliver()
    assert result.failure is None
    assert [item.payload for item in result.outputs if isinstance(item, Request)] == ['{"millis":86400000}']


WALL = Import(
    "wasi:clocks/wall-clock@0.2.3",
    """(type $d (record (field "seconds" u64) (field "nanoseconds" u32))) (export "datetime" (type $datetime (eq $d)))
       (export "now" (func (result $datetime)))""",
    {"wall": ("now", "(param i32)")},
)
MONOTONIC = Import(
    "wasi:clocks/monotonic-clock@0.2.0",
    '(export "now" (func (result u64)))',
    {"monotonic": ("now", "(result i64)")},
)
ENVIRONMENT = Import(
    "wasi:cli/environment@0.2.6",
    '(export "get-environment" (func (result (list (tuple string string)))))',
    {"environment": ("get-environment", "(param i32)")},
)
RANDOM = Import(
    "wasi:random/random@0.2.3",
    '(export "get-random-bytes" (func (param "len" u64) (result (list u8)))) (export "get-random-u64" (func (result u64)))',
    {"bytes": ("get-random-bytes", "(param i64 i32)"), "u64": ("get-random-u64", "(result i64)")},
)


@requirement("wasm:nothing-of-the-host")
def test_the_environment_is_empty_and_the_clocks_are_the_steps(sandbox: Sandbox) -> None:
    handle = f"""
      (call $environment (i32.const 32)) (if (i32.load (i32.const 36)) (then (unreachable)))
      (call $wall (i32.const 32))
      (if (i64.ne (i64.load (i32.const 32)) (i64.const {NOW // 10**9})) (then (unreachable)))
      (if (i32.ne (i32.load (i32.const 40)) (i32.const {NOW % 10**9})) (then (unreachable)))
      (if (i64.ge_u (call $monotonic) (call $monotonic)) (then (unreachable)))
      (if (i64.gt_u (call $monotonic) (i64.const {NOW + 1_000_000})) (then (unreachable))) {OK}"""
    sandbox.make(WatActor(handle=handle, imports=[WALL, MONOTONIC, ENVIRONMENT]))
    assert sandbox.deliver().failure is None
    assert sandbox.deliver().failure is None


@requirement("wasm:nothing-of-the-host", "wasm:deterministic")
def test_random_bytes_come_from_the_seed(sandbox: Sandbox) -> None:
    actor = WatActor(imports=[RANDOM])
    actor.handle = f"""(call $bytes (i64.const 16) (i32.const 32))
      (local.set $i (i32.load (i32.const 32)))
      (i64.store (local.get $i) (i64.and (i64.load (local.get $i)) (i64.const 0x3f3f3f3f3f3f3f3f)))
      (call $log (i32.const 1) (local.get $i) (i32.const 8)) {OK}"""
    path = sandbox.file(actor)
    sandbox.make(path, "one")
    sandbox.make(path, "two")
    assert lines(sandbox.deliver("one")) == lines(sandbox.deliver("two"))
    assert lines(sandbox.deliver("one", seed=1)) != lines(sandbox.deliver("one", seed=2))


@requirement("wasm:nothing-of-the-host")
def test_every_shim_answers_in_the_form_that_its_type_asks_for(sandbox: Sandbox) -> None:
    instant = """(type $d (record (field "seconds" u64) (field "nanoseconds" u32))) (export "datetime" (type $datetime (eq $d)))
       (export "resolution" (func (result $datetime)))"""
    imports = [
        Import(
            "wasi:cli/environment@0.2.0",
            """(export "get-arguments" (func (result (list string)))) (export "initial-cwd" (func (result (option string))))""",
            {"arguments": ("get-arguments", "(param i32)"), "cwd": ("initial-cwd", "(param i32)")},
        ),
        Import("wasi:clocks/wall-clock@0.2.0", instant, {"wall_step": ("resolution", "(param i32)")}),
        Import(
            "wasi:clocks/monotonic-clock@0.2.0",
            """(export "resolution" (func (result u64)))""",
            {"monotonic_step": ("resolution", "(result i64)")},
        ),
        Import(
            "wasi:random/insecure@0.2.0",
            """(export "get-insecure-random-bytes" (func (param "len" u64) (result (list u8))))
               (export "get-insecure-random-u64" (func (result u64)))""",
            {
                "weak_bytes": ("get-insecure-random-bytes", "(param i64 i32)"),
                "weak_u64": ("get-insecure-random-u64", "(result i64)"),
            },
        ),
        Import(
            "wasi:random/insecure-seed@0.2.0",
            """(export "insecure-seed" (func (result (tuple u64 u64))))""",
            {"weak_seed": ("insecure-seed", "(param i32)")},
        ),
        RANDOM,
    ]
    handle = f"""(call $arguments (i32.const 32)) (if (i32.load (i32.const 36)) (then (unreachable)))
      (call $cwd (i32.const 32)) (if (i32.load8_u (i32.const 32)) (then (unreachable)))
      (call $wall_step (i32.const 32)) (drop (call $monotonic_step))
      (call $weak_bytes (i64.const 0) (i32.const 32)) (call $weak_bytes (i64.const 16384) (i32.const 32))
      (if (i32.ne (i32.load (i32.const 36)) (i32.const 16384)) (then (unreachable)))
      (call $weak_seed (i32.const 32)) (if (i64.eq (i64.load (i32.const 32)) (i64.load (i32.const 40))) (then (unreachable)))
      (if (i64.eq (call $weak_u64) (call $u64)) (then (unreachable))) {OK}"""
    assert sandbox.make(WatActor(handle=handle, imports=imports)).failure is None
    assert sandbox.deliver().failure is None


@requirement("wasm:nothing-of-the-host")
def test_a_greedy_wish_for_random_bytes_is_a_trap(sandbox: Sandbox) -> None:
    sandbox.make(WatActor(handle=f"(call $bytes (i64.const 0x100000000) (i32.const 32)) {OK}", imports=[RANDOM]))
    result = sandbox.deliver()
    assert ended(result) is FailureKind.TRAP
    assert "random bytes" in str(result.failure)
    still_works(sandbox)


@requirement("wasm:nothing-of-the-host")
def test_there_are_no_files_and_no_sockets(sandbox: Sandbox) -> None:
    files = Import(
        "wasi:filesystem/preopens@0.2.3",
        """(export "descriptor" (type $d (sub resource)))
           (export "get-directories" (func (result (list (tuple (own $d) string)))))""",
        {"directories": ("get-directories", "(param i32)")},
    )
    handle = f"(call $directories (i32.const 32)) (if (i32.load (i32.const 36)) (then (unreachable))) {OK}"
    made = sandbox.make(WatActor(handle=handle, imports=[files]))
    assert made.failure is None, made.failure
    assert sandbox.deliver().failure is None
    network = Import(
        "wasi:sockets/instance-network@0.2.3",
        '(export "network" (type $n (sub resource))) (export "instance-network" (func (result (own $n))))',
        {"network": ("instance-network", "(result i32)")},
    )
    sandbox.make(WatActor(handle=f"(drop (call $network)) {OK}", imports=[network]))
    result = sandbox.deliver()
    assert ended(result) is FailureKind.TRAP
    assert "wasi:sockets" in str(result.failure)


def test_a_fault_of_the_host_ends_one_actor_and_is_logged(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from vespiary.wasm.outbox import Outbox

    def broken(*_args: object) -> int:
        raise RuntimeError("secret detail")

    actor = WatActor(handle=f"(drop (call $timer (i64.const 1))) {OK}")
    sandbox.make(actor)
    monkeypatch.setattr(Outbox, "request", broken)
    result = sandbox.deliver()
    assert result.failure is not None
    assert result.failure.fatal
    monkeypatch.undo()
    still_works(sandbox)
    assert isinstance(sandbox.guests._layer, StockLayer) or "host function timer" in caplog.text or caplog.records


@requirement("wasm:interrupt")
def test_an_interrupt_while_the_component_is_compiled_cancels_the_construction(tmp_path: Path, cache: Path) -> None:
    class Meddling(ComponentStore):
        def load(self, reference: str) -> LoadedComponent:
            guests.interrupt(ActorId("abCD12/actor"))
            return super().load(reference)

    guests = WasmGuests(Meddling(lambda _: None, folder=cache))
    sandbox = Sandbox(guests, tmp_path)
    assert ended(sandbox.make(WatActor())) is FailureKind.CANCELLED
    assert len(guests) == 0


@requirement("wasm:memory")
def test_the_heap_of_collected_objects_is_bounded_too(sandbox: Sandbox) -> None:
    actor = WatActor(
        globals="""(type $bytes (array (mut i8))) (type $node (struct (field (ref null $node)) (field (ref $bytes))))
          (global $head (mut (ref null $node)) (ref.null $node))"""
    )
    actor.handle = """(loop $more
        (global.set $head (struct.new $node (global.get $head) (array.new_default $bytes (i32.const 1000000))))
        (br $more)) (unreachable)"""
    sandbox.make(actor, limits=Limits(memory_bytes=16 * 2**20))
    assert ended(sandbox.deliver()) is FailureKind.MEMORY
    still_works(sandbox)


@requirement("wasm:deadline")
@pytest.mark.parametrize("builtin", ["waitable-set.new", "thread.yield"])
def test_what_could_wait_inside_a_guest_is_not_accepted(sandbox: Sandbox, builtin: str) -> None:
    text = WatActor().wat().removesuffix(")").rstrip() + f"\n  (core func (canon {builtin})))"
    result = sandbox.make(text.encode())
    assert ended(result) is FailureKind.CONSTRUCT
    assert "async" in str(result.failure) or "threading" in str(result.failure)
