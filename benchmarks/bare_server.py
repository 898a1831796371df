"""A bare pygls server with the handlers that `lsp.py` measures: what Vespiary's language server is compared with."""

import asyncio
from typing import Any

from lsprotocol import types
from pygls.lsp.server import LanguageServer

server = LanguageServer("bare", "1")


@server.feature("bench/echo")
async def echo(params: Any) -> Any:
    return {"ok": True}


@server.feature("bench/edits")
async def edits(params: Any) -> Any:
    edit = types.WorkspaceEdit(
        changes={"file:///a": [types.TextEdit(types.Range(types.Position(0, 0), types.Position(0, 0)), "x" * 200)]}
    )
    ask = types.ApplyWorkspaceEditParams(edit, "an edit")
    answers = await asyncio.gather(*(server.workspace_apply_edit_async(ask) for _ in range(1000)))
    return sum(answer.applied for answer in answers)


if __name__ == "__main__":
    server.start_io()
