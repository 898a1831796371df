"""What may be an actor, and how the rest is told what it lacks."""

import re
from pathlib import Path

import pytest
from ledger import requirement
from support.sandbox import Sandbox
from support.wat import OK, Import, WatActor
from vespiary.model.steps import FailureKind, StepResult
from vespiary.wasm import abi
from vespiary.wasm.imports import IMPLEMENTATIONS

WIT = Path(__file__).parents[2] / "wit"
EMPTY_MODULE = b"\0asm\x01\0\0\0"


def rejected(result: StepResult) -> str:
    assert result.failure is not None
    assert result.failure.kind is FailureKind.CONSTRUCT
    return result.failure.message


@requirement("wasm:world-check")
def test_what_is_missing_is_named_all_at_once(sandbox: Sandbox) -> None:
    said = rejected(sandbox.make(WatActor(leave_out=frozenset({"snapshot", "describe"}))))
    assert "[method]actor.snapshot" in said
    assert "[method]actor.describe" in said
    assert "handle" not in said


@requirement("wasm:world-check")
def test_what_must_not_be_asked_for_is_named(sandbox: Sandbox) -> None:
    imports = [
        Import("evil:host/files@1.0.0", '(export "read" (func (param "path" string) (result string)))'),
        Import("vespiary:actor/secrets@0.1.0", '(export "all" (func (result string)))'),
        Import("vespiary:actor/llm@0.2.0", '(export "start" (func (param "request" string)))'),
        Import("wasi:http/types@0.3.0", '(export "x" (func))'),
    ]
    said = rejected(sandbox.make(WatActor(imports=imports)))
    for forbidden in ("evil:host/files", "vespiary:actor/secrets", "vespiary:actor/llm@0.2.0", "wasi:http/types@0.3.0"):
        assert forbidden in said
    assert "wit/world.wit" in said


@requirement("wasm:world-check")
def test_a_method_with_another_type_is_named_with_both(sandbox: Sandbox) -> None:
    wrong = '(param "self" (borrow RESOURCE)) (param "message" string) (result (result (error string)))'
    actor = WatActor(handle_type=wrong)
    text = actor.wat().replace(
        '(func (export "handle") (param $self i32) (param $id i32) (param $id_len i32) (param $type i32) (param $type_len i32)\n'
        "      (param $sender i32) (param $sender_len i32) (param $scope i32) (param $scope_len i32)\n"
        "      (param $payload i32) (param $payload_len i32) (result i32)",
        '(func (export "handle") (param $self i32) (param $payload i32) (param $payload_len i32) (result i32)',
    )
    said = rejected(sandbox.make(text.encode()))
    assert "[method]actor.handle as func(borrow<resource>, string, string, string, string, string)" in said
    assert "it has func(borrow<resource>, string)" in said


@requirement("wasm:world-check")
@pytest.mark.parametrize(
    ("wit", "replacement"),
    [
        ('(export "now" (func  (result u64)))', '(export "now" (func  (result s64)))'),
        (
            '(export "cancel" (func (param "p0" u64)))',
            '(export "cancel" (func (param "p0" u64))) (export "purge" (func))',
        ),
        ('(enum "debug" "info" "warn" "error")', '(enum "debug" "info" "warn" "error" "fatal")'),
    ],
)
def test_an_import_of_ours_with_another_type_is_refused_before_it_could_be_called(
    sandbox: Sandbox, wit: str, replacement: str
) -> None:
    text = WatActor(handle=OK).wat()
    assert wit in text
    text = text.replace(wit, replacement).replace("(func $now (result i64))", "(func $now (result i64))")
    assert "it asks for" in rejected(sandbox.make(text.encode()))


@requirement("wasm:world-check")
def test_a_wasi_function_of_another_type_is_refused(sandbox: Sandbox) -> None:
    imports = [Import("wasi:random/random@0.2.3", '(export "get-random-u64" (func (result string)))')]
    assert "get-random-u64 as func() -> string" in rejected(sandbox.make(WatActor(imports=imports)))


@requirement("wasm:world-check")
def test_a_component_without_the_actor_interface_is_told_which(sandbox: Sandbox) -> None:
    assert abi.EXPORT in rejected(sandbox.make(b"(component)"))


@requirement("wasm:world-check")
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.wasm", EMPTY_MODULE, "core WebAssembly module"),
        ("a.wasm", b"\0asm\x63\0\0\0", "unknown version"),
        ("a.wasm", b"\0asm\x0d\0\x01\0garbage", "not a valid WebAssembly component"),
        ("a.wasm", b"\x7fELF" + bytes(100), "not a WebAssembly component"),
        ("a.wasm", b"", "not a WebAssembly component"),
        ("a.wasm", b"hello", "not a WebAssembly component"),
        ("a.wat", b"(component (oops))", "not a valid WebAssembly component"),
        ("a.wat", b"(module)", "not a valid WebAssembly component"),
        ("a.wat", b"\xff\xfe(component)", "not a valid WebAssembly component"),
    ],
)
def test_files_that_are_no_components_are_said_to_be_so(
    sandbox: Sandbox, name: str, content: bytes, reason: str
) -> None:
    path = sandbox.folder / name
    path.write_bytes(content)
    assert reason in rejected(sandbox.make(str(path)))


def test_a_missing_component_is_named(sandbox: Sandbox) -> None:
    said = rejected(sandbox.make(str(sandbox.folder / "nowhere.wasm")))
    assert "nowhere.wasm" in said
    assert "cannot be read" in said


def test_a_component_that_changed_on_disk_is_read_again(sandbox: Sandbox) -> None:
    path = Path(sandbox.file(WatActor(description="{}")))
    assert sandbox.make(str(path)).failure is None
    path.write_bytes(b"(component)")
    assert abi.EXPORT in rejected(sandbox.make(str(path)))


def _type(text: str) -> str:
    return {"level": abi.LEVEL}.get(text.strip(), text.replace(" ", ""))


def _wit_functions(file: str) -> dict[str, abi.Signature]:
    text = re.sub(r"//.*", "", (WIT / f"{file}.wit").read_text(encoding="utf-8"))
    found: dict[str, abi.Signature] = {}
    for name, params, result in re.findall(r"([a-z-]+): func\(([^)]*)\)(?: -> ([^;]+))?;", text):
        types = tuple(_type(param.partition(":")[2]) for param in params.split(",") if param.strip())
        found[name] = abi.Signature(types, _type(result) if result else None)
    return found


@requirement("wasm:world-table")
def test_the_table_of_host_functions_is_that_of_the_wit_files() -> None:
    world = (WIT / "world.wit").read_text(encoding="utf-8")
    imported = re.findall(r"import ([a-z-]+);", world)
    assert {name: _wit_functions(name) for name in imported} == abi.IMPORTS
    assert _wit_functions("actor") == abi.METHODS
    assert f"package {abi.PACKAGE}@{abi.VERSION};" in world


@requirement("wasm:world-table")
def test_every_host_function_of_the_world_is_implemented() -> None:
    assert {key: set(functions) for key, functions in IMPLEMENTATIONS.items()} == {
        key: set(functions) for key, functions in abi.IMPORTS.items()
    }
