"""Events for a person at a terminal: text streams, tool calls and edits are lines of their own.

Everything that events quote is untrusted: it is made plain, and never read as markup.
"""

import errno
import json
from typing import Any

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from vespiary.fronts.cli.terminal import output, plain
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
LINE = 2_000
"""Characters of a line of it, or of a line of a log."""

_LEVELS = {"debug": "dim", "info": "dim", "warn": "yellow", "error": "red"}

_Part = str | tuple[str, str]
"""A text, or a text and its style."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the reader's leaving be dealt with as any other failure to write; rich would end the process here and now."""
        raise BrokenPipeError(errno.EPIPE, "Nobody reads the output any more.")


def terminal() -> Console:
    """A console on standard output that untrusted text may be written to, once it is plain."""
    return _Console(file=output(), highlight=False, soft_wrap=True)


class Renderer:
    """Writes events to a console as they come."""

    def __init__(self, console: Console | None = None) -> None:
        self._out = console or terminal()
        self._in_text = False

    def show(self, event: RunEvent) -> None:
        """Write one event."""
        match event.body:
            case TextDelta(text):
                self._out.print(Text(plain(text)), end="")
                self._in_text = not text.endswith("\n")
            case RunStarted(agent, prompt, mode):
                note: _Part = (" (plan only)", "dim") if mode is Mode.PLAN else ""
                self._line((agent, "bold cyan"), note, (" · ", "dim"), _first_line(prompt))
            case ToolEvent() as tool:
                self._tool(tool)
            case EditEvent() as edit:
                self._edit(edit)
            case LogEvent(level, actor, text) if level != "debug":
                self._line((f"{actor}: {_cut(text)}", _LEVELS.get(level, "dim")))
            case ActorFailedEvent(actor, problem, restarted):
                after = " It was restarted." if restarted else ""
                self._line((f"{actor} failed: {_cut(problem.message)}", "red"), after)
            case Status("retrying" | "restarted", detail):
                self._line((detail or "Trying again.", "yellow"))
            case RunFinished() as end:
                self._end(end)
            case _:
                pass

    def _line(self, *parts: _Part) -> None:
        if self._in_text:
            self._out.print()
            self._in_text = False
        line = Text()
        for part in parts:
            text, style = (part, "") if isinstance(part, str) else part
            line.append(plain(text), style or None)
        self._out.print(line)

    def _tool(self, tool: ToolEvent) -> None:
        if tool.state is ToolState.CALLED:
            self._line(("●", "green"), " ", (tool.name, "bold"), " ", (_arguments(tool.arguments), "dim"))
        elif tool.state is ToolState.FAILED:
            self._line("  ", (f"✗ {tool.name}", "red"))
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
            self._line("    ", (_cut(line), style))

    def _edit(self, edit: EditEvent) -> None:
        path = f"{edit.path} → {edit.to}" if edit.to else edit.path
        if edit.state is EditState.APPLIED:
            self._line("  ", ("✓", "green"), f" {path}")
            if edit.diff:
                self._out.print(diff(edit.diff))
        else:
            self._line("  ", (f"✗ {path}: {edit.reason or edit.state.value}", "yellow"))

    def _end(self, end: RunFinished) -> None:
        calls = "1 model call" if end.usage.calls == 1 else f"{end.usage.calls} model calls"
        usage = f"{end.usage.input_tokens} + {end.usage.output_tokens} tokens in {calls}"
        files = ", ".join(f"{file.change.value} {file.path}" for file in end.files) or "no files changed"
        match end.outcome:
            case Outcome.DONE:
                self._line(("Done", "bold green"), " ", (f"· {files} · {usage}", "dim"))
            case Outcome.CANCELLED:
                self._line(("Cancelled", "bold yellow"), " ", (f"· {files} · {usage}", "dim"))
            case _:
                reason = end.problem.message if end.problem else "no reason was given"
                self._line(("Failed", "bold red"), f": {reason}")
                if end.problem and end.problem.hint:
                    self._line(f"  {end.problem.hint}")
                self._line("  ", (f"{files} · {usage}", "dim"))


def diff(text: str) -> Syntax:
    """A unified diff, coloured."""
    return Syntax(plain(text).rstrip("\n"), "diff", background_color="default")


def _cut(text: str) -> str:
    return text if len(text) <= LINE else f"{text[:LINE]} … {len(text) - LINE:,} more characters"


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] + (" …" if len(lines) > 1 else "") if lines else ""


def _arguments(text: str | None) -> str:
    """The arguments of a tool call on one line, long values cut."""
    try:
        data: Any = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(data, dict):
        return ""
    return _cut(" ".join(f"{key}={_short(value)}" for key, value in data.items()))  # pyright: ignore[reportUnknownVariableType]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "…"
