"""Searching by regular expression in a process of its own.

A regular expression from a model can take for ever, and while Python's `re` works no other thread runs: only a process can be
stopped. It is started isolated (`-I`): neither the current folder nor the environment decides what it imports.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import anyio

from vespiary.capabilities.search import Search
from vespiary.model.errors import RequestRefused

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vespiary.capabilities.search_worker import main; main()"
)
_GRACE = 4.0
"""Seconds beyond the search's own time until the process is killed."""


async def search_apart(wish: Search, grace: float = _GRACE) -> dict[str, Any]:
    """The result of a search as JSON data, at the latest `grace` seconds after the search's own time. Cancelling kills the process. Raises `RequestRefused`."""
    request = json.dumps(asdict(wish)).encode()
    command = [sys.executable, "-I", "-c", _BOOT, json.dumps([entry for entry in sys.path if entry])]
    done = None
    with anyio.move_on_after(wish.seconds + grace):
        # run_process kills its child when it is cancelled.
        done = await anyio.run_process(command, input=request, check=False, stderr=subprocess.DEVNULL, cwd=wish.root)
    if done is None:
        raise RequestRefused(
            f"The regular expression took longer than {wish.seconds:g} seconds.",
            code="workspace.search",
            hint="Use a simpler one without nested repetitions, or search for plain text.",
        )
    if done.returncode != 0:
        raise RequestRefused("The search failed.", code="workspace.search")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise RequestRefused(f"The pattern is no regular expression: {answer['error']}.", code="workspace.request")
    return answer
