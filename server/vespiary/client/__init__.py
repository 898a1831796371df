"""A Python client: starts the server for a folder, gives tasks to agents and applies their edits. For scripts and tests.

Knows the protocol (`vespiary.protocol`) and the Language Server Protocol as far as it needs it; knows nothing of how the server
works, and imports no language server library.

    async with Client.launch("path/to/project") as client:
        info = await client.run("Fix the failing test")
        print(info.outcome, info.text)
"""

from vespiary.client.buffers import Buffer
from vespiary.client.client import Client, Run
from vespiary.client.connection import ConnectionClosed, ServerError

__all__ = ["Buffer", "Client", "ConnectionClosed", "Run", "ServerError"]
