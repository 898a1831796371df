"""Code actions: "Fix with coder" on diagnostics, "Ask coder ..." on a selection.

Knows how a place becomes the argument of a command; does not run anything.
"""

from typing import Any

from vespiary import protocol
from vespiary.fronts.lsp.core import types

ASK_KIND = "refactor.rewrite.vespiary"
KINDS = (types.CodeActionKind.QuickFix.value, ASK_KIND)

Json = dict[str, Any]


def wants(params: types.CodeActionParams) -> bool:
    """Whether there may be an action at all: something is selected, or something is wrong, and the client wants such actions."""
    return _fixes(params) or _asks(params)


def actions(params: types.CodeActionParams, agent: str, *, literals: bool) -> list[types.CodeAction | types.Command]:
    """The actions that the agent called `agent` offers. `literals`: the client knows more than plain commands."""
    uri = params.text_document.uri
    found: list[types.CodeAction] = []
    if _fixes(params):
        diagnostics = params.context.diagnostics
        context = {
            "uri": uri,
            "range": _range(params.range),
            "diagnostics": [_diagnostic(item) for item in diagnostics],
        }
        argument = {"agent": agent, "context": context}
        command = types.Command(f"Fix with {agent}", protocol.FIX_DIAGNOSTIC.name, arguments=[argument])
        found.append(
            types.CodeAction(
                command.title, kind=types.CodeActionKind.QuickFix, diagnostics=diagnostics, command=command
            )
        )
    if _asks(params):
        argument = {"agent": agent, "context": {"uri": uri, "range": _range(params.range)}}
        command = types.Command(f"Ask {agent} ...", protocol.ASK_AGENT.name, arguments=[argument])
        found.append(types.CodeAction(command.title, kind=ASK_KIND, command=command))
    return list(found) if literals else [action.command for action in found if action.command is not None]


def _fixes(params: types.CodeActionParams) -> bool:
    return bool(params.context.diagnostics) and _wanted(types.CodeActionKind.QuickFix.value, params.context.only)


def _asks(params: types.CodeActionParams) -> bool:
    start, end = params.range.start, params.range.end
    return (start.line, start.character) != (end.line, end.character) and _wanted(ASK_KIND, params.context.only)


def _wanted(kind: str, only: Any) -> bool:
    """Kinds are hierarchical: who asks for `refactor` gets `refactor.rewrite` too."""
    if only is None:
        return True
    names = [str(getattr(item, "value", item)) for item in only]
    return any(name == "" or kind == name or kind.startswith(f"{name}.") for name in names)


def _range(value: types.Range) -> Json:
    return {
        "start": {"line": value.start.line, "character": value.start.character},
        "end": {"line": value.end.line, "character": value.end.character},
    }


def _diagnostic(value: types.Diagnostic) -> Json:
    severity = int(value.severity) if value.severity is not None else None
    found = {"severity": severity, "source": value.source, "code": value.code}
    return {
        "message": value.message,
        "range": _range(value.range),
        **{key: item for key, item in found.items() if item is not None},
    }
