"""Writes `docs/protocol.md` from `protocol.py`: run `python -m vespiary.protocol_doc` after every change there.

Knows how declarations read as Markdown. A test fails when the document is not what this module would write.
"""

import ast
import inspect
import sys
import textwrap
import types
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from vespiary import protocol
from vespiary.model.wire import camel

TARGET = Path(__file__).parents[2] / "docs" / "protocol.md"

INTRODUCTION = """\
# The protocol

<!-- Written by `python -m vespiary.protocol_doc` from `server/vespiary/protocol.py`. Do not edit. -->

Vespiary speaks the Language Server Protocol 3.17 over standard input and output (`vespiary serve`) or TCP (`vespiary serve --tcp
HOST:PORT`). This page lists what it adds. `vespiary.client` is a Python client for all of it.

- Documents are named by their URI. Positions are LSP positions in the encoding that `initialize` negotiated.
- Parameters with unknown fields are refused, so that a misspelt one is heard of. Results and events may grow fields: ignore what
  you do not know. A field that has no value is absent.
- A request that cannot be meant fails with `-32602` (invalid params), one that fails for another reason with `-32803` (request
  failed). `error.data` is a `Problem`, whose `code` is stable.
- Edits come by `workspace/applyEdit` for documents that are open, in one undo step each, and are confirmed by what the client then
  says the text is. Files that are not open are changed on disk.
- Every run is a work-done progress, if the client supports `window/workDoneProgress/create`; cancelling it cancels the run.
- Runs are kept in the workspace's journal. One that its server did not live to end is interrupted. When a workspace with such runs
  opens, the person is asked by `window/showMessageRequest` whether to resume or discard each; no answer, or one that was not
  offered, changes nothing. `shutdown` interrupts the runs that go on.
"""


def document() -> str:
    """The whole document."""
    parts = [INTRODUCTION, "## Options of `initialize`\n", _table(protocol.InitializationOptions)]
    parts.append("## Requests\n")
    for method in protocol.METHODS:
        parts += [f"### `{method.name}`\n", method.doc + "\n", "Parameters:\n", _table(method.params)]
        parts.append(f"Result: {_link(method.result) if method.result is not None else 'null'}.\n")
    parts.append(_commands())
    parts.append(_events())
    parts.append("## Values\n")
    for cls in _values():
        parts += [f"### {cls.__name__}\n", _doc(cls) + "\n", _table(cls)]
    return "\n".join(parts)


def _commands() -> str:
    lines = [
        "## Commands of `workspace/executeCommand`\n",
        "Every one takes at most one argument, an object. None needs a plugin; in Neovim, for example:\n",
        "```lua\nvim.lsp.get_clients({ name = 'vespiary' })[1]:exec_cmd({\n"
        "  title = 'Ask', command = 'vespiary.run', arguments = { { prompt = 'Fix the failing test' } },\n})\n```\n",
    ]
    for command in protocol.COMMANDS:
        results = " or ".join(_link(cls) for cls in command.result) or "null"
        lines += [f"### `{command.name}`: {command.title}\n", command.doc + "\n", "Argument:\n", _table(command.params)]
        lines.append(f"Result: {results}.\n")
    return "\n".join(lines)


def _events() -> str:
    lines = [
        f"## The notification `{protocol.EVENT}`\n",
        "What a run tells, from the server to the client, numbered per run from 1 without gaps. Every event is one flat object with"
        " these fields:\n",
        "| Field | Type | Meaning |\n| --- | --- | --- |\n"
        "| `runId` | string | The run. |\n"
        "| `seq` | number | Its number within the run. |\n"
        "| `time` | number | Seconds since the epoch. |\n"
        "| `scope` | string | The scope of the agent that it is about. |\n"
        "| `agent` | string | The name of that agent. |\n"
        "| `kind` | string | Which event it is; the further fields depend on it: |\n",
    ]
    for cls in protocol.EVENTS:
        lines += [f"### `{cls.kind}`\n", _doc(cls) + "\n", _table(cls)]
    return "\n".join(lines)


def _table(cls: type[Any]) -> str:
    """The fields of parameters with their defaults, of everything else with whether they are always there."""
    hints = get_type_hints(cls)
    docs = _field_docs(cls)
    given = hasattr(cls, "__pydantic_config__")
    rows = [
        f"| `{camel(item.name)}` | {_type(hints[item.name])} | {_default(item) if given else _presence(hints[item.name])} "
        f"| {docs.get(item.name, '')} |"
        for item in fields(cls)
    ]
    if not rows:
        return "None.\n"
    return "\n".join(
        [f"| Field | Type | {'Default' if given else 'Present'} | Meaning |", "| --- | --- | --- | --- |", *rows, ""]
    )


def _presence(hint: Any) -> str:
    return "if there is one" if type(None) in get_args(hint) else "always"


def _default(item: "Field[Any]") -> str:
    if item.default is MISSING and item.default_factory is MISSING:
        return "required"
    value = item.default if item.default is not MISSING else None
    if isinstance(value, Enum):
        return f"`{value.value}`"
    if value is None or value == () or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(hint: Any) -> str:
    if hint is type(None):
        return ""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(part for part in (_type(arg) for arg in get_args(hint)) if part)
    if origin is tuple:
        return f"array of {_type(get_args(hint)[0])}"
    plain: Any = getattr(hint, "__supertype__", hint)
    cls: type[Any] = plain
    if issubclass(cls, Enum):
        return ", ".join(f"`{member.value}`" for member in cls)
    if is_dataclass(cls):
        return _link(cls)
    return {str: "string", int: "number", float: "number", bool: "boolean"}[cls]


def _link(cls: type[Any]) -> str:
    return f"[{cls.__name__}](#{cls.__name__.lower()})"


def _doc(cls: type[Any]) -> str:
    return " ".join((inspect.getdoc(cls) or "").split())


def _field_docs(cls: type[Any]) -> dict[str, str]:
    """The text that stands below each field in the source."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).split()).replace("|", "\\|")
    return found


def _values() -> list[type[Any]]:
    """Every dataclass that the tables above name, in the order in which they are first named."""
    found: dict[type[Any], None] = {}

    def visit(cls: type[Any]) -> None:
        for inner in _named(cls):
            if inner not in found:
                found[inner] = None
                visit(inner)

    for method in protocol.METHODS:
        visit(method.params)
        if method.result is not None:
            found.setdefault(method.result)
            visit(method.result)
    for command in protocol.COMMANDS:
        visit(command.params)
        for result in command.result:
            found.setdefault(result)
            visit(result)
    for event in protocol.EVENTS:
        visit(event)
    return list(found)


def _named(cls: type[Any]) -> Iterator[type[Any]]:
    def within(hint: Any) -> Iterator[type[Any]]:
        if get_origin(hint) is ClassVar:
            return
        if is_dataclass(hint) and isinstance(hint, type):
            yield hint
        for arg in get_args(hint):
            yield from within(arg)

    for name, hint in get_type_hints(cls).items():
        if name in {item.name for item in fields(cls)}:
            yield from within(hint)


def main() -> None:
    """Write the document."""
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(document(), encoding="utf-8", newline="\n")
    sys.stderr.write(f"Wrote {TARGET}\n")


if __name__ == "__main__":
    main()
