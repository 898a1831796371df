"""The lazily made types against the plain ones, and alarms for everything private that is relied upon."""

# ruff: noqa: E501

import hashlib
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from ledger import requirement

DESCRIBE = """
import attrs, inspect, json, sys, typing
from lsprotocol import types
from lsprotocol.converters import get_converter
get_converter()  # Resolves the forward references of the plain ones.
made = {}
for name, cls in sorted(vars(types).items()):
    if isinstance(cls, type) and attrs.has(cls):
        fields = [
            (f.name, repr(f.type), repr(f.default), repr(f.validator), f.init, f.kw_only, repr(f.converter), f.eq, f.repr)
            for f in attrs.fields(cls)
        ]
        methods = [cls.__hash__ is None, cls.__doc__, cls.__module__, cls.__qualname__, list(cls.__match_args__)]
        made[name] = [fields, str(inspect.signature(cls)), methods, cls is types.ALL_TYPES_MAP.get(name)]
print(json.dumps(made))
"""

ROUND_TRIP = """
import json
from lsprotocol import types
from lsprotocol.converters import get_converter
c = get_converter()
p = {"processId": 1, "rootUri": None, "workspaceFolders": [{"uri": "file:///a", "name": "a"}], "capabilities": {
    "workspace": {"workspaceEdit": {"documentChanges": True, "resourceOperations": ["create"]}, "symbol": {"symbolKind": {"valueSet": [1, 2]}}},
    "textDocument": {"codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["", "quickfix"]}}}},
    "general": {"positionEncodings": ["utf-8", "utf-16"]}, "experimental": {"a": [1, None]}}}
v = c.structure(p, types.InitializeParams)
e = types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri="u", version=None),
    [types.AnnotatedTextEdit(annotation_id="a", range=types.Range(types.Position(0, 1), types.Position(2, 3)), new_text="x")]),
    types.CreateFile(uri="u")])
assert v == c.structure(p, types.InitializeParams) and types.Position(0, 1) < types.Position(1, 0)
print(json.dumps([c.unstructure(v), c.unstructure(e), repr(v), repr(e)]))
"""


def run(code: str) -> Any:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(re.sub(r" at 0x[0-9a-f]+", "", done.stdout))


LAZILY = "from vespiary.fronts.lsp.core import lazy; assert lazy.import_types()\n"


@requirement("core:lazy-types")
@pytest.mark.parametrize("code", [DESCRIBE, ROUND_TRIP], ids=["every class", "a round trip"])
def test_lazily_made_types_equal_the_plain_ones(code: str) -> None:
    plain, lazily = run(code), run(LAZILY + code)
    assert plain == lazily
    if code is DESCRIBE:
        assert len(plain) > 500


@requirement("core:lazy-types")
@pytest.mark.parametrize(
    "spoil",
    [
        "lazy._check = lambda *a: 1 / 0",
        "lazy._HOOKS = 'lsprotocol.no_such_module'",
        "import attrs; attrs.resolve_types = None",
    ],
)
def test_whatever_is_wrong_with_the_shortcut_leads_to_the_plain_import(spoil: str) -> None:
    restore = "import attr; attrs.resolve_types = attr.resolve_types" if "resolve" in spoil else ""
    start = f"from vespiary.fronts.lsp.core import lazy\n{spoil}\nassert lazy.import_types() is False\n{restore}\n"
    assert run(start + ROUND_TRIP) == run(ROUND_TRIP)


@requirement("core:lazy-types")
def test_types_that_were_imported_before_are_used_as_they_are() -> None:
    code = "import lsprotocol.types as t; from vespiary.fronts.lsp.core import upstream as u; import json; "
    assert run(code + "print(json.dumps([u.LAZY, u.types is t]))") == [False, True]


RELIED_UPON = {
    "lsprotocol._hooks:_resolve_forward_references": "47cccd155d98",
    "lsprotocol._hooks:register_hooks": "e78f92e2cd25",
    "pygls.feature_manager:FeatureManager": "31287a21aba5",
    "pygls.feature_manager:wrap_with_server": "f3f1723851c3",
    "pygls.lsp.server:LanguageServer": "3e5b4dde02af",
    "pygls.progress:Progress": "663150089477",
    "pygls.protocol.json_rpc:JsonRPCProtocol": "0cea5d6eb43e",
    "pygls.protocol.language_server:LanguageServerProtocol": "00cf2b0dadf3",
    "pygls.server:JsonRPCServer": "b5906dc4e410",
    "pygls.workspace.workspace:Workspace.__init__": "0c1af08b2cb2",
    "pygls.workspace.workspace:Workspace._create_text_document": "4d73a262e5b5",
    "pygls.workspace.workspace:Workspace.get_text_document": "597c99a8acdb",
}
"""What is overridden or relied upon, and the hash of its source. When one differs: read what changed, adapt the core, note the new hash."""


def source_hash(name: str) -> str:
    module, _, path = name.partition(":")
    value: Any = importlib.import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return hashlib.blake2b(inspect.getsource(value).encode(), digest_size=6).hexdigest()


@requirement("core:upstream")
@pytest.mark.parametrize("name", RELIED_UPON)
def test_what_is_relied_upon_is_as_it_was(name: str) -> None:
    assert source_hash(name) == RELIED_UPON[name]


@requirement("core:upstream")
def test_the_versions_are_the_pinned_ones() -> None:
    assert (importlib.metadata.version("pygls"), importlib.metadata.version("lsprotocol")) == ("2.1.1", "2025.0.0")


BARE = """
import asyncio, json
from pygls.lsp.server import LanguageServer
from pygls.protocol import default_converter
server = LanguageServer("bare", "1")
@server.feature("workspace/didChangeConfiguration")
async def changed(params): ...
async def main():
    server.protocol.set_writer(type("W", (), {"write": lambda self, data: None, "close": lambda self: None})())
    for _ in range(5):
        server.protocol._handle_notification("workspace/didChangeConfiguration", None)
    await asyncio.sleep(0.01)
    class_of = server.protocol.structure_message({"jsonrpc": "2.0", "id": 1, "method": "x/y", "params": {"bad-key": 1}})
    print(json.dumps([len(server.protocol._request_futures), list(class_of.params._fields)]))
asyncio.run(main())
"""


@requirement("core:upstream")
def test_pygls_still_has_the_defects_that_are_worked_around() -> None:
    """When this fails, upstream has mended something: look whether the core can shrink."""
    assert run(BARE) == [5, ["_0"]]
