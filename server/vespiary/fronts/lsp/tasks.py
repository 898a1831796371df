"""From what a client sends to the task that an agent is given: paths instead of URIs, code points instead of encoded positions."""

from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread

from vespiary import protocol
from vespiary.changes.lines import Encoding, LineIndex, code_points
from vespiary.fronts.lsp.places import Places
from vespiary.model.errors import UsageError
from vespiary.model.runs import Mode, Position, Range, Task, TaskContext, TaskDiagnostic

SEVERITIES = {1: "error", 2: "warning", 3: "information", 4: "hint"}

FIX_PROMPT = "Fix the problem that the editor reports. Change no more than the fix needs."
FIX_PROMPTS = "Fix the problems that the editor reports. Change no more than the fixes need."
ASK_PROMPT = (
    "The person selected this and asked for help without further words. If it says what is to be done (a comment, a to-do, an "
    "unfinished piece), do that. If it does not, look for what is wrong with it and say so without changing anything."
)


class TaskReader:
    """Reads tasks. `text` gives the text of an open document by its workspace-relative path."""

    def __init__(self, places: Places, text: Callable[[str], str | None], encoding: Encoding) -> None:
        self._places = places
        self._text = text
        self._encoding: Encoding = encoding

    async def start(self, params: protocol.StartParams | protocol.RunCommandParams) -> Task:
        """The task of `vespiary/run/start` and `vespiary.run`. Raises `UsageError`."""
        return await self._task(params.prompt, params.agent, params.mode, params.context, params.session)

    async def ask(self, params: protocol.AskParams) -> Task:
        """The task of `vespiary.askAgent`."""
        return await self._task(params.prompt or ASK_PROMPT, params.agent, params.mode, params.context, params.session)

    async def fix(self, params: protocol.FixParams) -> Task:
        """The task of `vespiary.fixDiagnostic`."""
        count = len(params.context.diagnostics)
        if count == 0:
            raise protocol.ParamsError("There is no diagnostic to fix.", hint="Put it into `context.diagnostics`.")
        return await self._task(
            FIX_PROMPT if count == 1 else FIX_PROMPTS, params.agent, Mode.APPLY, params.context, params.session
        )

    async def _task(
        self, prompt: str, agent: str | None, mode: Mode, context: protocol.RunContext | None, session: str | None
    ) -> Task:
        if not prompt.strip():
            raise protocol.ParamsError("The prompt is empty.", hint="Say what is to be done.")
        return Task(prompt, agent, mode, await self._context(context) if context is not None else None, session)

    async def _context(self, context: protocol.RunContext) -> TaskContext:
        path = self._places.relative(context.uri)
        if path is None:
            raise UsageError(
                f"{context.uri} is not a file of the workspace {self._places.root}.",
                hint="An agent works on the files of one workspace.",
                code="context.outside",
            )
        if context.range is None and not context.diagnostics:
            return TaskContext(path)
        lines = await self._lines(path)
        diagnostics = tuple(self._diagnostic(lines, item) for item in context.diagnostics)
        return TaskContext(path, self._range(lines, context.range) if context.range is not None else None, diagnostics)

    async def _lines(self, path: str) -> LineIndex | None:
        if self._encoding == "utf-32":
            return None
        text = self._text(path)
        if text is None:
            text = await anyio.to_thread.run_sync(_on_disk, self._places.root / path)
        return LineIndex(text) if text is not None else None

    def _diagnostic(self, lines: LineIndex | None, item: protocol.WireDiagnostic) -> TaskDiagnostic:
        severity = SEVERITIES.get(item.severity) if item.severity is not None else None
        code = str(item.code) if item.code is not None else None
        return TaskDiagnostic(item.message, self._range(lines, item.range), severity, item.source, code)

    def _range(self, lines: LineIndex | None, wire: protocol.WireRange) -> Range:
        return Range(self._position(lines, wire.start), self._position(lines, wire.end))

    def _position(self, lines: LineIndex | None, wire: protocol.WirePosition) -> Position:
        if lines is None:
            return Position(wire.line, wire.character)
        return Position(wire.line, code_points(lines.line(wire.line), wire.character, self._encoding))


def _on_disk(path: Path) -> str | None:
    try:
        if not path.is_file():  # Reading a pipe could wait for ever.
            return None
        return path.read_bytes().removeprefix(BOM_UTF8).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
