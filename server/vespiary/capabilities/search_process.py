"""Searching by regular expression in a process of its own.

A regular expression from a model can take for ever, and while Python's `re` works no other thread runs: only a process can be
stopped. It is started isolated (`-I`): neither the current folder nor the environment decides what it imports.
"""

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vespiary.capabilities.processes import run_program
from vespiary.capabilities.search import Search
from vespiary.model.errors import RequestRefused

log = logging.getLogger(__name__)

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from vespiary.capabilities.search_worker import main; main()"
)
_MOST_ANSWER = 64_000_000
"""Bytes of an answer, which the limit of matches and the length of a line keep far below this."""
_GRACE = 4.0
"""Seconds beyond the search's own time until the process is killed."""


async def search_apart(wish: Search, grace: float = _GRACE) -> dict[str, Any]:
    """The result of a search as JSON data, at the latest `grace` seconds after the search's own time.

    Cancelling kills the process. Raises `RequestRefused`.
    """
    request = json.dumps(asdict(wish)).encode()
    command = [sys.executable, "-I", "-c", _BOOT, json.dumps([entry for entry in sys.path if entry])]
    done = await run_program(
        command, cwd=Path(wish.root), env=os.environ, timeout=wish.seconds + grace, cap=_MOST_ANSWER, feed=request
    )
    if done.status == "timed-out":
        raise RequestRefused(
            f"The regular expression took longer than {wish.seconds:g} seconds.",
            code="workspace.search",
            hint="Use a simpler one without nested repetitions, or search for plain text.",
        )
    if done.code != 0 or done.stdout_truncated:
        log.error("The search process ended with %s: %s", done.code, done.stderr)
        raise RequestRefused("The search failed.", code="workspace.search")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise RequestRefused(f"The pattern is no regular expression: {answer['error']}.", code="workspace.request")
    return answer
