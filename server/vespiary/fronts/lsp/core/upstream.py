"""Everything that is taken from pygls and lsprotocol, in one place, imported the fast way.

The only module of the server that imports them; the rest imports from here. Private names that are relied upon are guarded by
`tests/lsp_core/test_lsp_core_upstream.py`.
"""

# ruff: noqa: E402 - the order is the point

from typing import Any

from vespiary.fronts.lsp.core.lazy import import_types

LAZY = import_types()
"""Whether lsprotocol's classes are made lazily."""

import cattrs
from lsprotocol import converters, types
from pygls import feature_manager
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer
from pygls.progress import Progress
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.workspace import TextDocument, Workspace

__all__ = [
    "LAZY",
    "JsonRpcException",
    "JsonRpcInvalidParams",
    "LanguageServer",
    "LanguageServerProtocol",
    "Progress",
    "TextDocument",
    "Workspace",
    "lsp_method",
    "make_converter",
    "types",
    "wants_thread",
]


def make_converter() -> cattrs.Converter:
    """Between plain data and lsprotocol's values. One error of a value is enough: collecting them all makes the start slower."""
    return converters.get_converter(cattrs.Converter(detailed_validation=False))


def wants_thread(handler: Any) -> bool:
    """Whether a handler was marked with `@server.thread()`."""
    return bool(feature_manager.is_thread_function(handler))
