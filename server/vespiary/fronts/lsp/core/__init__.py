"""The core of the language server: transport, messages, documents, lifecycle. Knows LSP and pygls; nothing of agents or the app.

How a front uses it:

    from vespiary.fronts.lsp import core

    def make_server() -> core.Server:
        server = core.Server("vespiary", "0.1.0")

        @server.method("vespiary/run/start")            # our own methods: the params as a plain dict, the answer as plain data
        async def start(params: dict[str, Any]) -> Any:
            if "prompt" not in params:
                raise core.JsonRpcInvalidParams("`prompt` is missing.")
            return {"runId": "abc"}

        @server.feature("textDocument/codeAction")      # LSP methods: lsprotocol values in and out, as in pygls
        async def actions(params: core.types.CodeActionParams) -> list[core.types.CodeAction]: ...

        @server.command("vespiary.run")                 # workspace/executeCommand: the JSON arguments as they are
        async def run(*arguments: Any) -> Any: ...

        server.on_initialized(bring_up_the_app)         # `async () -> None`, in the server's task group; may live as long as it
        server.on_shutdown(put_things_away)             # `async () -> None`, awaited (5 s at most) before `shutdown` is answered
        return server

    code = core.run_stdio(make_server)                  # or core.run_tcp(host, port, make_server); both block and give an exit code

To a running server:

- `server.notify(method, params)`: from any thread, never blocks, batched. `await server.drain()` waits for a slow client.
- `await server.request(method, params)`: at most 64 in flight per method; `ClientGone` when the client leaves;
  `JsonRpcException` when it answers with an error; cancelling the caller sends `$/cancelRequest`. The result is plain data.
- `await server.apply_edit(edit, label)`: `workspace/applyEdit`; the result is `ApplyWorkspaceEditResult` as a plain dict.
- `server.documents`: what is open in the editor (`documents.py`): `get(uri)`, `text(uri)`, `uris()`, hooks `on_open`, `on_change`,
  `on_close`. Columns are in the negotiated encoding; `Document.offset_at`, `position_at` convert to and from code points.
- `server.spawn(function, *args)`: a task of this server; its failure is logged and contained.
- `server.initialize_params`: the raw params of `initialize`. `server.encoding`: "utf-8", "utf-16" or "utf-32".
- `server.client_capabilities`, `server.work_done_progress`, `server.workspace`: as in pygls.

Parameters may be dicts, lsprotocol values, dataclasses (camelCase on the wire) or lists of these. An exception of a handler becomes
an error answer: `JsonRpcException` as it is, `UsageError` as -32602, another `VespiaryError` as -32803 with `data` {code, message,
hint}, anything else as -32603 and a traceback in the log. Cancelling a request cancels its handler. Import `types` from here, not
from lsprotocol: that makes its import fast. Importing this package itself costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vespiary.fronts.lsp.core.documents import Document, Documents
    from vespiary.fronts.lsp.core.errors import ClientGone
    from vespiary.fronts.lsp.core.main import run_stdio, run_tcp
    from vespiary.fronts.lsp.core.server import Server
    from vespiary.fronts.lsp.core.stdio import serve_stdio
    from vespiary.fronts.lsp.core.tcp import serve_tcp
    from vespiary.fronts.lsp.core.upstream import JsonRpcException, JsonRpcInvalidParams, types

__all__ = [
    "ClientGone",
    "Document",
    "Documents",
    "JsonRpcException",
    "JsonRpcInvalidParams",
    "Server",
    "run_stdio",
    "run_tcp",
    "serve_stdio",
    "serve_tcp",
    "types",
]

_HOME = {
    "ClientGone": "errors",
    "Document": "documents",
    "Documents": "documents",
    "JsonRpcException": "upstream",
    "JsonRpcInvalidParams": "upstream",
    "Server": "server",
    "run_stdio": "main",
    "run_tcp": "main",
    "serve_stdio": "stdio",
    "serve_tcp": "tcp",
    "types": "upstream",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
