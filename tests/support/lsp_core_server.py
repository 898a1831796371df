"""A small server on the core, run as a process by the tests: `python lsp_core_server.py [--tcp]`."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any, cast

import anyio
from vespiary.fronts.lsp import core
from vespiary.model.errors import UsageError, VespiaryError


def make_server() -> core.Server:
    server = core.Server("test", "1")
    seen: dict[str, Any] = {"cancelled": [], "up": 0, "away": 0}

    @server.method("t/echo")
    async def echo(params: dict[str, Any]) -> Any:
        return params

    @server.method("t/plain")
    def plain(params: dict[str, Any]) -> Any:
        return {"sync": True}

    @server.method("t/seen")
    async def tell(params: dict[str, Any]) -> Any:
        return seen

    @server.method("t/fail")
    async def fail(params: dict[str, Any]) -> Any:
        kind = params.get("kind")
        if kind == "usage":
            raise UsageError("No such thing.", hint="Try another.")
        if kind == "refused":
            raise VespiaryError("It is broken.", hint="Mend it.", code="broken")
        if kind == "params":
            raise core.JsonRpcInvalidParams("`x` is missing.")
        if kind == "unsendable":
            return object()
        raise RuntimeError("a bug")

    @server.method("t/wait")
    async def wait(params: dict[str, Any]) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen["cancelled"].append("t/wait")
            raise

    @server.method("t/text")
    async def text(params: dict[str, Any]) -> Any:
        document = server.documents.get(params["uri"])
        return document and {"text": document.text, "version": document.version, "hash": document.hash}

    @server.method("t/line")
    async def line(params: dict[str, Any]) -> Any:
        document = server.documents.get(params["uri"])
        return document and document.line(params["line"])

    @server.method("t/edits")
    async def edits(params: dict[str, Any]) -> Any:
        answers = await asyncio.gather(
            *(server.apply_edit({"changes": {}}, f"edit {n}") for n in range(params["count"])), return_exceptions=True
        )
        return {
            "applied": sum(isinstance(a, dict) and a["applied"] is True for a in answers),
            "waiting": len(server.protocol.outgoing),
        }

    @server.method("t/ask")
    async def ask(params: dict[str, Any]) -> Any:
        try:
            return {"answer": await server.request("t/question", {"q": 1})}
        except core.JsonRpcException as error:
            return {"error": error.message, "code": error.code, "waiting": len(server.protocol.outgoing)}

    @server.method("t/typed")
    async def typed(params: dict[str, Any]) -> Any:
        result = await server.workspace_apply_edit_async(
            core.types.ApplyWorkspaceEditParams(core.types.WorkspaceEdit(changes={}))
        )
        return {"type": type(result).__name__, "applied": result.applied}

    @server.method("t/flood")
    async def flood(params: dict[str, Any]) -> Any:
        for number in range(params["count"]):
            server.notify("t/drop", {"n": number, "pad": "x" * 1000})
        return "sent"

    @server.method("t/thread")
    async def thread(params: dict[str, Any]) -> Any:
        await asyncio.to_thread(lambda: [server.notify("t/tick", {"n": n}) for n in range(params["count"])])
        return "sent"

    @server.method("t/print")
    async def noise(params: dict[str, Any]) -> Any:
        print("noise from python")
        sys.stdout.flush()
        os.write(1, b"noise from a descriptor\n")
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", "print(input() if 0 else 'noise'); import sys; sys.stdin.read()"],
            check=True,
        )
        return done.returncode

    @server.method("t/leaks")
    async def leaks(params: dict[str, Any]) -> Any:
        protocol = server.protocol
        return {
            "futures": len(protocol._request_futures),
            "results": len(protocol._result_types),
            "running": len(protocol.running),
            "waiting": len(protocol.outgoing),
            "tokens": len(cast("dict[Any, Any]", server.work_done_progress.tokens)),
        }

    @server.method("t/progress")
    async def progress(params: dict[str, Any]) -> Any:
        token = params["token"]
        await server.work_done_progress.create_async(token)
        server.work_done_progress.begin(token, core.types.WorkDoneProgressBegin(title="t"))
        server.work_done_progress.end(token, core.types.WorkDoneProgressEnd())
        return len(cast("dict[Any, Any]", server.work_done_progress.tokens))

    @server.method("t/encoding")
    async def encoding(params: dict[str, Any]) -> Any:
        return server.encoding

    @server.command("t.wait")
    async def wait_command(*arguments: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen["cancelled"].append("t.wait")
            raise

    @server.command("t.echo")
    async def echo_command(*arguments: Any) -> Any:
        return list(arguments)

    @server.feature("textDocument/codeAction")
    async def actions(params: core.types.CodeActionParams) -> list[core.types.CodeAction]:
        return [core.types.CodeAction(title=params.text_document.uri, kind=core.types.CodeActionKind.QuickFix)]

    @server.feature("textDocument/hover")
    def hover(params: core.types.HoverParams) -> core.types.Hover:
        line = server.workspace.get_text_document(params.text_document.uri).lines[params.position.line]
        return core.types.Hover(contents=line)

    @server.feature("workspace/didChangeConfiguration")
    async def configured(params: core.types.DidChangeConfigurationParams) -> None:
        seen["configuration"] = params.settings

    async def up() -> None:
        seen["up"] += 1
        server.notify("t/up")

    async def broken() -> None:
        raise RuntimeError("this hook is broken")

    async def away() -> None:
        server.notify("t/away")

    @server.method("t/stubborn")
    async def stubborn(params: dict[str, Any]) -> Any:
        async def never() -> None:
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()

        server.spawn(never)

    server.on_initialized(up)
    server.on_initialized(broken)
    server.on_shutdown(away)
    return server


if __name__ == "__main__":
    if "--tcp" in sys.argv:

        def ready(host: str, port: int) -> None:
            print(json.dumps({"host": host, "port": port}), flush=True)

        sys.exit(core.run_tcp("127.0.0.1", 0, make_server, ready=ready))
    if "--impatient" in sys.argv:
        from vespiary.fronts.lsp.core import main

        main.LAST_SECONDS = 0.2
    sys.exit(core.run_stdio(make_server))
