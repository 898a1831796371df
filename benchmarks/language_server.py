"""The language server against a bare pygls server, in one run, interleaved: start, requests, typing, edits, memory.

    python benchmarks/language_server.py [--rounds 9]

Three servers: `bare` (pygls alone), `core` (the same handlers on Vespiary's core) and `vespiary serve` itself. All are warm: each
was started once before. The client is one thread of raw bytes, the same for all, and writes blockingly. Each figure is the median
over the rounds; figures are of the machine that it runs on, so only the ratios are worth comparing.
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).parent
SERVERS = {
    "bare": [str(HERE / "bare_server.py")],
    "core": [str(HERE / "core_server.py")],
    "vespiary": ["-m", "vespiary", "serve"],
}
AIMS = {"start to initialize, ms": 0.7, "request p50, us": 0.5, "one character in 1 MB, us": 0.01}
CAPABILITIES: dict[str, Any] = {
    "workspace": {
        "applyEdit": True,
        "workspaceEdit": {"documentChanges": True, "resourceOperations": ["create", "rename", "delete"]},
        "didChangeConfiguration": {"dynamicRegistration": True},
        "symbol": {"symbolKind": {"valueSet": list(range(1, 27))}},
        "executeCommand": {"dynamicRegistration": True},
        "workspaceFolders": True,
    },
    "textDocument": {
        "synchronization": {"willSave": True, "didSave": True},
        "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown", "plaintext"]}},
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["", "quickfix", "refactor"]}}},
        "publishDiagnostics": {"relatedInformation": True, "tagSupport": {"valueSet": [1, 2]}},
    },
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "general": {"positionEncodings": ["utf-16"]},
}


class Hang(Exception):
    """Nothing came, or nothing could be sent, for ten seconds."""


class Client:
    """A server process and the blocking client of it."""

    def __init__(self, name: str, folder: str) -> None:
        self.began = time.perf_counter()
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [sys.executable, *SERVERS[name]],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=env,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._in: IO[bytes] = self.process.stdin
        self._out: IO[bytes] = self.process.stdout
        self._buffer = b""
        self._id = 0
        self.folder = folder

    def write(self, data: bytes) -> None:
        """Write all of it, blockingly; `Hang` when nothing moves for ten seconds."""
        while data:
            if not select.select([], [self._in], [], 10)[1]:
                raise Hang
            sent = os.write(self._in.fileno(), data[:4096])
            data = data[sent:]

    def read(self) -> dict[str, Any]:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._more()
        length = int(self._buffer[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(self._buffer) < end + 4 + length:
            self._more()
        body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
        return json.loads(body)

    def _more(self) -> None:
        if not select.select([self._out], [], [], 10)[0]:
            raise Hang
        data = os.read(self._out.fileno(), 1 << 16)
        if not data:
            raise SystemExit(f"the server ended with {self.process.wait()}")
        self._buffer += data

    def call(self, method: str, params: Any) -> Any:
        self._id += 1
        self.write(framed({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}))
        while True:
            message = self.read()
            if "method" in message:
                if "id" in message:
                    self.write(framed({"jsonrpc": "2.0", "id": message["id"], "result": {"applied": True}}))
            elif message["id"] == self._id:
                if "error" in message:
                    raise SystemExit(f"{method}: {message['error']}")
                return message["result"]

    def notify(self, method: str, params: Any) -> None:
        self.write(framed({"jsonrpc": "2.0", "method": method, "params": params}))

    def initialize(self, **options: Any) -> float:
        """Milliseconds from the start of the process to the answer."""
        root = Path(self.folder).as_uri()
        params = {"processId": os.getpid(), "rootUri": root, "capabilities": CAPABILITIES}
        self.call("initialize", {**params, "initializationOptions": options} if options else params)
        taken = (time.perf_counter() - self.began) * 1000
        self.notify("initialized", {})
        return taken

    def stop(self, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        else:
            self.call("shutdown", None)
            self.notify("exit", None)
        self._in.close()
        self._out.close()
        self.process.wait(30)


def framed(message: Any) -> bytes:
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


def method_of(name: str) -> str:
    return "vespiary/run/list" if name == "vespiary" else "bench/echo"


def requests(client: Client, name: str) -> float:
    """The median round trip of an async custom method, in microseconds."""
    method = method_of(name)
    times: list[float] = []
    for _ in range(100):
        client.call(method, {})
    for _ in range(500):
        begin = time.perf_counter()
        client.call(method, {})
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def typing(client: Client, name: str) -> float:
    """Microseconds for one typed character in a document of 1 MB: many in a row, up to the answer of a request behind them."""
    text = "a line of text that is forty characters\n" * 26_000
    uri = (Path(client.folder) / "big.txt").as_uri()
    client.notify("textDocument/didOpen", {"textDocument": {"uri": uri, "languageId": "x", "version": 1, "text": text}})
    client.call(method_of(name), {})
    count = 100 if name == "bare" else 2000
    changes: list[bytes] = []
    for number in range(count):
        place = {"line": 13_000, "character": number}
        change = {"range": {"start": place, "end": place}, "text": "x"}
        params = {"textDocument": {"uri": uri, "version": number + 2}, "contentChanges": [change]}
        changes.append(framed({"jsonrpc": "2.0", "method": "textDocument/didChange", "params": params}))
    begin = time.perf_counter()
    client.write(b"".join(changes))
    client.call(method_of(name), {})
    return (time.perf_counter() - begin) / count * 1e6


def edits(client: Client, name: str) -> float:
    """Applied edits per second with 1000 in flight to a client that writes blockingly; 0 for a hang."""
    if name == "vespiary":
        return float("nan")  # Needs a handler that no product has; it is the same core.
    begin = time.perf_counter()
    if client.call("bench/edits", {}) != 1000:
        raise SystemExit("not all edits were applied")
    return 1000 / (time.perf_counter() - begin)


def memory(client: Client) -> float:
    """Proportional set size of the idle server in MB (Linux only)."""
    try:
        lines = Path(f"/proc/{client.process.pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def round_of(name: str, folder: str, figures: dict[str, dict[str, list[float]]]) -> None:
    """Every measurement of one server, once."""

    def note(what: str, value: float) -> None:
        figures.setdefault(what, {}).setdefault(name, []).append(value)

    client = Client(name, folder)
    note("start to initialize, ms", client.initialize())
    time.sleep(2)  # What is loaded after `initialize` is not to be measured with the rest.
    note("idle Pss, MB", memory(client))
    measured: list[tuple[str, Callable[[Client, str], float]]] = [
        ("request p50, us", requests),
        ("one character in 1 MB, us", typing),
        ("applyEdits/s, 1000 in flight", edits),
    ]
    try:
        for what, measure in measured:
            note(what, measure(client, name))
    except Hang:
        note("applyEdits/s, 1000 in flight", 0.0)
        client.stop(kill=True)
    else:
        client.stop()


def table(figures: dict[str, dict[str, list[float]]]) -> str:
    """The medians, their ratios to the bare server and whether the aims were met."""
    lines = [f"{'':32}{'bare':>10}{'core':>10}{'ratio':>9}{'vespiary':>10}{'ratio':>9}  aim"]
    for what, by_name in figures.items():
        bare = statistics.median(by_name["bare"])
        line = f"{what:32}{_figure(bare)}"
        worst = 0.0
        for name in ("core", "vespiary"):
            value = statistics.median(by_name.get(name, [float("nan")]))
            ratio = value / bare if bare else float("nan")
            worst = max(worst, ratio)
            line += f"{_figure(value)}{'-' if ratio != ratio else f'{ratio:.4f}':>9}"
        if what in AIMS:
            line += f"  <= {AIMS[what]}: {'met' if worst <= AIMS[what] else 'MISSED'}"
        elif "applyEdits" in what:
            hung = sum(value == 0 for value in by_name["bare"]), sum(value == 0 for value in by_name.get("core", []))
            line += f"  no hang: {'met' if not hung[1] else 'MISSED'} (hangs: bare {hung[0]}, core {hung[1]})"
        lines.append(line)
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{'-' if value != value else f'{value:,.1f}':>10}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--servers", nargs="+", default=list(SERVERS), choices=list(SERVERS))
    arguments = parser.parse_args()
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.servers:  # warm
            client = Client(name, folder)
            client.initialize()
            time.sleep(2)
            client.stop()
        for number in range(arguments.rounds):
            for name in arguments.servers:
                round_of(name, folder, figures)
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    print(
        f"Python {sys.version.split()[0]}, {sys.platform}, {os.cpu_count()} CPUs, median of {arguments.rounds} rounds"
    )
    print(table(figures))


if __name__ == "__main__":
    main()
