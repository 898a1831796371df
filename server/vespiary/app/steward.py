"""What the capabilities may know of a run, and how they tell it what they did: the app's side of `RunPort`."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vespiary.app.meter import open_account
from vespiary.app.prices import Prices
from vespiary.app.run import Run
from vespiary.capabilities.ports import CallAccount, Noted, Policy
from vespiary.model import vocabulary
from vespiary.model.errors import RequestRefused
from vespiary.model.events import EventBody
from vespiary.model.grants import Grant, Grants
from vespiary.model.ids import RunId, Scope
from vespiary.model.runs import FileChanged
from vespiary.model.steps import Caller
from vespiary.model.wire import to_json

if TYPE_CHECKING:
    from vespiary.app.runs import Runs
    from vespiary.config import Config
    from vespiary.runtime.colony import Colony

FILE = "file"
"""The note that a run changed a file: path, change, former path, and the actor and request that did."""

INTENT = "intent"
"""The note that a change is about to be made: actor, request, and the answer that it will get."""

_ORDER = (Grant.DENY, Grant.ASK, Grant.ALLOW)


class Steward:
    """Answers for all runs of one workspace."""

    def __init__(
        self, find: Callable[[RunId], Run | None], colony: Callable[[], "Colony"], now: Callable[[], int]
    ) -> None:
        self._find = find
        self._colony = colony
        self._prices = Prices(now)

    def policy(self, scope: Scope) -> Policy:
        """The agent's own policy, never wider than that of any agent above it."""
        colony = self._colony()
        run = self._run(colony.run_of(scope))
        name = colony.agent_name(scope)
        _, agent = run.config.agent(name)
        grants = agent.grants.value()
        above = colony.parent(scope)
        if above is not None:
            grants = narrowed(grants, self.policy(above).grants)
        return Policy(
            run=run.id,
            agent=name,
            grants=grants,
            mode=run.mode,
            model=run.config.model_of(name),
            models=frozenset(agent.models),
        )

    def tell(self, caller: Caller, body: EventBody) -> None:
        """Tell the listeners of the caller's run."""
        run = self._find(caller.run)
        if run is not None:
            run.tell(body, caller.scope, caller.agent)

    async def account(self, caller: Caller, model: str, size: int, max_tokens: int | None) -> CallAccount:
        """Ask the budgets of the caller's run and agent."""
        return await open_account(self._run(caller.run), caller, self._prices, model, size, max_tokens)

    async def intend(self, caller: Caller, answer: str) -> None:
        """Note a change that is about to be made."""
        request = (caller.actor, caller.request)
        await self._colony().note(caller.run, INTENT, [*request, answer], until=request)

    async def changed(self, caller: Caller, file: FileChanged) -> None:
        """Note a changed file."""
        run = self._find(caller.run)
        if run is not None:
            run.files.add(file)
            data = [file.path, file.change.value, file.was, caller.actor, caller.request]
            await self._colony().note(run.id, FILE, data)

    def noted(self, caller: Caller) -> Noted | None:
        """What an earlier process noted of a request."""
        run = self._find(caller.run)
        return run.noted.get((caller.actor, caller.request)) if run is not None else None

    async def spawn(self, caller: Caller, agent: str, prompt: str | None) -> tuple[Scope, str]:
        """Make a child of the caller's agent, once for each request."""
        run = self._run(caller.run)
        first = [] if prompt is None else [(vocabulary.AGENT_MESSAGE, to_json({"role": "user", "text": prompt}))]
        scope = await self._colony().spawn(
            run.cast.spec(agent),
            run=run.id,
            parent=caller.scope,
            cause=(caller.actor, caller.request),
            first=first,
        )
        return scope, agent

    async def stop(self, caller: Caller, scope: Scope) -> None:
        """End a descendant."""
        colony = self._colony()
        if caller.again and colony.run_of(scope) is None:
            return  # ended before the crash that lost the answer
        if scope not in set(colony.descendants(caller.scope)):
            raise RequestRefused(f"{scope} is not an agent below this one.", code="agents.scope")
        await colony.stop(scope, f"{caller.agent} stopped it")

    def _run(self, run_id: RunId | None) -> Run:
        run = self._find(run_id) if run_id is not None else None
        if run is None:
            raise RequestRefused("The run has ended.", code="run.ended")
        return run


class Configs:
    """The configurations of the runs: each run keeps the one that it was started with."""

    def __init__(self, runs: "Runs") -> None:
        self._runs = runs

    def of_run(self, run_id: RunId) -> "Config":
        """The configuration of a living run. Raises `RequestRefused`."""
        run = self._runs.living(run_id)
        if run is None:
            raise RequestRefused("The run has ended.", code="run.ended")
        return run.config

    def secret_names(self) -> set[str]:
        """The environment variables that hold keys, as any living run's configuration says: commands do not see them.

        Also the one that is read where none is named.
        """
        named = {
            model.api_key_env
            for run in self._runs.all_living()
            for model in run.config.models.values()
            if model.api_key_env is not None
        }
        return {*named, "OPENAI_API_KEY"}


def narrowed(own: Grants, above: Grants) -> Grants:
    """What both allow."""

    def less(one: Grant, other: Grant) -> Grant:
        return min(one, other, key=_ORDER.index)

    return Grants(
        read=less(own.read, above.read),
        write=less(own.write, above.write),
        command=less(own.command, above.command),
        http=less(own.http, above.http),
        agents=less(own.agents, above.agents),
        hosts=tuple(host for host in own.hosts if host in above.hosts),
    )
