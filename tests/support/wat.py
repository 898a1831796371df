"""Small actors written as WebAssembly text: a component of our world whose behaviour is a few instructions.

`WatActor` puts the pieces together. Bodies are instructions of the core module; they can call `$send`, `$send_to`, `$log`, `$llm`,
`$timer`, `$cancel`, `$now`, and the functions that `imports` adds, and must leave the address of a result: `OK` or `$fail`.
"""

from dataclasses import dataclass, field

from vespiary.wasm import abi

OK = "(i32.const 64)"
"""The address of a `result<_, string>` or `option<string>` that holds nothing."""

RETURN_AREA = "(i32.const 32)"
LOOP = "(loop $forever (br $forever)) (unreachable)"
DESCRIPTION = '{"tools":[],"subscriptions":[{"pattern":"*"}]}'

_RESULT = {
    abi.RESULT_NOTHING: "(result (error string))",
    abi.RESULT_STRING: "(result string (error string))",
    abi.RESULT_U64: "(result u64 (error string))",
    abi.OPTION_STRING: "(option string)",
}
_CORE = {"string": "i32 i32", "u64": "i64", "u32": "i32", "bool": "i32", abi.LEVEL: "i32"}


@dataclass
class Import:
    """A WASI (or forbidden) interface: `types` is its instance type, `lowered` maps core names to (function, core type)."""

    name: str
    types: str
    lowered: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])


@dataclass
class WatActor:
    """The parts that a test may want different."""

    handle: str = OK
    reply: str = OK
    construct: str = ""
    snapshot: str = OK
    restore: str = OK
    description: str = DESCRIPTION
    describe_fails: bool = False
    memory_pages: int = 2
    globals: str = ""
    imports: list[Import] = field(default_factory=list[Import])
    leave_out: frozenset[str] = frozenset()
    handle_type: str | None = None
    _data: bytearray = field(default_factory=bytearray)

    def text(self, value: str) -> str:
        """Two instructions that push the address and length of a text."""
        raw = value.encode()
        at = 1024 + len(self._data)
        self._data += raw
        return f"(i32.const {at}) (i32.const {len(raw)})"

    def fail(self, value: str) -> str:
        """The address of an `err` or of a `some` that holds this text."""
        return f"(call $fail {self.text(value)})"

    def wat(self) -> str:
        """The component as text."""
        describe = f"(call ${'fail' if self.describe_fails else 'succeed'} {self.text(self.description)})"
        imports, lowers, core_imports = self._imports()
        core = f"""
  (core module $libc (memory (export "memory") {self.memory_pages})
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param $old i32) (param i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (if (i32.eqz (local.get $size)) (then (return (i32.const 8))))
      (if (i32.gt_u (i32.add (global.get $next) (local.get $size)) (i32.mul (memory.size) (i32.const 65536)))
        (then (if (i32.eq (i32.const -1)
            (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $size) (i32.const 65536)))))
          (then (unreachable)))))
      (local.set $at (global.get $next))
      (global.set $next (i32.and (i32.const -8) (i32.add (i32.const 7) (i32.add (local.get $at) (local.get $size)))))
      (local.get $at))
    (func (export "reset") (global.set $next (i32.const 65536))))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  {lowers}
  (core func $new (canon resource.new $actor'))
  (core module $main
    (import "libc" "memory" (memory {self.memory_pages}))
    (import "libc" "reset" (func $reset))
    (import "host" "new" (func $new (param i32) (result i32)))
    {core_imports}
    (global $steps (mut i32) (i32.const 0))
    {self.globals}
    (data (i32.const 1024) "{_escape(bytes(self._data))}")
    (func $fail (param $at i32) (param $len i32) (result i32)
      (i32.store8 (i32.const 80) (i32.const 1))
      (i32.store (i32.const 84) (local.get $at)) (i32.store (i32.const 88) (local.get $len))
      (i32.const 80))
    (func $succeed (param $at i32) (param $len i32) (result i32)
      (i32.store8 (i32.const 80) (i32.const 0))
      (i32.store (i32.const 84) (local.get $at)) (i32.store (i32.const 88) (local.get $len))
      (i32.const 80))
    (func $count (global.set $steps (i32.add (global.get $steps) (i32.const 1))))
    (func (export "construct") (param $scope i32) (param $scope_len i32) (param $config i32) (param $config_len i32)
      (result i32) {self.construct} (call $new (i32.const 1)))
    (func (export "describe") (param $self i32) (result i32) {describe})
    (func (export "handle") (param $self i32) (param $id i32) (param $id_len i32) (param $type i32) (param $type_len i32)
      (param $sender i32) (param $sender_len i32) (param $scope i32) (param $scope_len i32)
      (param $payload i32) (param $payload_len i32) (result i32) (local $i i32) (local $id64 i64)
      (call $count) {self.handle})
    (func (export "reply") (param $self i32) (param $id i64) (param $ok i32) (param $payload i32) (param $payload_len i32)
      (result i32) (call $count) {self.reply})
    (func (export "snapshot") (param $self i32) (result i32) {self.snapshot})
    (func (export "restore") (param $self i32) (param $state i32) (param $state_len i32) (result i32) {self.restore})
    (func (export "post") (param i32) (call $reset)))
  (core instance $main (instantiate $main (with "libc" (instance $libc)) (with "host" (instance $host))))"""
        host = self._host_instance()
        marker = "  (core module $main"
        core = core.replace(marker, host + "\n" + marker, 1)
        return f"(component\n{imports}\n  (type $actor' (resource (rep i32)))\n{core}\n{self._lifts()}\n)"

    def bytes(self) -> bytes:
        """The component as text bytes."""
        return self.wat().encode()

    def _imports(self) -> tuple[str, str, str]:
        imports: list[str] = []
        lowers: list[str] = []
        core: list[str] = []
        for interface, functions in abi.IMPORTS.items():
            body: list[str] = []
            for name, signature in functions.items():
                params = list(signature.params)
                level = ""
                if abi.LEVEL in params:
                    body.append('(type $l (enum "debug" "info" "warn" "error")) (export "level" (type $level (eq $l)))')
                    level = "$level"
                types = " ".join(f'(param "p{at}" {level if ty == abi.LEVEL else ty})' for at, ty in enumerate(params))
                result = signature.result
                body.append(f'(export "{name}" (func {types}{_arrow(result)}))')
                ident = _ident(interface, name)
                options = "" if not _needs_memory(signature) else " (memory $memory) (realloc (core func $realloc))"
                lowers.append(f'(core func ${ident}-low (canon lower (func $i-{interface} "{name}"){options}))')
                core.append(f'(import "host" "{ident}" (func ${ident} {_core_type(signature)}))')
            imports.append(f'  (import "{abi.interface_name(interface)}" (instance $i-{interface} {" ".join(body)}))')
        for at, extra in enumerate(self.imports):
            imports.append(f'  (import "{extra.name}" (instance $x{at} {extra.types}))')
            for ident, (function, core_type) in extra.lowered.items():
                lowers.append(
                    f'(core func ${ident}-low (canon lower (func $x{at} "{function}") '
                    "(memory $memory) (realloc (core func $realloc))))"
                )
                core.append(f'(import "host" "{ident}" (func ${ident} {core_type}))')
        return "\n".join(imports), "\n  ".join(lowers), "\n    ".join(core)

    def _host_instance(self) -> str:
        idents = [_ident(interface, name) for interface, functions in abi.IMPORTS.items() for name in functions]
        idents += [ident for extra in self.imports for ident in extra.lowered]
        exports = " ".join(f'(export "{ident}" (func ${ident}-low))' for ident in idents)
        return f'  (core instance $host (export "new" (func $new)) {exports})'

    def _lifts(self) -> str:
        lifted: list[str] = []
        imports: list[str] = []
        exports: list[str] = []
        arguments: list[str] = []
        functions = {"construct": (abi.constructor_name(), abi.CONSTRUCTOR)} | {
            method: (abi.method_name(method), signature) for method, signature in abi.METHODS.items()
        }
        for core, (name, signature) in functions.items():
            if core in self.leave_out:
                continue

            def ty(resource: str, core: str = core, signature: abi.Signature = signature) -> str:
                if core == "handle" and self.handle_type is not None:
                    return self.handle_type.replace("RESOURCE", resource)
                own = "" if core == "construct" else f'(param "self" (borrow {resource})) '
                params = " ".join(f'(param "p{at}" {item})' for at, item in enumerate(signature.params))
                result = f" (result (own {resource}))" if core == "construct" else _arrow(signature.result)
                return own + params + result

            post = "" if core == "construct" else ' (post-return (core func $main "post"))'
            lifted.append(
                f'  (func $f-{core} {ty(chr(36) + "actor" + chr(39))} (canon lift (core func $main "{core}") '
                f"(memory $memory) (realloc (core func $realloc)){post}))"
            )
            imports.append(f'(import "i-{core}" (func $s-{core} {ty("$t")}))')
            exports.append(f'(export "{name}" (func $s-{core}) (func {ty("$te")}))')
            arguments.append(f'(with "i-{core}" (func $f-{core}))')
        return (
            "\n".join(lifted)
            + '\n  (component $Shim (import "t" (type $t (sub resource)))\n    '
            + "\n    ".join(imports)
            + '\n    (export $te "actor" (type $t))\n    '
            + "\n    ".join(exports)
            + ')\n  (instance $out (instantiate $Shim (with "t" (type $actor\')) '
            + " ".join(arguments)
            + f'))\n  (export "{abi.EXPORT}" (instance $out))'
        )


def _ident(interface: str, name: str) -> str:
    if interface in ("messaging", "logger", "context", "requests"):
        return name.replace("-", "_")
    return interface if name == "start" else name


def _arrow(result: str | None) -> str:
    return "" if result is None else f" (result {_RESULT.get(result, result)})"


def _needs_memory(signature: abi.Signature) -> bool:
    return "string" in " ".join((*signature.params, signature.result or ""))


def _core_type(signature: abi.Signature) -> str:
    params = [_CORE[ty] for ty in signature.params]
    result = signature.result
    if result in (abi.STRING, *_RESULT):
        params.append("i32")
        result = None
    text = f"(param {' '.join(params)})" if params else ""
    return text + ("" if result is None else f" (result {_CORE[result]})")


def _escape(raw: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in raw)
