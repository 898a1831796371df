"""The cache of compiled components: private, checked, shared by processes."""

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ledger import requirement
from support.wat import WatActor
from vespiary.wasm import storage
from vespiary.wasm.cache import CompiledCache, cache_folder, compiled_key, component_hash
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.engine import shared_engine
from vespiary.wasm.storage import PrivateFolder

posix = pytest.mark.skipif(sys.platform == "win32", reason="owners and modes are POSIX")


def nothing(_sentence: str = "") -> None:
    """Progress that nobody watches."""


@pytest.fixture
def data() -> bytes:
    return WatActor().bytes()


class Compiles:
    """Counts compilations by what the cache keeps anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = CompiledCache._compile

        def counted(*args: object) -> object:
            self.count += 1
            return original(*args)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(CompiledCache, "_compile", counted)


@pytest.fixture
def compiles(monkeypatch: pytest.MonkeyPatch) -> Compiles:
    return Compiles(monkeypatch)


def load(folder: Path, data: bytes) -> None:
    """As a fresh process would."""
    ComponentStore(nothing, folder=folder).prepare("a.wat", data)


def kept(folder: Path) -> Path:
    (file,) = folder.glob("*.cwasm")
    return file


@requirement("wasm:cache-kept")
def test_a_compiled_component_is_kept_and_loaded_by_the_next(tmp_path: Path, data: bytes, compiles: Compiles) -> None:
    folder = tmp_path / "c"
    load(folder, data)
    load(folder, data)
    assert compiles.count == 1
    load(folder, data + b" ")
    assert compiles.count == 2


@posix
@requirement("wasm:cache-kept")
def test_folder_and_file_are_private(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "deep" / "c"
    load(folder, data)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept(folder).stat().st_mode) == 0o600
    assert list(folder.glob("*.tmp")) == []


@requirement("wasm:cache-damage")
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "foreign", "append"])
def test_a_damaged_file_is_rebuilt(tmp_path: Path, data: bytes, compiles: Compiles, damage: str) -> None:
    folder = tmp_path / "c"
    load(folder, data)
    file = kept(folder)
    content = bytearray(file.read_bytes())
    match damage:
        case "flip":
            content[len(content) // 2] ^= 0x10
        case "truncate":
            del content[-100:]
        case "empty":
            content.clear()
        case "append":
            content += b"!"
        case _:
            content[:] = b"something else entirely"
    file.write_bytes(content)
    load(folder, data)
    assert compiles.count == 2
    assert kept(folder).read_bytes() != content
    load(folder, data)
    assert compiles.count == 2


@requirement("wasm:cache-damage")
def test_a_file_that_wasmtime_does_not_take_is_rebuilt(tmp_path: Path, data: bytes, compiles: Compiles) -> None:
    folder = tmp_path / "c"
    PrivateFolder(folder).keep(compiled_key(component_hash(data)), ".cwasm", b"sound but no code")
    load(folder, data)
    load(folder, data)
    assert compiles.count == 1


@posix
@requirement("wasm:cache-damage")
def test_a_file_that_others_may_write_is_rebuilt(tmp_path: Path, data: bytes, compiles: Compiles) -> None:
    folder = tmp_path / "c"
    load(folder, data)
    kept(folder).chmod(0o620)
    load(folder, data)
    assert compiles.count == 2
    assert stat.S_IMODE(kept(folder).stat().st_mode) == 0o600


@posix
@requirement("wasm:cache-damage")
def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path, data: bytes, compiles: Compiles) -> None:
    folder = tmp_path / "c"
    load(folder, data)
    file = kept(folder)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    load(folder, data)
    assert compiles.count == 2
    assert not kept(folder).is_symlink()
    assert elsewhere.exists()


@posix
@requirement("wasm:cache-damage")
def test_a_folder_that_others_could_write_is_emptied_and_closed(
    tmp_path: Path, data: bytes, compiles: Compiles
) -> None:
    folder = tmp_path / "c"
    load(folder, data)
    folder.chmod(0o777)
    load(folder, data)
    assert compiles.count == 2
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
@requirement("wasm:cache-damage")
def test_a_folder_of_somebody_else_is_not_used_and_that_is_said(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch, compiles: Compiles
) -> None:
    folder = tmp_path / "c"
    load(folder, data)
    me = os.geteuid()
    monkeypatch.setattr(storage.os, "geteuid", lambda: me + 1)
    said: list[str] = []
    store = ComponentStore(said.append, folder=folder)
    assert store.prepare("a.wat", data).identity == component_hash(data)
    assert compiles.count == 2
    assert str(folder) in said[0]


@requirement("wasm:cache-damage")
def test_a_cache_that_cannot_be_written_costs_time_and_nothing_else(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "file"
    folder.write_text("in the way", encoding="utf-8", newline="")
    said: list[str] = []
    ComponentStore(said.append, folder=folder / "components").prepare("a.wat", data)
    assert any("cannot be used" in line for line in said)


def test_a_failed_write_leaves_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = PrivateFolder(tmp_path / "c")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.keep("key", ".cwasm", b"data")
    assert list(folder.path.iterdir()) == []


def test_what_was_not_used_for_long_is_cleared_away(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "c")
    old = folder.keep("old", ".cwasm", b"1")
    used = folder.keep("used", ".cwasm", b"2")
    ancient = time.time() - 100 * 86_400
    for file in (old, used):
        os.utime(file, (ancient, ancient))
    assert folder.find("used", ".cwasm") == used
    fresh = folder.keep("fresh", ".cwasm", b"3")
    assert {file.name for file in folder.path.glob("*.cwasm")} == {used.name, fresh.name}


def test_the_least_recently_used_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "MAX_BYTES", 250)
    folder = PrivateFolder(tmp_path / "c")
    for age in (3, 1, 2):
        file = folder.keep(f"age{age}", ".wasm", bytes(100))
        then = time.time() - age * 3_600
        os.utime(file, (then, then))
    folder.keep("fresh", ".cwasm", bytes(100))
    assert {file.name.partition("-")[0] for file in folder.path.iterdir()} == {"age1", "fresh"}


def test_the_cache_goes_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VESPIARY_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path / "components"
    monkeypatch.delenv("VESPIARY_CACHE_DIR")
    assert cache_folder().name == "components"


def test_the_key_depends_on_everything_that_compiled_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    import platform

    from vespiary.wasm import cache, engine

    keys = {compiled_key("a"), compiled_key("b")}
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    keys.add(compiled_key("a"))
    monkeypatch.setattr(engine, "SETTINGS", "other")
    keys.add(compiled_key("a"))
    monkeypatch.setattr(cache, "version", _next_version)
    keys.add(compiled_key("a"))
    assert len(keys) == 5


def _next_version(_name: str) -> str:
    return "51.0.0"


@requirement("wasm:cache-two-processes")
def test_a_lock_is_held_by_one_and_the_other_is_told_that_it_waits(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "c")
    held, told, order = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        with folder.locked("key", nothing):
            held.set()
            assert told.wait(30)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    assert held.wait(30)
    with folder.locked("key", told.set):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


@requirement("wasm:cache-two-processes")
def test_the_lock_of_a_process_that_died_is_free(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom vespiary.wasm.storage import PrivateFolder\n"
        "with PrivateFolder(Path(sys.argv[1])).locked('key', lambda: None):\n    print('held', flush=True)\n    os._exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout == "held\n", done.stderr
    waited: list[int] = []
    with PrivateFolder(folder).locked("key", lambda: waited.append(1)):
        pass
    assert waited == []


CHILD = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from support.sandbox import Sandbox
from vespiary.wasm.cache import CompiledCache
from vespiary.wasm.components import ComponentStore
from vespiary.wasm.guests import WasmGuests
compiled = []
original = CompiledCache._compile
def slowly(*args):
    compiled.append(1)
    if args[2] == Path(sys.argv[2]).read_bytes():
        print("compiling", flush=True)
        sys.stdin.readline()
    return original(*args)
CompiledCache._compile = slowly
def progress(line):
    if "Waiting" in line:
        print("waiting", flush=True)
shard = Sandbox(WasmGuests(ComponentStore(progress, folder=Path(sys.argv[1]))), Path(sys.argv[3]))
result = shard.make(sys.argv[2])
assert result.failure is None, result
print("compiled", len(compiled), shard.deliver().failure, flush=True)
"""


@requirement("wasm:cache-two-processes")
def test_two_processes_with_a_cold_cache_compile_once_and_both_work(tmp_path: Path, data: bytes) -> None:
    component = tmp_path / "a.wat"
    component.write_bytes(data)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "c"), str(component), str(tmp_path), *sys.path]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        firsts = [line_of(child) for child in children]
        assert sorted(firsts) == ["compiling", "waiting"]
        for child in children:
            assert child.stdin is not None
            child.stdin.write("\n")
            child.stdin.flush()
        lasts = sorted(line_of(child) for child in children)
        for child in children:
            child.communicate(timeout=60)
            assert child.returncode == 0
        assert lasts == ["compiled 0 None", "compiled 1 None"]
    finally:
        for child in children:
            child.kill()
            child.communicate()


def line_of(child: "subprocess.Popen[str]") -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_threads_of_one_process_load_a_component_once(tmp_path: Path, data: bytes, compiles: Compiles) -> None:
    path = tmp_path / "a.wat"
    path.write_bytes(data)
    store = ComponentStore(nothing, folder=tmp_path / "c", engine=shared_engine())
    loaded: list[object] = []
    threads = [threading.Thread(target=lambda: loaded.append(store.load(str(path)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 4
    assert all(item is loaded[0] for item in loaded)
    assert compiles.count == 1
