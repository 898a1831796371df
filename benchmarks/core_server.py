"""The same handlers as `bare_server.py`, on Vespiary's core."""

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from vespiary.fronts.lsp import core

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core import Server


def make_server() -> "Server":
    server = core.Server("core", "1")

    @server.method("bench/echo")
    async def echo(params: dict[str, Any]) -> Any:
        return {"ok": True}

    @server.method("bench/edits")
    async def edits(params: dict[str, Any]) -> Any:
        place = {"line": 0, "character": 0}
        edit = {"changes": {"file:///a": [{"range": {"start": place, "end": place}, "newText": "x" * 200}]}}
        answers = await asyncio.gather(*(server.apply_edit(edit, "an edit") for _ in range(1000)))
        return sum(answer["applied"] for answer in answers)

    return server


if __name__ == "__main__":
    sys.exit(core.run_stdio(make_server))
