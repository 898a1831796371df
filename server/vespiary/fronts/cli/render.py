"""Events for a person at a terminal: text streams, tool calls and edits are lines of their own."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.text import Text

from vespiary.model.events import (
    ActorFailedEvent,
    EditEvent,
    EditState,
    LogEvent,
    RunEvent,
    RunFinished,
    RunStarted,
    Status,
    TextDelta,
    ToolEvent,
    ToolState,
)
from vespiary.model.runs import Mode, Outcome

CONTENT_LINES = 12
"""Lines of a tool's result that are shown."""

_LEVELS = {"debug": "dim", "info": "dim", "warn": "yellow", "error": "red"}


class Renderer:
    """Writes events to a console as they come."""

    def __init__(self, console: Console | None = None) -> None:
        self._out = console or Console(highlight=False, soft_wrap=True)
        self._in_text = False

    def show(self, event: RunEvent) -> None:
        """Write one event."""
        match event.body:
            case TextDelta(text):
                self._out.print(Text(text), end="")
                self._in_text = not text.endswith("\n")
            case RunStarted(agent, prompt, mode):
                note = " [dim](plan only)[/]" if mode is Mode.PLAN else ""
                self._line(f"[bold cyan]{escape(agent)}[/]{note} [dim]·[/] {escape(_first_line(prompt))}")
            case ToolEvent() as tool:
                self._tool(tool)
            case EditEvent() as edit:
                self._edit(edit)
            case LogEvent(level, actor, text) if level != "debug":
                self._line(f"[{_LEVELS.get(level, 'dim')}]{escape(actor)}: {escape(text)}[/]")
            case ActorFailedEvent(actor, problem, restarted):
                after = " It was restarted." if restarted else ""
                self._line(f"[red]{escape(actor)} failed: {escape(problem.message)}[/]{after}")
            case Status("retrying" | "restarted", detail):
                self._line(f"[yellow]{escape(detail or 'Trying again.')}[/]")
            case RunFinished() as end:
                self._end(end)
            case _:
                pass

    def _line(self, markup: str) -> None:
        if self._in_text:
            self._out.print()
            self._in_text = False
        self._out.print(markup)

    def _tool(self, tool: ToolEvent) -> None:
        if tool.state is ToolState.CALLED:
            self._line(f"[green]●[/] [bold]{escape(tool.name)}[/] [dim]{escape(_arguments(tool.arguments))}[/]")
        elif tool.state is ToolState.FAILED:
            self._line(f"  [red]✗ {escape(tool.name)}[/]")
            self._content(tool.content, "red")
        elif tool.state is ToolState.DONE and tool.name == "execute_bash":
            self._content(tool.content, "dim")

    def _content(self, content: str | None, style: str) -> None:
        lines = (content or "").rstrip().splitlines()
        if len(lines) > CONTENT_LINES:
            # What a command says last is what it came to.
            cut = len(lines) - CONTENT_LINES
            lines = [lines[0], f"… {cut} lines …", *lines[cut + 1 :]]
        for line in lines:
            self._line(f"    [{style}]{escape(line)}[/]")

    def _edit(self, edit: EditEvent) -> None:
        path = f"{edit.path} → {edit.to}" if edit.to else edit.path
        if edit.state is EditState.APPLIED:
            self._line(f"  [green]✓[/] {escape(path)}")
            if edit.diff:
                self._out.print(Syntax(edit.diff.rstrip("\n"), "diff", background_color="default"))
        else:
            self._line(f"  [yellow]✗ {escape(path)}: {escape(edit.reason or edit.state.value)}[/]")

    def _end(self, end: RunFinished) -> None:
        calls = "1 model call" if end.usage.calls == 1 else f"{end.usage.calls} model calls"
        usage = f"{end.usage.input_tokens} + {end.usage.output_tokens} tokens in {calls}"
        files = ", ".join(f"{file.change.value} {file.path}" for file in end.files) or "no files changed"
        match end.outcome:
            case Outcome.DONE:
                self._line(f"[bold green]Done[/] [dim]· {escape(files)} · {usage}[/]")
            case Outcome.CANCELLED:
                self._line(f"[bold yellow]Cancelled[/] [dim]· {escape(files)} · {usage}[/]")
            case _:
                reason = end.problem.message if end.problem else "no reason was given"
                self._line(f"[bold red]Failed[/]: {escape(reason)}")
                if end.problem and end.problem.hint:
                    self._line(f"  {escape(end.problem.hint)}")
                self._line(f"  [dim]{escape(files)} · {usage}[/]")


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] + (" …" if len(lines) > 1 else "") if lines else ""


def _arguments(text: str | None) -> str:
    """The arguments of a tool call on one line, long values cut."""
    try:
        data: Any = json.loads(text or "{}")
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    return " ".join(f"{key}={_short(value)}" for key, value in data.items())  # pyright: ignore[reportUnknownVariableType]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "…"
