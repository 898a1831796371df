"""Budgets in whole runs, against a model server on loopback."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from ledger import requirement
from support.fake_openai import Asked, FakeOpenAI, Reply, call, cut, hang, say
from support.fronts import Events, InProcess, of_kind
from support.projects import project
from vespiary.app.disk import DiskEditor
from vespiary.app.workspace import Workspace
from vespiary.model.events import UsageEvent
from vespiary.model.runs import Task

pytestmark = pytest.mark.anyio


def counted(read: int, wrote: int) -> dict[str, Any]:
    return {"prompt_tokens": read, "completion_tokens": wrote}


def served(root: Path, server: FakeOpenAI, budget: str, *, model: str = "", agent: str = "", **files: str) -> Path:
    line = f'provider = "openai"\nmodel = "fake"\nbase_url = "{server.base_url}"\nattempts = 2\n{model}'
    project(root, {name.replace("_", "."): text for name, text in files.items()}, model=line, agent=agent)
    path = root / "vespiary.toml"
    path.write_text(path.read_text(encoding="utf-8") + budget, encoding="utf-8", newline="")
    return root


def budget_notes(events: Events) -> list[str]:
    return [event["detail"] for event in of_kind(events, "status") if event["state"] == "budget"]


@requirement("budgets:abort", "budgets:before-each-call")
async def test_a_budget_that_is_used_up_between_tool_rounds_ends_the_run_with_what_was_done(tmp_path: Path) -> None:
    made = {"path": "note.md", "content": "done\n"}
    async with FakeOpenAI([
        call("create_file", made, text="First I write the note.", usage=counted(20_000, 100)),
        say("Never asked for."),
    ]) as server:  # fmt: skip
        root = served(tmp_path, server, "[budget]\ntokens_per_run = 25_000\n")
        events = await InProcess().run(root, "Write a note")
        assert server.calls == 1

    end = events[-1]
    assert end["outcome"] == "failed"
    assert end["problem"]["code"] == "budget.tokens-per-run"
    assert "the agent 'coder'" in end["problem"]["message"]
    assert "20,100 tokens of 25,000 tokens are used" in end["problem"]["message"]
    assert "`tokens_per_run` under [budget]" in end["problem"]["hint"]
    assert end["text"] == "First I write the note."
    assert end["files"] == [{"path": "note.md", "change": "created"}]
    assert (root / "note.md").read_text(encoding="utf-8") == "done\n"
    assert end["usage"]["inputTokens"] == 20_000
    assert [(each["agent"], each["usage"]["outputTokens"]) for each in end["agents"]] == [("coder", 100)]
    assert budget_notes(events) == ["20,100 tokens of 25,000 tokens of the run's budget are used."]


@requirement("budgets:abort", "budgets:limits")
async def test_a_call_that_is_too_large_reaches_nobody(tmp_path: Path) -> None:
    async with FakeOpenAI([say("Never asked for.")]) as server:
        root = served(tmp_path, server, "[agents.coder.budget]\ntokens_per_call = 100\n")
        events = await InProcess().run(root, "Hello")
        assert server.calls == 0
    assert events[-1]["problem"]["code"] == "budget.tokens-per-call"
    assert "[agents.coder.budget]" in events[-1]["problem"]["hint"]
    assert events[-1]["usage"]["calls"] == 0
    assert events[-1]["agents"] == []


@requirement("budgets:abort", "budgets:prices", "budgets:usage-told")
async def test_a_cost_is_counted_and_limited(tmp_path: Path) -> None:
    async with FakeOpenAI([
        call("list_directory", {"path": "."}, usage=counted(9_000, 1_000)),
        say("Never asked for."),
    ]) as server:  # fmt: skip
        root = served(
            tmp_path,
            server,
            "[budget]\ncost_per_run = 0.02\n",
            model="price = { input = 1, output = 10 }\nmax_tokens = 500",
        )
        events = await InProcess().run(root, "Look around")
        assert server.calls == 1
    (usage,) = of_kind(events, "usage")
    assert usage["usage"]["cost"] == 9_000 + 10_000
    assert usage["agentTotal"] == usage["total"] == usage["usage"]
    assert usage["provider"].startswith("127.0.0.1:")
    assert events[-1]["problem"]["code"] == "budget.cost-per-run"
    assert "$0.019 of $0.02 are used" in events[-1]["problem"]["message"]


@requirement("budgets:warn")
async def test_a_warning_lets_the_run_go_on(tmp_path: Path) -> None:
    async with FakeOpenAI([
        call("list_directory", {"path": "."}, usage=counted(20_000, 100)),
        call("list_directory", {"path": "."}, usage=counted(20_000, 100)),
        say("Done.", usage=counted(20_000, 100)),
    ]) as server:  # fmt: skip
        root = served(tmp_path, server, '[budget]\ntokens_per_run = 25_000\naction = "warn"\n')
        events = await InProcess().run(root, "Look around")
        assert server.calls == 3
    assert events[-1]["outcome"] == "done"
    near, over = budget_notes(events)
    assert near == "20,100 tokens of 25,000 tokens of the run's budget are used."
    assert over.endswith("The run goes on, as `action` says.")


TALKER = '''
from vespiary_sdk import Actor, tool


class Talker(Actor):
    @tool
    async def talk(self) -> str:
        """{description}"""
        return "said"
'''


@requirement("budgets:tools-counted")
async def test_the_schemas_of_tools_count(tmp_path: Path) -> None:
    talker = TALKER.format(description="A very long description. " * 2_000)
    limit = "[budget]\ntokens_per_call = 12_000\n"
    async with FakeOpenAI([say("Fits.")]) as server:
        root = served(tmp_path / "a", server, limit, agent='actors = ["assistant", "files"]')
        assert (await InProcess().run(root, "Hello"))[-1]["outcome"] == "done"
        root = served(tmp_path / "b", server, limit, agent='actors = ["assistant", "talker.py"]', talker_py=talker)
        end = (await InProcess().run(root, "Hello"))[-1]
        assert server.calls == 1
    assert end["problem"]["code"] == "budget.tokens-per-call", end


CROWD = """
import asyncio

from vespiary_sdk import Actor, CapabilityError, llm, messaging, on


class Crowd(Actor):
    @on("vespiary.agent.message")
    async def asked(self, message):
        one = [{"role": "user", "content": "x" * 350}]
        calls = [llm.complete(one, max_tokens=400) for _ in range(50)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        codes = sorted(getattr(each, "code", "ok") for each in answers)
        messaging.send("vespiary.agent.done", {"outcome": "done", "text": " ".join(codes)})
"""


@requirement("budgets:parallel")
@pytest.mark.parametrize("wrote", [400, 1])
async def test_fifty_calls_at_once_stay_within_the_budget(wrote: int, tmp_path: Path) -> None:
    async with FakeOpenAI(lambda _: say("ok", usage=counted(100, wrote))) as server:
        root = served(
            tmp_path, server, "[budget]\ntokens_per_run = 5_200\n", agent='actors = ["crowd.py"]', crowd_py=CROWD
        )
        events = await InProcess().run(root, "Go")
        codes = events[-1]["text"].split()
        assert server.calls == codes.count("ok")
    total = events[-1]["usage"]["inputTokens"] + events[-1]["usage"]["outputTokens"]
    assert total == codes.count("ok") * (100 + wrote) <= 5_200
    assert codes.count("ok") + codes.count("budget.tokens-per-run") == 50
    # What replies did not need is there for those that waited.
    assert codes.count("ok") == {400: 10, 1: 47}[wrote]


@requirement("budgets:uncounted")
async def test_what_a_provider_does_not_count_is_estimated_and_marked(tmp_path: Path) -> None:
    async with FakeOpenAI([say("word " * 700, usage=None)]) as server:
        events = await InProcess().run(served(tmp_path, server, ""), "Hello")
    usage = events[-1]["usage"]
    assert usage["estimatedCalls"] == usage["calls"] == 1
    assert usage["outputTokens"] == 1_000
    assert usage["inputTokens"] > 500
    assert usage["cost"] == usage["unpricedCalls"] == 0


@requirement("budgets:uncounted")
async def test_a_reply_that_broke_off_counts_beside_the_one_that_came(tmp_path: Path) -> None:
    async with FakeOpenAI([cut("word " * 1_000), say("ok", usage=counted(1_000, 5))]) as server:
        events = await InProcess().run(served(tmp_path, server, ""), "Hello")
    assert events[-1]["outcome"] == "done"
    usage = events[-1]["usage"]
    assert (usage["calls"], usage["estimatedCalls"]) == (1, 1)
    assert usage["outputTokens"] > 500
    assert usage["inputTokens"] > 1_000


@requirement("budgets:uncounted")
async def test_a_cancelled_reply_counts_as_far_as_it_came(tmp_path: Path) -> None:
    async with FakeOpenAI([hang("word " * 1_000)]) as server:
        root = served(tmp_path, server, "")
        async with Workspace.open(root, DiskEditor(root)) as workspace:
            told: list[UsageEvent] = []
            streaming = anyio.Event()
            workspace.runs.listen(lambda event: streaming.set() if event.body.kind == "text.delta" else None)
            workspace.runs.listen(lambda event: told.append(event.body) if isinstance(event.body, UsageEvent) else None)
            run = workspace.runs.start(Task("Talk for ever"))
            with anyio.fail_after(60):
                await streaming.wait()
                workspace.runs.cancel(run)
                info = await workspace.runs.finished(run)
    assert [event.total for event in told] == [info.usage]
    assert info.usage.estimated_calls == 1
    assert info.usage.output_tokens > 0
    assert info.agents[0].usage == info.usage


@requirement("budgets:uncounted")
async def test_a_call_that_failed_before_it_said_anything_costs_nothing_and_frees_what_it_held(tmp_path: Path) -> None:
    async with FakeOpenAI([Reply(status=400, body=b"{}"), say("ok")]) as server:
        root = served(tmp_path, server, "[budget]\ntokens_per_run = 20_000\n", model="max_tokens = 15_000")
        first = (await InProcess().run(root, "Hello"))[-1]
        assert first["problem"]["code"].startswith("provider.")
        assert first["usage"]["calls"] == 0
        assert (await InProcess().run(root, "Hello"))[-1]["outcome"] == "done"


BOSS = """
from vespiary_sdk import Actor, agents, messaging, on


class Boss(Actor):
    @on("vespiary.agent.message")
    async def asked(self, message):
        for _ in range(2):
            await agents.spawn("helper", "Help")

    @on("vespiary.agent.done", extent="subtree")
    async def done(self, message):
        self.seen = [*getattr(self, "seen", []), message.payload.get("problem", {}).get("code", "ok")]
        if len(self.seen) == 2:
            messaging.send("vespiary.agent.done", {"outcome": "done", "text": " ".join(sorted(self.seen))})
"""


@requirement("budgets:children", "budgets:usage-told")
async def test_all_instances_of_a_child_agent_share_its_budget(tmp_path: Path) -> None:
    helper = '[agents.helper]\nactors = ["assistant"]\n[agents.helper.budget]\ntokens_per_run = 6_000\n'
    async with FakeOpenAI(lambda _: say("ok", usage=counted(5_000, 10))) as server:
        agent = 'actors = ["boss.py"]\n[agents.coder.grants]\nagents = "allow"'
        root = served(tmp_path, server, helper, agent=agent, boss_py=BOSS)
        events = await InProcess().run(root, "Go")
        assert server.calls == 1
    assert events[-1]["text"] == "budget.tokens-per-run ok"
    assert [each["agent"] for each in events[-1]["agents"]] == ["helper"]
    assert events[-1]["usage"]["inputTokens"] == 5_000


@requirement("budgets:prices")
async def test_a_limit_on_cost_says_when_a_price_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint is on this machine by a name that does not say so."""
    async with FakeOpenAI([say("ok")]) as server:
        root = served(tmp_path, server, "[budget]\ncost_per_run = 0.0\n")
        path = root / "vespiary.toml"
        other = f"http://0.0.0.0:{server.port}/v1"
        path.write_text(path.read_text(encoding="utf-8").replace(server.base_url, other), encoding="utf-8", newline="")
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        events = await InProcess().run(root, "Hello")
    assert events[-1]["outcome"] == "done", events[-1]
    assert events[-1]["usage"]["unpricedCalls"] == 1
    (note,) = budget_notes(events)
    assert "The price of the model 'default' is not known" in note


@requirement("budgets:before-each-call")
async def test_the_request_itself_is_not_changed_by_a_budget(tmp_path: Path) -> None:
    bodies: list[str] = []

    def answer(asked: Asked) -> Reply:
        bodies.append(json.dumps({key: value for key, value in asked.body.items() if key != "messages"}))
        return say("ok")

    async with FakeOpenAI(answer) as server:
        for name, budget in (("a", ""), ("b", "[budget]\ntokens_per_call = 50_000\n")):
            await InProcess().run(served(tmp_path / name, server, budget), "Hello")
    assert bodies[0] == bodies[1]
