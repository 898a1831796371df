"""What an agent may do. Absent means no.

Knows the three answers and which capability has which. Does not decide about a request: the capabilities do that.
"""

from dataclasses import dataclass
from enum import StrEnum


class Grant(StrEnum):
    """The answer to a kind of request. `ask` needs somebody to ask; where there is nobody it means `deny`."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Grants:
    """An agent's grants. `hosts` are exact host names (`example.org`, `127.0.0.1:8080`) that `http` may reach."""

    read: Grant = Grant.ALLOW
    write: Grant = Grant.ALLOW
    command: Grant = Grant.DENY
    http: Grant = Grant.DENY
    agents: Grant = Grant.DENY
    hosts: tuple[str, ...] = ()
