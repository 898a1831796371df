"""The worker's end of the connection to its server: sending from any thread, and the one reaction to losing it.

Knows sockets and frames. Does not know what is said.
"""

import contextlib
import os
import select
import socket
import threading
from collections.abc import Generator
from typing import Any, NoReturn

from vespiary.model.frames import TOKEN_BYTES, TOKEN_VARIABLE, Splitter, frame
from vespiary.model.pack import Packed

_READ_BYTES = 256 * 1024


class Line:
    """The connection. Without a server there is nothing to do: whatever ends it ends the process, at once."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lock = threading.Lock()
        self._splitter = Splitter()

    @classmethod
    def open(cls, *, descriptor: int | None, port: int | None) -> "Line":
        """Take the inherited socket, or connect to the server's port on this machine."""
        if descriptor is not None:
            os.set_inheritable(descriptor, False)
            return cls(socket.socket(fileno=descriptor))
        assert port is not None
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        token = bytes.fromhex(os.environ.pop(TOKEN_VARIABLE, ""))
        assert len(token) == TOKEN_BYTES
        connection.sendall(token)
        return cls(connection)

    def send(self, message: Packed) -> None:
        """Say something. Raises as `frame` does; blocks while the server does not read."""
        data = frame(message)
        try:
            with self._lock:
                self._socket.sendall(data)
        except OSError:
            leave()

    def wait(self, seconds: float) -> bool:
        """Whether there is something to read within this time."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def read(self) -> Generator[list[Any]]:
        """The messages that are there, waiting for more if there are none."""
        data = b""
        with contextlib.suppress(OSError):
            data = self._socket.recv(_READ_BYTES)
        if not data:
            leave()
        yield from self._splitter.feed(data)


def leave(code: int = 0) -> NoReturn:
    """End the process now, whatever its threads do."""
    os._exit(code)
