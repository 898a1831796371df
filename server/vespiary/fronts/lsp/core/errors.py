"""Failures of the connection. Knows JSON-RPC's numbers; does not know pygls, so that it costs nothing to import."""

from typing import Any

from vespiary.model.errors import VespiaryError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32002
REQUEST_CANCELLED = -32800
REQUEST_FAILED = -32803


class ClientGone(VespiaryError):
    """The client closed the connection, or there is none yet."""

    code = "client.gone"

    def __init__(self, message: str = "The editor is no longer connected.") -> None:
        super().__init__(message)


class Rejected(Exception):
    """A message that is answered with an error without reaching a handler."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def error_body(code: int, message: str, data: Any = None) -> dict[str, Any]:
    """The `error` member of an answer."""
    return {"code": code, "message": message} if data is None else {"code": code, "message": message, "data": data}
