"""Conversations over the wire and through the Python client, with the real server."""

from pathlib import Path

import pytest
from ledger import requirement
from support.fake_openai import Asked, FakeOpenAI, Reply, say
from support.serving import TURNS, RealServer, hanging_at, turn, turns, workspace
from vespiary.client import Client, ServerError
from vespiary.model.events import RunResumed, RunStarted
from vespiary.model.runs import Outcome

pytestmark = pytest.mark.anyio


def remembering(asked: Asked) -> Reply:
    """Says what it was told so far."""
    said = [message["content"] for message in asked.messages if message["role"] == "user"]
    return say(" / ".join(line.splitlines()[0] for line in said))


@requirement("lsp:sessions")
async def test_a_conversation_goes_on_in_another_server_and_can_be_forked_and_forgotten(root: Path) -> None:
    async with FakeOpenAI(remembering) as model:
        workspace(root, model, more='[agents.other]\nmodel = "default"')
        async with Client.launch(root, trusted=True) as client:
            first = await client.run("My name is Bee.", agent="other")
            assert first.session is not None
        async with Client.launch(root, trusted=True) as client:
            second = await client.run("What is my name?", session=first.session)
            assert (second.text, second.agent) == ("My name is Bee. / What is my name?", "other")
            assert second.session == first.session
            fork = await client.fork_session(first.session)
            third = await client.run("And now?", session=fork.session_id)
            assert third.text == "My name is Bee. / What is my name? / And now?"
            listed = {info.session_id: info for info in await client.sessions()}
            assert {name: info.turns for name, info in listed.items()} == {first.session: 2, fork.session_id: 3}
            detail = await client.session(first.session)
            assert [turn.text for turn in detail.turns] == ["My name is Bee.", second.text]
            with pytest.raises(ServerError, match="is one with the agent 'other'") as caught:
                await client.start("x", agent="coder", session=first.session)
            assert caught.value.code == "session.agent"
            await client.delete_session(first.session)
            assert [info.session_id for info in await client.sessions()] == [fork.session_id]
            with pytest.raises(ServerError) as caught:
                await client.session(first.session)
            assert (caught.value.code, caught.value.number) == ("session.unknown", -32602)


@requirement("lsp:sessions")
def test_every_verb_of_conversations_is_a_command(root: Path) -> None:
    with FakeOpenAI(remembering) as model:
        workspace(root, model)
        with RealServer(root) as server:
            first = server.command("vespiary.run", {"prompt": "One.", "wait": True})
            again = server.command("vespiary.run", {"prompt": "Two.", "wait": True, "session": first["session"]})
            assert again["text"] == "One. / Two."
            context = {"uri": (root / "a.txt").as_uri()}
            asked = {"context": context, "prompt": "Three.", "wait": True, "session": first["session"]}
            assert server.command("vespiary.askAgent", asked)["text"].startswith("One. / Two. / Three.")
            place = {"line": 0, "character": 0}
            problem = {"message": "odd", "range": {"start": place, "end": place}}
            fix = {"context": {**context, "diagnostics": [problem]}, "wait": True, "session": first["session"]}
            assert server.command("vespiary.fixDiagnostic", fix)["session"] == first["session"]
            (listed,) = server.command("vespiary.listSessions")["sessions"]
            assert (listed["sessionId"], listed["turns"], listed["title"]) == (first["session"], 4, "One.")
            assert len(server.command("vespiary.getSession", first["session"])["turns"]) == 4
            fork = server.command("vespiary.forkSession", first["session"])["sessionId"]
            assert server.command("vespiary.deleteSession", fork) is None
            assert len(server.command("vespiary.listSessions")["sessions"]) == 1
            assert server.shutdown() == 0


@requirement("lsp:sessions", "lsp:resume")
async def test_a_conversation_with_an_interrupted_run_waits_for_it(root: Path) -> None:
    async with FakeOpenAI(hanging_at(0)) as model:
        workspace(root, model)
        async with Client.launch(root, trusted=True) as client:
            run = await client.start("Do it all.")
            await model.until(lambda model: model.calls == 1, 60)
        async with Client.launch(root, trusted=True) as client:
            (info,) = await client.interrupted()
            assert (info.run_id, info.outcome) == (run.id, Outcome.INTERRUPTED)
            with pytest.raises(ServerError, match="has not ended") as caught:
                await client.start("More.", session=info.session)
            assert caught.value.code == "session.busy"
            resumed = await client.resume(run.id)
            events = [event async for event in resumed]
            assert isinstance(events[0].body, RunResumed)
            assert (await resumed.finished()).outcome is Outcome.DONE
            kept = [event async for event in client.events(run.id)]
            assert isinstance(kept[0].body, RunStarted)
            assert kept[-1] == events[-1]
            assert [event async for event in client.events(run.id, after=events[-1].seq)] == []
            assert turns(model) == [0, 0, 1, 2, 3]


@requirement("lsp:resume")
async def test_a_client_gives_an_interrupted_run_up(root: Path) -> None:
    async with FakeOpenAI(lambda asked: Reply(then="hang") if turn(asked) else TURNS[0]) as model:
        workspace(root, model)
        async with Client.launch(root, trusted=True) as client:
            run = await client.start("Do it all.")
            await model.until(lambda model: model.calls == 2, 60)
        async with Client.launch(root, trusted=True) as client:
            given_up = await client.discard(run.id)
            assert given_up.outcome is Outcome.CANCELLED
            assert await client.get(run.id) == given_up
            assert await client.interrupted() == ()
