"""Events for a person at a terminal: text streams, tool calls and edits are lines of their own.

Everything that events quote is untrusted: it is made plain, and never read as markup.
"""

import errno
import json
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from vespiary.fronts.cli.amounts import used
from vespiary.fronts.cli.flow import Flow
from vespiary.fronts.cli.terminal import output, plain
from vespiary.model.events import (
    ActorFailedEvent,
    EditEvent,
    EditState,
    LogEvent,
    ReasoningDelta,
    RunEvent,
    RunFinished,
    RunResumed,
    RunStarted,
    Status,
    TextDelta,
    ToolEvent,
    ToolState,
    UsageEvent,
)
from vespiary.model.runs import Mode, Outcome

CONTENT_LINES = 8
"""Lines of a tool's result that are shown."""
LINE = 2_000
"""Characters of a line of it, or of a line of a log."""

_LEVELS = {"debug": "dim", "info": "dim", "warn": "yellow", "error": "red"}
_DIFF = {"+": "green", "-": "red", "@": "cyan"}

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
    """Writes events to a console as they come. On a terminal, text breaks between words, and quoted lines are cut at its width."""

    def __init__(self, console: Console | None = None) -> None:
        self._out = console or terminal()
        self._narrow = self._out.is_terminal and not self._out.is_dumb_terminal
        self._flow = Flow()
        self._in_text = False
        self._waiting = False
        self._calls: dict[str, _Call] = {}
        self._last: _Call | None = None
        """The call whose line was written last."""

    def show(self, event: RunEvent) -> None:
        """Write one event."""
        body = event.body
        if not isinstance(body, Status | UsageEvent | ReasoningDelta):
            self._stop_waiting()
        match body:
            case TextDelta(text):
                self._text(plain(text))
            case RunStarted(agent, prompt, mode):
                note: _Part = (" (plan only)", "dim") if mode is Mode.PLAN else ""
                self._line((agent, "bold cyan"), note, (" · ", "dim"), _first_line(prompt))
            case RunResumed(agent, prompt):
                self._line((agent, "bold cyan"), (" goes on", "dim"), (" · ", "dim"), _first_line(prompt))
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
            case Status("budget", str(detail)):
                self._line((detail, "yellow"))
            case Status("thinking"):
                self._wait("thinking …")
            case RunFinished() as end:
                self._end(end)
            case _:
                pass

    def hint(self, text: str) -> None:
        """A word to a person at a terminal; other readers do not get it."""
        if self._out.is_terminal:
            self._line((text, "dim"))

    # Text, and lines between it

    def _text(self, text: str) -> None:
        shown = self._flow.feed(text, self._out.width) if self._narrow else text
        if shown:
            self._out.print(Text(shown), end="")
        self._in_text = not self._flow.at_line_start if self._narrow else not text.endswith("\n")
        self._last = None

    def _close_text(self) -> None:
        """End the line of a text that is not finished."""
        self._stop_waiting()
        if self._in_text:
            self._out.print(Text(self._flow.end(self._out.width)))
            self._flow.reset()
            self._in_text = False

    def _line(self, *parts: _Part, cut: bool = False) -> None:
        """A line of its own; `cut` ends it at the width of the terminal, else it goes on below."""
        self._close_text()
        line = Text()
        for part in parts:
            text, style = (part, "") if isinstance(part, str) else part
            line.append(plain(text), style or None)
        if self._narrow and cut:
            line.expand_tabs(4)
            line.truncate(self._out.width, overflow="ellipsis")
        self._out.print(line, soft_wrap=cut or not self._narrow)
        self._last = None

    def _wait(self, what: str) -> None:
        """Show, on a terminal, that something goes on; the next output takes its place. A message of the model ends here."""
        if self._waiting:
            return
        self._close_text()
        if self._narrow:
            self._out.print(Text(what, "dim"), end="")
            self._waiting = True

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting = False
            self._out.control(Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2)))

    # Tools and edits

    def _tool(self, tool: ToolEvent) -> None:
        call = self._calls.setdefault(tool.call, _Call(tool.name))
        match tool.state:
            case ToolState.CALLED:
                call.label = f"{tool.name} {_arguments(tool.arguments)}".rstrip()
            case ToolState.RUNNING:
                # An actor says in words what it is going to do, once. How that goes is for progress lines.
                if not call.shown:
                    call.label = " ".join(tool.title.split()) if tool.title else call.label
                    self._called(call)
            case ToolState.FAILED:
                lines = _excerpt(tool.content)
                if self._last is call and lines:
                    self._line("  ", (f"✗ {lines.pop(0)}", "red"), cut=True)
                else:
                    self._line("  ", (f"✗ {call.label}", "red"), cut=True)
                self._content(lines, "red")
                del self._calls[tool.call]
            case ToolState.DONE:
                if not call.shown:
                    self._called(call)
                if tool.name == "execute_bash":
                    if self._last is not call:
                        self._line("  ", ("✓", "green"), f" {call.label}", cut=True)
                    self._content(_excerpt(tool.content), "dim")
                del self._calls[tool.call]

    def _called(self, call: "_Call") -> None:
        self._line(("●", "green"), f" {call.label}", cut=True)
        call.shown = True
        self._last = call

    def _content(self, lines: list[str], style: str) -> None:
        for line in lines:
            self._line("    ", (line, style), cut=True)

    def _edit(self, edit: EditEvent) -> None:
        path = f"{edit.path} → {edit.to}" if edit.to else edit.path
        if edit.state is EditState.APPLIED:
            self._line("  ", ("✓", "green"), f" {path}")
            if edit.diff:
                self._out.print(diff(edit.diff))
        else:
            self._line("  ", (f"✗ {path}: {edit.reason or edit.state.value}", "yellow"))

    def _end(self, end: RunFinished) -> None:
        # What commands did to files is not known.
        summary = ", ".join(f"{file.change.value} {file.path}" for file in end.files) or "no edits"
        if end.usage.calls:
            summary += f" · {used(end.usage)}"
        match end.outcome:
            case Outcome.DONE:
                self._line(("Done", "bold green"), " ", (f"· {summary}", "dim"))
            case Outcome.CANCELLED:
                self._line(("Cancelled", "bold yellow"), " ", (f"· {summary}", "dim"))
            case Outcome.INTERRUPTED:
                self._line(("Interrupted", "bold yellow"), " ", (f"· {summary}", "dim"))
            case _:
                reason = end.problem.message if end.problem else "no reason was given"
                self._line(("Failed", "bold red"), f": {reason}")
                if end.problem and end.problem.hint:
                    self._line(f"  {end.problem.hint}")
                self._line("  ", (summary, "dim"))
        if len(end.agents) > 1:
            for each in end.agents:
                self._line("  ", (f"{each.agent}: {used(each.usage)}", "dim"))


class _Call:
    """A tool call under way: what it is called for people, and whether that was written."""

    __slots__ = ("label", "shown")

    def __init__(self, label: str) -> None:
        self.label = label
        self.shown = False


def _excerpt(content: str | None) -> list[str]:
    """The lines of a tool's result that are shown."""
    lines = (content or "").rstrip().splitlines()
    if len(lines) > CONTENT_LINES:
        # What a command says last is what it came to.
        cut = len(lines) - CONTENT_LINES
        lines = [lines[0], f"… {cut} lines …", *lines[cut + 1 :]]
    return [_cut(line) for line in lines]


def diff(text: str) -> Text:
    """A unified diff in the terminal's own colours, which can be read on light and on dark."""
    shown = Text()
    for number, line in enumerate(plain(text).rstrip("\n").split("\n")):
        shown.append("\n" if number else "")
        shown.append(line, "bold" if number < 2 else _DIFF.get(line[:1]))
    return shown


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
