"""The invariants of ARCHITECTURE.md, executed."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
from ledger import requirement

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "server" / "vespiary"

MAY_IMPORT: dict[str, set[str]] = {
    "model": set(),
    "changes": {"model"},
    "wasm": {"model"},
    "worker": {"model", "wasm"},
    "runtime": {"model"},
    "journal": {"model"},
    "providers": {"model"},
    "capabilities": {"model", "changes", "providers", "runtime"},
    "config": {"model", "providers"},
    "app": {"model", "changes", "wasm", "runtime", "journal", "providers", "capabilities", "config"},
    "protocol": {"model"},
    "protocol_doc": {"model", "protocol"},
    "client": {"model", "protocol"},
    "fronts": {"model", "changes", "capabilities", "config", "app", "protocol"},
    "__main__": {"model", "fronts"},
}
"""What each layer imports besides the package itself (its version) and its own modules."""

ONLY_IMPORTERS = {
    "wasmtime": "wasm",
    "pygls": "fronts/lsp",
    "lsprotocol": "fronts/lsp",
    "httpx2": ("providers", "capabilities"),
    "genai_prices": "app",
    "typer": "fronts/cli",
    "rich": "fronts/cli",
    "sqlite3": "journal",
}

START_MUST_NOT_IMPORT = (
    "wasmtime",
    "pydantic",
    "httpx2",
    "genai_prices",
    "typer",
    "rich",
    "vespiary.runtime.colony",
    "vespiary.config",
    "vespiary.journal",
    "vespiary.model.steps",
    "vespiary.providers",
)
"""What the language server loads only after it answered `initialize`."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_a_layer_imports_only_what_the_architecture_allows() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in modules()
        for name in imports(path)
        if name.startswith("vespiary.")
        and (target := name.split(".")[1]) != layer(path)
        and target != "__version__"
        and target not in MAY_IMPORT.get(layer(path), set())
    ]
    assert wrong == []


def test_fronts_know_nothing_of_one_another() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in (PACKAGE / "fronts").rglob("*.py")
        for name in imports(path)
        if name.startswith("vespiary.fronts.")
        and name.split(".")[2] != path.relative_to(PACKAGE / "fronts").parts[0]
        # The command line starts the language server, and knows no more of it than that.
        and name != "vespiary.fronts.lsp.main.serve"
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONLY_IMPORTERS)
def test_a_library_has_one_importing_layer(library: str) -> None:
    allowed = ONLY_IMPORTERS[library]
    wrong = [
        str(path.relative_to(PACKAGE))
        for path in modules()
        if any(name.split(".")[0] == library for name in imports(path))
        and not path.relative_to(PACKAGE).as_posix().startswith(allowed)
    ]
    assert wrong == []


def test_the_language_server_starts_without_the_heavy_parts() -> None:
    parts = ", ".join(f"vespiary.fronts.lsp.{name}" for name in ("main", "core", "features", "session"))
    code = f"import sys, {parts}; print([m for m in {START_MUST_NOT_IMPORT!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@requirement("worker:no-wasmtime")
def test_a_process_that_uses_workers_never_imports_the_sandbox() -> None:
    code = """
import asyncio, sys
from vespiary.model.ids import ActorId
from vespiary.model.steps import ActorSpec, Construct, StepInput
from vespiary.runtime.workers import WorkerShard

async def main():
    shard = WorkerShard()
    config = '{"name": "files", "config": {}, "code": {"preloaded": "files"}}'
    step = StepInput(ActorId("aaaaaa/files"), 1, 0, 0, Construct(ActorSpec("files", "python", config), None))
    (result,) = await shard.run([step])
    await shard.close()
    print(len(result.description.tools) > 3, [m for m in sys.modules if m.startswith(("wasmtime", "vespiary.w"))])

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.stdout.strip() == "True []", done.stderr


def test_every_module_says_what_it_is_for() -> None:
    everywhere = [*modules(), *(ROOT / "actors").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert [
        str(p.relative_to(ROOT)) for p in everywhere if not ast.get_docstring(ast.parse(p.read_text("utf-8")))
    ] == []


def test_files_stay_small() -> None:
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for folder in ("server", "actors", "tests", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert [f"{path.relative_to(ROOT)}: {size}" for path, size in sizes.items() if size > 500] == []
    assert statistics.median(sizes.values()) <= 200
