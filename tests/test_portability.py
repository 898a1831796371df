"""Linux, macOS and Windows: what can be shown of the other two on any one of them."""

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.portability import LIKE_WINDOWS, MAIMED
from support.projects import project, reply
from vespiary.client import Client
from vespiary.model.runs import Outcome

ROOT = Path(__file__).parent.parent
FOLDERS = ("server", "actors", "tests", "benchmarks")

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


def files() -> Iterator[Path]:
    for folder in (*FOLDERS, "docs", "wit"):
        for path in (ROOT / folder).rglob("*"):
            if "__pycache__" not in path.parts and "node_modules" not in path.parts:
                yield path


def module_names() -> list[str]:
    server = ROOT / "server"
    names = (path.relative_to(server).with_suffix("").parts for path in (server / "vespiary").rglob("*.py"))
    return sorted(
        ".".join(parts).removesuffix(".__init__") for parts in names if parts[-1] != "__main__" and "demo" not in parts
    )


def test_every_module_can_be_imported_where_there_is_nothing_of_posix() -> None:
    code = f"{MAIMED}\nimport importlib, json\nfor name in json.loads(sys.argv[1]): importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", "-W", "error", "-c", code, json.dumps(module_names())],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr


def like_windows(*arguments: str) -> list[str]:
    code = f"{LIKE_WINDOWS}\nsys.argv[1:] = {list(arguments)!r}\nfrom vespiary.__main__ import main\nmain()"
    return [sys.executable, "-c", code]


def make(root: Path) -> Path:
    made = ("create_file", {"path": "b.txt", "content": "hi\n"})
    changed = ("edit_file", {"path": "a.txt", "edits": [{"old_string": "one", "new_string": "two"}]})
    read = ("read_file", {"path": "a.txt"})
    return project(
        root, {"a.txt": "one\n"}, reply("", read, turn=1), reply("", made, changed, turn=2), reply("Done.", turn=3)
    )


@pytest.mark.anyio
async def test_the_language_server_needs_nothing_of_posix(tmp_path: Path) -> None:
    root = make(tmp_path)
    async with Client.launch(root, command=like_windows("serve")) as client:
        info = await client.run("Go.")
    assert (info.outcome, info.problem) == (Outcome.DONE, None)
    assert ((root / "a.txt").read_bytes(), (root / "b.txt").read_bytes()) == (b"two\n", b"hi\n")


def test_a_run_from_the_command_line_needs_nothing_of_posix(tmp_path: Path) -> None:
    root = make(tmp_path)
    done = subprocess.run(
        like_windows("run", "--json", "Go."), cwd=root, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert ((root / "a.txt").read_bytes(), (root / "b.txt").read_bytes()) == (b"two\n", b"hi\n")


def test_every_text_file_is_opened_with_an_encoding_that_is_said() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "hostile.py"  # it never gets as far
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and _silent_about_its_encoding(call)
    ] == []


def _silent_about_its_encoding(call: ast.Call) -> bool:
    said = {keyword.arg for keyword in call.keywords}  # `None`: with `**options`
    if "encoding" in said or None in said:
        return False
    if isinstance(call.func, ast.Attribute):
        position = {"read_text": 0, "write_text": 1}.get(call.func.attr)
        return position is not None and len(call.args) <= position
    if not (isinstance(call.func, ast.Name) and call.func.id == "open"):
        return False
    return not any(isinstance(value, ast.Constant) and "b" in str(value.value) for value in call.args[1:2])


def test_no_two_files_differ_only_in_the_case_of_letters() -> None:
    seen = Counter(str(path.relative_to(ROOT)).casefold() for path in files())
    assert [path for path, count in seen.items() if count > 1] == []


def test_every_file_has_a_name_that_windows_allows() -> None:
    assert [
        str(path.relative_to(ROOT))
        for path in files()
        if path.name.split(".")[0].casefold() in _DEVICES
        or path.name.endswith((".", " "))
        or any(char in '<>:"|?*\\' or ord(char) < 32 for char in path.name)
    ] == []


@pytest.mark.parametrize("name", ["fcntl", "os.killpg", "signal.SIGKILL"])
def test_what_is_said_to_be_absent_is_absent(name: str) -> None:
    module, _, attribute = name.partition(".")
    code = f"{MAIMED}\nimport {module}\n" + (f"{module}.{attribute}" if attribute else "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 1
    assert name.rpartition(".")[2].encode() in done.stderr
