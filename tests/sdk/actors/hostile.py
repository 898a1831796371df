"""Tries what an actor cannot or should not do."""

# ruff: noqa: PTH109, PTH110, PTH123, PTH208, SIM115
# pyright: reportDeprecated=false

import asyncio
import concurrent.futures
import importlib
import json
import os
import pathlib
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from vespiary_sdk import Actor, Message, messaging, on


def recurse(depth: int) -> int:
    return recurse(depth + 1) + 1


def loop() -> None:
    print("looping")
    while True:
        pass


def lock_twice() -> None:
    lock = threading.Lock()
    assert lock.acquire(timeout=1)
    assert not lock.acquire(blocking=False)
    with lock:
        pass


def interrupt() -> None:
    raise KeyboardInterrupt


ATTEMPTS: dict[str, Callable[[], Any]] = {
    "open": lambda: open("/etc/passwd"),
    "path": lambda: pathlib.Path("/etc/passwd").read_text(),
    "listdir": lambda: os.listdir("/"),
    "tempfile": lambda: tempfile.mkdtemp(),
    "write_fd": lambda: os.write(1, b"hello"),
    "posix": lambda: importlib.import_module("posix").open("/etc/passwd", 0),
    "subprocess": lambda: subprocess.run(["ls"], check=False),
    "system": lambda: os.system("ls"),
    "thread": lambda: threading.Thread(target=print).start(),
    "pool": lambda: concurrent.futures.ThreadPoolExecutor().submit(print),
    "lock": lock_twice,
    "event": lambda: threading.Event().wait(),
    "event_with_a_limit": lambda: threading.Event().wait(1),
    "queue": lambda: queue.Queue[int]().get(timeout=1),
    "simple_queue": lambda: queue.SimpleQueue[int]().get(),
    "future": lambda: concurrent.futures.Future[int]().result(),
    "to_thread": lambda: asyncio.get_running_loop().run_in_executor(None, print),
    "sleep": lambda: time.sleep(1),
    "run": lambda: asyncio.run(asyncio.sleep(0)),
    "connect": lambda: socket.create_connection(("127.0.0.1", 1)),
    "socket": lambda: socket.socket(),
    "url": lambda: urllib.request.urlopen("http://127.0.0.1:1/"),
    "input": lambda: input("?"),
    "breakpoint": lambda: breakpoint(),
    "numpy": lambda: importlib.import_module("numpy"),
    "tkinter": lambda: importlib.import_module("tkinter"),
    "exit": lambda: sys.exit(3),
    "os_exit": lambda: os._exit(3),
    "abort": lambda: os.abort(),
    "keyboard": interrupt,
    "recurse": lambda: recurse(0),
    "memory": lambda: [bytearray(1 << 24) for _ in range(1000)],
    "deep_list": lambda: json.loads("[" * 100_000 + "]" * 100_000),
    "deep_object": lambda: json.loads('{"a":' * 5_000 + "1" + "}" * 5_000),
    "long_text": lambda: json.loads(json.dumps({"a": '{"a":' * 200_000})),
    "deep_open": lambda: json.loads("[" * 100_000),
    "loop": loop,
}


class Hostile(Actor):
    @on("try")
    def attempt(self, message: Message) -> None:
        ATTEMPTS[message.payload]()

    @on("fine")
    def fine(self, message: Message) -> None:
        messaging.send("alive")

    @on("raise")
    async def fail(self, message: Message) -> None:
        await asyncio.sleep(0)
        await self.deeper()

    async def deeper(self) -> None:
        raise ValueError("the point")

    @on("look")
    def look(self, message: Message) -> None:
        saw = {
            "environment": dict(os.environ),
            "arguments": sys.argv,
            "path": [entry for entry in sys.path if os.path.exists(entry)],
            "exists": os.path.exists("/etc/passwd"),
            "stdin": sys.stdin.read(),
            "cwd": os.getcwd(),
        }
        messaging.send("saw", saw)
