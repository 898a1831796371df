"""Tests for actors without WebAssembly: the same class on ordinary Python, with a host that a test controls.

host = FakeHost(Files, workspace={"a.txt": "one\\n"})
assert host.call("read_file", path="a.txt").content == "one\\n"
"""

from vespiary_sdk.testing._host import FakeHost, HandlerFailed
from vespiary_sdk.testing._values import Line, Request, Sent, ToolResult, completion
from vespiary_sdk.testing._workspace import FakeWorkspace, content_hash

__all__ = [
    "FakeHost",
    "FakeWorkspace",
    "HandlerFailed",
    "Line",
    "Request",
    "Sent",
    "ToolResult",
    "completion",
    "content_hash",
]
