"""The tools of the agent, and the calls of them that are under way. Pure: sends nothing."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any, cast

from assistant_history import Call
from vespiary_sdk import log

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


class Offer:
    """What tools there are, as the host told when all actors were ready."""

    def __init__(self, tools: object = ()) -> None:
        self.specs: list[dict[str, Any]] = []
        """As the model gets them, always in the same order: providers cache what stays the same."""
        self.owners: dict[str, str] = {}
        """Which actor runs which tool, as far as is known."""
        for tool in cast("list[object]", tools) if isinstance(tools, list) else []:
            self._add(tool)
        self.specs.sort(key=lambda spec: spec["name"])
        self.names = [spec["name"] for spec in self.specs]

    def runs(self, actor: str, tool: str) -> bool:
        """Whether the actor of that name runs the tool, as far as is known: whoever has not answered yet might be anybody."""
        return self.owners.get(tool, actor) == actor

    def learn(self, actor: str, tool: str) -> None:
        """The actor of that name has answered for a tool."""
        self.owners[tool] = actor

    def _add(self, tool: object) -> None:
        if not isinstance(tool, Mapping):
            return
        given = cast("Mapping[str, Any]", tool)
        name, parameters = given.get("name"), given.get("parameters")
        if isinstance(parameters, str):
            try:
                parameters = json.loads(parameters)
            except ValueError:
                parameters = None
        if not isinstance(name, str) or not _NAME.match(name) or not isinstance(parameters, dict):
            # The host would refuse every model call that offers it.
            log.warn(f"A tool without a proper name or a schema is left out: {given!r:.200}")
        elif any(spec["name"] == name for spec in self.specs):
            log.warn(f"Two actors offer a tool called {name}; the first is taken.")
        else:
            self.specs.append(
                {"name": name, "description": str(given.get("description", "")), "parameters": parameters}
            )
            if isinstance(owner := given.get("actor"), str):
                self.owners[name] = owner


class Pending:
    """Calls that wait for their results."""

    def __init__(self) -> None:
        self._calls: dict[str, tuple[Call, asyncio.Future[tuple[bool, str]]]] = {}

    def open(self, call: Call) -> "asyncio.Future[tuple[bool, str]]":
        """Expect a result. The future gives whether it went well, and the text for the model."""
        future: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
        self._calls[call.id] = (call, future)
        return future

    def settle(self, id: str, ok: bool, content: str) -> Call | None:
        """Give a call its result; none when nobody waits for it (any more)."""
        call, future = self._calls.pop(id, (None, None))
        if future is not None and not future.done():
            future.set_result((ok, content))
        return call

    def calls(self) -> list[Call]:
        """The calls that still wait, in the order in which they were made."""
        return [call for call, _ in self._calls.values()]
