"""Facts that the host decides. They stay the same for the whole step, so that a step can be repeated."""

import json
from dataclasses import dataclass

from vespiary_sdk._runtime import current


@dataclass(frozen=True, slots=True)
class Host:
    """The system that the host runs on. `os` is `linux`, `macos` or `windows`; `version` is Vespiary's."""

    os: str
    arch: str
    version: str


def now() -> int:
    """The time of this step in nanoseconds since the epoch. `time.time()` and `datetime.now()` agree with it."""
    return current().port.now()


def random(count: int) -> bytes:
    """Random bytes (at most 65,536) from this step's seed. The modules `random`, `secrets` and `uuid` draw from it too."""
    return current().port.random(count)


def scope() -> str:
    """The scope of the actor's agent."""
    return current().port.scope()


def self_id() -> str:
    """The actor's own id, `<scope>/<name>`."""
    return current().port.self_id()


def host() -> Host:
    """What the actor may know of the host."""
    facts = json.loads(current().port.host())
    return Host(str(facts.get("os", "")), str(facts.get("arch", "")), str(facts.get("version", "")))
