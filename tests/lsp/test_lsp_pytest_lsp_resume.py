"""The offer to resume as an independent client, pytest-lsp, gets it."""

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
from support.fake_openai import FakeOpenAI
from support.serving import AFTERWARDS, RealServer, hanging_at, texts, turns, workspace


class Person:
    """What the client was asked and told."""

    def __init__(self) -> None:
        self.questions: list[types.ShowMessageRequestParams] = []
        self.outcome: str | None = None
        self.finished = anyio.Event()


PEOPLE: WeakKeyDictionary[LanguageClient, Person] = WeakKeyDictionary()


def make_client() -> LanguageClient:
    client = pytest_lsp.make_test_lsp_client()
    person = PEOPLE[client] = Person()
    feature: Any = client.feature

    @feature("vespiary/event")
    def event(params: Any) -> None:
        if params.kind == "run.finished":
            person.outcome = params.outcome
            person.finished.set()

    @feature("window/showMessageRequest")
    def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem:
        person.questions.append(params)
        assert params.actions is not None
        return params.actions[0]

    return client


async def begun(client: LanguageClient, tmp_path: Path, model: FakeOpenAI) -> Path:
    root = workspace(tmp_path / "project", model)

    def crash() -> None:
        with RealServer(root) as server:
            server.begin("Do it all.")
            model.wait_for(lambda model: model.calls == 2, 60)
            server.kill()

    await anyio.to_thread.run_sync(crash)
    await client.initialize_session(
        types.InitializeParams(
            capabilities=client_capabilities("visual-studio-code"),
            workspace_folders=[types.WorkspaceFolder(root.as_uri(), "project")],
        )
    )
    return root


@pytest_lsp.fixture(
    config=ClientServerConfig(
        server_command=[sys.executable, "-m", "vespiary", "serve"],
        client_factory=make_client,
        server_env=dict(os.environ),
    ),
)
async def client(lsp_client: LanguageClient) -> AsyncGenerator[None, None]:
    yield
    await lsp_client.shutdown_session()


@pytest.mark.asyncio
@requirement("lsp:pytest-lsp", "lsp:resume")
async def test_an_independent_client_resumes_a_run(client: LanguageClient, tmp_path: Path) -> None:
    async with FakeOpenAI(hanging_at(1)) as model:
        root = await begun(client, tmp_path, model)
        person = PEOPLE[client]
        with anyio.fail_after(60):
            await person.finished.wait()
        assert person.outcome == "done"
        assert [question.message.partition(" (")[0] for question in person.questions] == [
            "coder was interrupted: Do it all."
        ]
        assert turns(model) == [0, 1, 1, 2, 3]
    assert texts(root) == AFTERWARDS
