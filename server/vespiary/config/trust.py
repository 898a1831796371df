"""Which workspaces a person trusts. A cloned `vespiary.toml` is somebody else's until then.

A workspace is trusted with one exact content of its file and of the files that it names, the actors and scripted models that act
with the power that it grants: a changed one must be trusted again, so neither a pull nor an agent that may write can hand itself
power. What is known is kept outside of the workspace, one small file per workspace, so that two processes never overwrite one
another's answer.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from vespiary.config.checks import is_path
from vespiary.config.errors import ConfigError
from vespiary.config.models import AgentConfig, Config, FileConfig, ModelConfig
from vespiary.model.grants import Grant, Grants
from vespiary.model.places import state_dir
from vespiary.providers.script import ScriptError, read_script

FILE_NAME = "vespiary.toml"
_DEFAULT_GRANTS = Grants()
_WIDTH = {Grant.DENY: 0, Grant.ASK: 1, Grant.ALLOW: 2}


def is_trusted(root: Path, content: bytes | None = None) -> bool:
    """Whether the workspace is trusted with this content of its file (by default, what is there now)."""
    place = root.resolve()
    current = _content(place) if content is None else content
    if current is None:
        return False
    try:
        known: Any = json.loads(_entry(place).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(known, dict):
        return False
    entry = cast("dict[str, Any]", known)
    return entry.get("root") == str(place) and entry.get("content") == _hash(place, current)


def trust(root: Path, content: bytes | None = None) -> None:
    """Trust the workspace with this content of its file (by default, what is there now). Raises `OSError`.

    Give the `workspace_file` of the configuration that the person was shown: the file may change while they read.
    """
    place = root.resolve()
    current = _content(place) if content is None else content
    if current is None:
        raise FileNotFoundError(place / FILE_NAME)
    entry = _entry(place)
    # On Windows the folder inherits the privacy of the user's own folder; the mode says it elsewhere.
    entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = json.dumps({"root": str(place), "content": _hash(place, current)})
    # mkstemp makes a file that only its owner can read.
    handle, temporary = tempfile.mkstemp(dir=entry.parent, prefix=".trust-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(entry)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def untrust(root: Path) -> bool:
    """Forget the workspace. Gives whether it was known."""
    try:
        _entry(root.resolve()).unlink()
    except FileNotFoundError:
        return False
    return True


def needs_trust(config: Config) -> list[str]:
    """What in the workspace's own file takes effect only in a trusted workspace: one line each, `key: why`."""
    return list(config.trust_needed)


def powers(file: FileConfig, root: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys of a workspace's file that widen power or send secrets and texts elsewhere, and why each does."""
    for name, model in file.models.items():
        yield from _model_powers(name, model, root)
    for name, agent in file.agents.items():
        yield from _agent_powers(name, agent, root)


def borrowed(config: Config, file: FileConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys of a workspace's file that reach for the power of agents of the person's own file, and how each does."""
    for name, agent in config.agents.items():
        if name in file.agents or (grant := _widest(agent)) is None:
            continue
        with contextlib.suppress(ConfigError):
            used = {config.model_of(name), *agent.models}
            for model in sorted(used & file.models.keys()):
                yield ("models", model), f"decides what your agent {name!r} does, which has the grant `{grant}`"
    name = file.default_agent
    if name is not None and name not in file.agents and (grant := _widest(config.agents[name])) is not None:
        yield ("default_agent",), f"gives every task to your agent {name!r}, which has the grant `{grant}`"


def cheapened(user: FileConfig, file: FileConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """The prices of a workspace's file by which a limit of cost in the person's own file would be counted."""
    budgets = [user.budget, *(agent.budget for agent in user.agents.values())]
    if any(budget is not None and budget.cost_per_run is not None for budget in budgets):
        for name, model in file.models.items():
            if model.price is not None:
                yield ("models", name, "price"), "says by what price your own cost_per_run is counted"


def _widest(agent: AgentConfig) -> str | None:
    """A grant of the agent beyond the default ones, if it has any."""
    wanted = agent.grants.value()
    for kind in ("command", "http", "agents", "write", "read"):
        grant: Grant = getattr(wanted, kind)
        if _WIDTH[grant] > _WIDTH[getattr(_DEFAULT_GRANTS, kind)]:
            return f"{kind} = {grant.value}"
    return None


def _model_powers(name: str, model: ModelConfig, root: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    if model.api_key_env is not None:
        yield ("models", name, "api_key_env"), f"reads the environment variable {model.api_key_env}"
    if model.base_url is not None and not is_loopback(model.base_url):
        host = urlsplit(model.base_url).hostname
        yield ("models", name, "base_url"), f"sends what agents read to {host}"
    if model.script is not None and not Path(model.script).resolve().is_relative_to(root.resolve()):
        yield ("models", name, "script"), "reads a file outside of the workspace"
    elif model.script is not None and _has_patterns(Path(model.script)):
        yield ("models", name, "script"), "matches regular expressions, which can keep this program busy for ever"


def _agent_powers(name: str, agent: AgentConfig, root: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    place = root.resolve()
    if any(is_path(actor) and not (place / actor).resolve().is_relative_to(place) for actor in agent.actors):
        yield ("agents", name, "actors"), "runs an actor from outside of the workspace"
    wanted = agent.grants.value()
    for kind in ("read", "write", "command", "http", "agents"):
        grant: Grant = getattr(wanted, kind)
        if _WIDTH[grant] > _WIDTH[getattr(_DEFAULT_GRANTS, kind)]:
            yield ("agents", name, "grants", kind), f"gives the agent the grant `{kind} = {grant.value}`"
    if wanted.hosts:
        yield ("agents", name, "grants", "hosts"), f"lets the agent reach {', '.join(wanted.hosts)}"


def _has_patterns(path: Path) -> bool:
    """Whether a script matches regular expressions. One that cannot be read fails by itself, when it is played."""
    try:
        script = read_script(path)
    except ScriptError:
        return False
    conditions = ((reply.user, reply.system, reply.result) for reply in script.replies)
    return any(condition is not None and condition.pattern is not None for each in conditions for condition in each)


def is_loopback(url: str) -> bool:
    """Whether the URL names this machine for certain: `localhost` or a loopback address."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _content(place: Path) -> bytes | None:
    try:
        return (place / FILE_NAME).read_bytes()
    except OSError:
        return None


def _hash(place: Path, content: bytes) -> str:
    """The identity of a file's content together with what it names."""
    whole = hashlib.blake2b(content, digest_size=32)
    for name in sorted(_named(content)):
        whole.update(b"\0" + name.encode("utf-8", "surrogatepass") + b"\0" + _digest(place / name))
    return whole.hexdigest()


def _named(content: bytes) -> set[str]:
    """The actors' files and the scripts that a file names, as it names them. Nothing for a file that is none."""
    try:
        file = FileConfig.model_validate(tomllib.loads(content.decode("utf-8-sig")))
    except (ValueError, RecursionError):  # what pydantic and tomllib raise are kinds of ValueError
        return set()
    actors = {actor for agent in file.agents.values() for actor in agent.actors if is_path(actor)}
    return actors | {model.script for model in file.models.values() if model.script}


def _digest(path: Path) -> bytes:
    try:
        # Not what one would wait for, as for a named pipe.
        if not path.is_file():
            return b"none"
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()
    except (OSError, ValueError):
        return b"none"


def _entry(place: Path) -> Path:
    name = hashlib.blake2b(str(place).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return state_dir() / "trust" / f"{name}.json"
