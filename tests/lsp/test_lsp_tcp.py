"""`vespiary serve --tcp`: the same server on a socket."""

import json
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

from ledger import requirement
from support.rawlsp import FAKE, TESTS


def say(file: Any, **message: Any) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    file.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    file.flush()


def hear(file: Any) -> Any:
    length = 0
    while line := file.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(file.read(length))


@requirement("lsp:serve-options", "lsp:methods")
def test_each_connection_is_a_workspace_of_its_own(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    process = subprocess.Popen(
        [*FAKE, "--tcp", "127.0.0.1:0"],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
    )
    try:
        assert process.stderr is not None
        told = re.fullmatch(r"vespiary serve: listening on 127\.0\.0\.1:(\d+)\r?\n", process.stderr.readline().decode())
        assert told is not None
        for folder, runs in ((root, 1), (tmp_path / "other", 0)):
            with socket.create_connection(("127.0.0.1", int(told[1])), 20) as connection:
                file = connection.makefile("rwb")
                say(
                    file,
                    id=1,
                    method="initialize",
                    params={"processId": None, "rootUri": folder.as_uri(), "capabilities": {}},
                )
                assert hear(file)["id"] == 1
                say(file, method="initialized", params={})
                for number in range(runs):
                    say(file, id=10 + number, method="vespiary/run/start", params={"prompt": '[["hang"]]'})
                say(file, id=2, method="vespiary/run/list")
                while (message := hear(file)).get("id") != 2:
                    pass
                assert len(message["result"]["runs"]) == runs
                file.close()
    finally:
        process.terminate()
        process.wait(20)
        assert process.stderr is not None
        process.stderr.close()
