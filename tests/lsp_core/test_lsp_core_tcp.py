"""Several clients over TCP."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from ledger import requirement
from support.lsp_core_client import SERVER, TIMEOUT, Wire, framed
from support.lsp_core_server import make_server
from vespiary.fronts.lsp import core
from vespiary.model.errors import UsageError


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    command = [sys.executable, str(SERVER), "--tcp"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        yield told["host"], told["port"]
        assert process.poll() is None
        process.kill()


class Client(Wire):
    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, TIMEOUT)
        self._read_file, self._write_file = self.socket.makefile("rb"), self.socket.makefile("wb")
        super().__init__(self._read_file, self._write_file)

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        while self.next() is not None:
            pass
        self.drop()

    def drop(self) -> None:
        for part in (self._read_file, self._write_file, self.socket):
            part.close()


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[Client]:
    client = Client(address)
    yield client
    client.close()


@requirement("core:tcp")
def test_each_connection_has_a_server_of_its_own(address: tuple[str, int], client: Client) -> None:
    other = Client(address)
    client.initialize()
    assert other.call("t/echo")["error"]["code"] == -32002
    other.initialize()
    item = {"uri": "file:///a", "languageId": "x", "version": 1, "text": "mine"}
    client.notify("textDocument/didOpen", {"textDocument": item})
    assert client.result("t/text", {"uri": "file:///a"})["text"] == "mine"
    assert other.result("t/text", {"uri": "file:///a"}) is None
    assert other.result("shutdown") is None
    other.notify("exit")
    while other.next() is not None:
        pass
    other.drop()
    assert client.result("t/echo", {"still": 1}) == {"still": 1}


@requirement("core:tcp")
def test_a_client_that_vanishes_harms_nobody(address: tuple[str, int], client: Client) -> None:
    client.initialize()
    other = Client(address)
    other.initialize()
    other.start("t/wait")
    other.close()
    assert client.result("t/seen")["cancelled"] == []
    assert client.result("t/echo") == {}


@requirement("core:tcp")
@pytest.mark.parametrize(
    "data",
    [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 200\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Host: x\r\nContent-Length: 80\r\n\r\n",
    ],
)
def test_a_web_page_cannot_talk_to_it(address: tuple[str, int], data: bytes) -> None:
    initialize: dict[str, Any] = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"processId": None, "capabilities": {}},
    }
    with socket.create_connection(address, TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        connection.sendall(data + framed(initialize) * 3)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    assert b"serverInfo" not in answer


@requirement("core:tcp")
@pytest.mark.anyio
@pytest.mark.parametrize("host", ["0.0.0.0", "", "::"])
async def test_other_machines_are_refused_unless_told_otherwise(host: str) -> None:
    with pytest.raises(UsageError, match="other machines"):
        await core.serve_tcp(host, 0, make_server)


@requirement("core:tcp")
@pytest.mark.anyio
async def test_remote_clients_can_be_allowed_and_a_bad_address_is_told() -> None:
    told: list[Any] = []
    async with anyio.create_task_group() as tasks:

        def ready(host: str, port: int) -> None:
            told.append((host, port))
            tasks.cancel_scope.cancel()

        async def serve() -> None:
            await core.serve_tcp("0.0.0.0", 0, make_server, allow_remote=True, ready=ready)

        tasks.start_soon(serve)
    assert told[0][0] == "0.0.0.0"
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UsageError, match="Cannot listen"):
        await core.serve_tcp("127.0.0.1", taken.getsockname()[1], make_server)
