"""The agents capability: making and ending other agents of the same run. The run does the work; grants decide here."""

from vespiary.capabilities.ports import RunPort
from vespiary.capabilities.requests import Fields
from vespiary.model.errors import RequestRefused
from vespiary.model.grants import Grant
from vespiary.model.ids import Scope, is_scope
from vespiary.model.steps import Caller
from vespiary.model.wire import to_json

AREA = "agents"
_MOST_PROMPT = 1_000_000


class AgentsCapability:
    """Implements `runtime.capability.Capability` for agents."""

    def __init__(self, run: RunPort) -> None:
        self._run = run

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Answer one request as `wit/agents.wit` says."""
        fields = Fields.parse(AREA, payload)
        op = fields.choice("op", ("spawn", "stop"))
        policy = self._run.policy(caller.scope)
        if policy.grants.agents is not Grant.ALLOW:
            raise RequestRefused(
                f"The agent {policy.agent!r} may not make or end agents: its grant `agents` is {policy.grants.agents.value}.",
                code="agents.denied",
                hint=f'Set `[agents.{policy.agent}.grants] agents = "allow"` in vespiary.toml; '
                "a file that came with the repository counts only after `vespiary trust`.",
            )
        if op == "stop":
            scope = fields.text("scope")
            fields.done()
            if not is_scope(scope):
                fields.refuse(f"{scope[:40]!r} is no scope: that is six letters or digits.")
            await self._run.stop(caller, Scope(scope))
            return to_json({})
        name = fields.text("agent", empty=False, longest=64)
        prompt = fields.text("prompt", longest=_MOST_PROMPT) if fields.has("prompt") else None
        fields.done()
        scope, name = await self._run.spawn(caller, name, prompt)
        return to_json({"scope": scope, "name": name})

    def repeatable(self, payload: str) -> bool:
        """All are: the run makes one child for each request, however often it is asked, and a child ends once."""
        return True
