"""The main job by an independent client, pytest-lsp, with handlers for what an editor does with edits."""

import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import pytest
import pytest_lsp
from ledger import requirement
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities
from support.projects import project, reply


class Editor:
    """The documents of the client, and what it was told."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.events: list[dict[str, Any]] = []
        self.finished = anyio.Event()


EDITORS: WeakKeyDictionary[LanguageClient, Editor] = WeakKeyDictionary()


def make_client() -> LanguageClient:
    client = pytest_lsp.make_test_lsp_client()
    editor = EDITORS[client] = Editor()

    feature: Any = client.feature

    @feature("workspace/applyEdit")
    def apply(ls: LanguageClient, params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        for change in params.edit.document_changes or []:
            assert isinstance(change, types.TextDocumentEdit)
            uri = change.text_document.uri
            if change.text_document.version != editor.versions[uri]:
                return types.ApplyWorkspaceEditResult(applied=False, failure_reason="stale")
            for edit in reversed(change.edits):
                assert isinstance(edit, types.TextEdit)
                lines = editor.texts[uri].splitlines(keepends=True)
                start = sum(map(len, lines[: edit.range.start.line])) + edit.range.start.character
                end = sum(map(len, lines[: edit.range.end.line])) + edit.range.end.character
                editor.texts[uri] = editor.texts[uri][:start] + edit.new_text + editor.texts[uri][end:]
            editor.versions[uri] += 1
            document = types.VersionedTextDocumentIdentifier(editor.versions[uri], uri)
            whole = types.TextDocumentContentChangeWholeDocument(editor.texts[uri])
            ls.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))
        return types.ApplyWorkspaceEditResult(applied=True)

    @feature("client/registerCapability")
    def register(params: types.RegistrationParams) -> None:
        return None

    @feature("vespiary/event")
    def event(params: Any) -> None:
        editor.events.append(params._asdict())
        if params.kind == "run.finished":
            editor.finished.set()

    return client


@pytest_lsp.fixture(
    config=ClientServerConfig(
        server_command=[sys.executable, "-m", "vespiary", "serve"],
        client_factory=make_client,
        server_env=dict(os.environ),
    ),
)
async def client(lsp_client: LanguageClient, tmp_path: Path) -> AsyncGenerator[None, None]:
    edit = {"path": "a.txt", "edits": [{"old_string": "typed", "new_string": "edited"}]}
    replies = [
        reply("", ("read_file", {"path": "a.txt"}), user="Edit"),
        reply("", ("edit_file", edit), tool="read_file"),
        reply("Edited.", tool="edit_file"),
    ]
    root = project(tmp_path / "project", {"a.txt": "saved\n"}, *replies)
    capabilities = client_capabilities("visual-studio-code")
    await lsp_client.initialize_session(
        types.InitializeParams(
            capabilities=capabilities,
            workspace_folders=[types.WorkspaceFolder(root.as_uri(), "project")],
            initialization_options={"trusted": True},
        )
    )
    yield
    await lsp_client.shutdown_session()


@pytest.mark.asyncio
@requirement("lsp:pytest-lsp", "lsp:edit-in-buffer", "lsp:unsaved-buffer")
async def test_an_agent_edits_an_unsaved_document_of_an_independent_client(
    client: LanguageClient, tmp_path: Path
) -> None:
    editor = EDITORS[client]
    uri = (tmp_path / "project" / "a.txt").as_uri()
    editor.texts[uri], editor.versions[uri] = "typed\n", 1
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, types.LanguageKind.Markdown, 1, "typed\n"))
    )
    result = await client.protocol.send_request_async("vespiary/run/start", {"prompt": "Edit a.txt."})
    with anyio.fail_after(60):
        await editor.finished.wait()
    assert editor.events[-1]["outcome"] == "done", editor.events
    assert editor.events[-1]["text"] == "Edited."
    assert {event["runId"] for event in editor.events} == {result.runId}
    assert editor.texts[uri] == "edited\n"
    assert (tmp_path / "project" / "a.txt").read_text(encoding="utf-8") == "saved\n"
