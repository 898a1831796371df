"""A client made of raw bytes, for tests of the language server's core."""

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

SERVER = Path(__file__).with_name("lsp_core_server.py")
TIMEOUT = 30

Wanted = Callable[[dict[str, Any]], bool]


def framed(message: Any) -> bytes:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


class Wire:
    """Messages over two binary files; a thread reads, so that the server is never held up."""

    def __init__(self, source: BinaryIO, target: BinaryIO) -> None:
        self._source = source
        self._target = target
        self.inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.other: list[dict[str, Any]] = []
        self._ids = iter(range(1, 1_000_000))
        self.stray: list[bytes] = []
        self.answer_requests = True
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while line := self._source.readline():
                if not line.startswith(b"Content-Length: "):
                    self.stray.append(line)
                    continue
                length = int(line.split(b":")[1])
                while self._source.readline().strip():
                    pass
                self.inbox.put(json.loads(self._source.read(length)))
        except (OSError, ValueError):
            pass
        self.inbox.put(None)

    def raw(self, data: bytes) -> None:
        self._target.write(data)
        self._target.flush()

    def send(self, *messages: Any) -> None:
        self.raw(b"".join(framed(message) for message in messages))

    def next(self) -> dict[str, Any] | None:
        return self.inbox.get(timeout=TIMEOUT)

    def until(self, wanted: "Wanted") -> dict[str, Any]:
        """The next message for which `wanted(message)` holds; others are kept in `other`."""
        while (message := self.next()) is not None:
            if wanted(message):
                return message
            if "method" in message and "id" in message and self.answer_requests:
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": {"applied": True}})
            self.other.append(message)
        raise AssertionError(f"the server closed the connection; before: {self.other[-5:]}")

    def start(self, method: str, params: Any = None, **more: Any) -> int:
        request_id = next(self._ids)
        message = {"jsonrpc": "2.0", "id": request_id, "method": method, **more}
        if params is not None:
            message["params"] = params
        self.send(message)
        return request_id

    def answer(self, request_id: Any) -> dict[str, Any]:
        return self.until(lambda m: "method" not in m and m.get("id") == request_id)

    def call(self, method: str, params: Any = None) -> dict[str, Any]:
        return self.answer(self.start(method, params))

    def result(self, method: str, params: Any = None) -> Any:
        reply = self.call(method, params)
        assert "result" in reply, reply
        return reply["result"]

    def notify(self, method: str, params: Any = None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message["params"] = params
        self.send(message)

    def initialize(self, **more: Any) -> dict[str, Any]:
        result = self.result("initialize", {"processId": None, "rootUri": None, "capabilities": {}, **more})
        self.notify("initialized", {})
        return result


class ServerProcess(Wire):
    """The test server as a process."""

    def __init__(self, *command: str, **options: Any) -> None:
        self.process = subprocess.Popen(
            command or (sys.executable, str(SERVER)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.log: list[bytes] = []
        self._logger = threading.Thread(target=self.log.extend, args=(self.process.stderr,), daemon=True)
        self._logger.start()
        super().__init__(self.process.stdout, self.process.stdin)  # type: ignore[arg-type]

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT)
        self._logger.join(TIMEOUT)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()

    def exit_code(self) -> int:
        return self.process.wait(TIMEOUT)

    def stop(self) -> int:
        assert self.result("shutdown") is None
        self.notify("exit")
        return self.exit_code()
