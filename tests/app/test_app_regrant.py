"""An interrupted run goes on with no more than it began with, and no more than it is granted today."""

from pathlib import Path

from ledger import requirement
from vespiary.app.regrant import regranted
from vespiary.config import AgentConfig, Config, GrantsConfig
from vespiary.model.grants import Grant

ALLOW, DENY = Grant.ALLOW, Grant.DENY


def config(**agents: GrantsConfig) -> Config:
    return Config(root=Path("/w"), models={}, agents={name: AgentConfig(grants=each) for name, each in agents.items()})


@requirement("app:resume-grants")
def test_power_that_was_taken_back_is_gone_and_new_power_does_not_come() -> None:
    begun = config(
        coder=GrantsConfig(command=ALLOW, http=ALLOW, hosts=("a.example", "b.example")),
        gone=GrantsConfig(command=ALLOW),
    )
    today = config(coder=GrantsConfig(write=DENY, http=ALLOW, agents=ALLOW, hosts=("b.example", "c.example")))
    now = regranted(begun, today)
    coder = now.agents["coder"].grants
    assert (coder.read, coder.write, coder.command, coder.http, coder.agents) == (ALLOW, DENY, DENY, ALLOW, DENY)
    assert coder.hosts == ("b.example",)
    gone = now.agents["gone"].grants
    assert {gone.read, gone.write, gone.command, gone.http, gone.agents} == {DENY}
