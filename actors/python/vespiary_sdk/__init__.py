"""What the author of an actor imports: the class to derive from, two decorators, and what the host does for actors.

The same code runs inside WebAssembly and natively, where `vespiary_sdk.testing` plays the host. Nothing here imports the rest of
Vespiary.
"""

from asyncio import sleep

from vespiary_sdk import agents, command, context, http, llm, log, messaging, workspace
from vespiary_sdk._actor import Actor, Message, on
from vespiary_sdk._tools import tool
from vespiary_sdk.errors import ActorError, CapabilityError, ToolError

__all__ = [
    "Actor",
    "ActorError",
    "CapabilityError",
    "Message",
    "ToolError",
    "agents",
    "command",
    "context",
    "http",
    "llm",
    "log",
    "messaging",
    "on",
    "sleep",
    "tool",
    "workspace",
]
