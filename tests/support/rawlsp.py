"""The language server as a process, spoken to in bytes: no library in between that could hide a fault of the server."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TESTS = Path(__file__).parent.parent
FAKE = (sys.executable, "-m", "support.fake_server")
REAL = (sys.executable, "-m", "vespiary", "serve")

Json = dict[str, Any]

SECONDS = 30

SILENT = object()
"""As an answer: none, ever."""


class RawServer:
    """A server process. `answer` decides what its requests are answered with: a result, an `Exception` or `SILENT`."""

    def __init__(
        self,
        command: tuple[str, ...] = FAKE,
        *,
        answer: Callable[[str, Any], Any] = lambda method, params: None,
        env: dict[str, str] | None = None,
    ) -> None:
        path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, **(env or {})},
        )
        self.seen: list[Json] = []
        """Every message from the server, in order."""
        self.stray = b""
        """Bytes on stdout that were no message."""
        self.log = b""
        self._answer = answer
        self._news: queue.Queue[Json | None] = queue.Queue()
        self._last = 0
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._read_log)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    # Speaking

    def send(self, message: Json) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def notify(self, method: str, params: Any = None) -> None:
        self.send({"method": method} | ({} if params is None else {"params": params}))

    def ask(self, method: str, params: Any = None) -> int:
        """Send a request without waiting; gives its id."""
        self._last += 1
        self.send({"id": self._last, "method": method} | ({} if params is None else {"params": params}))
        return self._last

    def answer_to(self, number: int) -> Json:
        """The answer to a request, whole."""
        return self.wait(lambda message: message.get("id") == number and "method" not in message)

    def request(self, method: str, params: Any = None) -> Any:
        """Ask and give the result."""
        answer = self.answer_to(self.ask(method, params))
        assert "error" not in answer, (method, answer, self.log.decode()[-4000:])
        return answer["result"]

    def error(self, method: str, params: Any = None) -> Json:
        """Ask and give the error."""
        return self.answer_to(self.ask(method, params))["error"]

    def initialize(self, root: Path | None, **more: Any) -> Json:
        folders = [{"uri": root.as_uri(), "name": root.name}] if root is not None else None
        params: Json = {
            "processId": os.getpid(),
            "rootUri": None,
            "workspaceFolders": folders,
            "capabilities": {},
            **more,
        }
        result = self.request("initialize", params)
        self.notify("initialized", {})
        return result

    def open(self, uri: str, text: str, version: int = 1) -> None:
        item = {"uri": uri, "languageId": "plaintext", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, uri: str, text: str, version: int) -> None:
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})

    def run(self, *program: list[str], **more: Any) -> str:
        """Start a run of the fake workspace; gives its id."""
        return self.request("vespiary/run/start", {"prompt": json.dumps(program), **more})["runId"]

    # Listening

    def wait(self, holds: Callable[[Json], bool]) -> Json:
        """The first message from the server for which it holds, past ones included."""
        at = 0
        while True:
            while at < len(self.seen):
                if holds(self.seen[at]):
                    return self.seen[at]
                at += 1
            try:
                if self._news.get(timeout=SECONDS) is None:
                    self._news.put(None)
                    assert at < len(self.seen), f"the server ended:\n{self.log.decode()}"
            except queue.Empty:
                raise AssertionError(f"waited in vain; seen: {self.seen}\n{self.log.decode()}") from None

    def told(self, method: str) -> Json:
        """The params of the first message of this method."""
        return self.wait(lambda message: message.get("method") == method)["params"]

    def finished(self, run: str) -> Json:
        """The last event of a run."""
        return self.wait(lambda message: _is_event(message, run, "run.finished"))["params"]

    def events(self, run: str) -> list[Json]:
        """The events of a run so far."""
        return [message["params"] for message in list(self.seen) if _is_event(message, run)]

    def shutdown(self) -> int:
        """Say goodbye and give the exit code."""
        self.request("shutdown")
        self.notify("exit")
        return self.process.wait(SECONDS)

    # Reading

    def _read(self) -> None:
        out = self.process.stdout
        assert out is not None
        while line := out.readline():
            if not line.lower().startswith(b"content-length:"):
                self.stray += line
                continue
            while out.readline() not in (b"\r\n", b""):
                pass
            message: Json = json.loads(out.read(int(line.split(b":")[1])))
            self.seen.append(message)
            if "method" in message and "id" in message:
                self._reply(message)
            self._news.put(message)
        self._news.put(None)

    def _reply(self, message: Json) -> None:
        result = self._answer(message["method"], message.get("params"))
        if result is SILENT:
            return
        if isinstance(result, Exception):
            self.send({"id": message["id"], "error": {"code": -32803, "message": str(result)}})
        else:
            self.send({"id": message["id"], "result": result})

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line


def _is_event(message: Json, run: str, kind: str | None = None) -> bool:
    if message.get("method") != "vespiary/event":
        return False
    params: Json = message["params"]
    return params["runId"] == run and kind in (None, params["kind"])
