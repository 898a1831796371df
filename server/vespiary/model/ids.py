"""Names of things: scopes, actors, runs.

Knows their syntax. Does not know where they are kept, and takes its randomness from the caller, so that a replayed
run names the same things again.
"""

import random
import re
import string
from typing import NewType

Scope = NewType("Scope", str)
"""Six characters `[A-Za-z0-9]`: the actors that share it are one agent."""

ActorId = NewType("ActorId", str)
"""`<scope>/<actor name>`, for example `a1B2c3/files`. The host itself is `000000/host`."""

RunId = NewType("RunId", str)
"""Twelve characters `[a-z0-9]`: one task given to an agent."""

SYSTEM_SCOPE = Scope("000000")
HOST_ACTOR = ActorId("000000/host")

_ALNUM = string.ascii_letters + string.digits
_SCOPE = re.compile(r"[A-Za-z0-9]{6}\Z")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")


def is_scope(text: str) -> bool:
    """Whether the text has the form of a scope; it may still name none that lives."""
    return _SCOPE.match(text) is not None


def is_name(text: str) -> bool:
    """Whether the text may name an agent or an actor: a letter, then letters, digits, `_` or `-`, at most 64."""
    return _NAME.match(text) is not None


def actor_id(scope: Scope, name: str) -> ActorId:
    """The id of the actor called `name` in `scope`."""
    return ActorId(f"{scope}/{name}")


def scope_of(actor: ActorId) -> Scope:
    """The scope that an actor lives in."""
    return Scope(actor.partition("/")[0])


def name_of(actor: ActorId) -> str:
    """The actor's name within its scope."""
    return actor.partition("/")[2]


def new_scope(source: random.Random) -> Scope:
    """A random scope. The caller checks that it is not taken, and draws again if it is."""
    return Scope("".join(source.choices(_ALNUM, k=6)))


def new_run_id(source: random.Random) -> RunId:
    """A random run id."""
    return RunId("".join(source.choices(string.ascii_lowercase + string.digits, k=12)))


def correlate(parent: str | None, fresh: str) -> str:
    """The correlation id of a message sent while handling the message `parent` (`a:b` gives `b:<fresh>`)."""
    return f"{parent.rpartition(':')[2]}:{fresh}" if parent else f"root:{fresh}"
