"""The words that a task is handed to an agent in. Pure text; knows nothing of how the agent reads them."""

from vespiary.changes.lines import split_lines
from vespiary.model.runs import Range, Task, TaskContext, TaskDiagnostic

SELECTION_LIMIT = 16_000
"""Characters of selected text that are quoted; the agent can read the rest."""


def render(task: Task, text: str | None) -> str:
    """The task as a message to the agent. `text` is the whole document that the context names, if it could be read."""
    if task.context is None:
        return task.prompt
    parts = [task.prompt, "", _place(task.context)]
    if text is not None and task.context.range is not None:
        quoted = _selected(text, task.context.range)
        if quoted:
            parts += ["", "The selected text:", _fenced(quoted)]
    if task.context.diagnostics:
        parts += ["", "The editor reports:"]
        parts += [_diagnostic(task.context.path, diagnostic) for diagnostic in task.context.diagnostics]
    return "\n".join(parts)


def _place(context: TaskContext) -> str:
    if context.range is None:
        return f"This is about the file `{context.path}`."
    first, last = _lines(context.range)
    where = f"line {first}" if first == last else f"lines {first} to {last}"
    return f"This is about {where} of the file `{context.path}`."


def _lines(range_: Range) -> tuple[int, int]:
    """One-based first and last line; a range that ends before a line's first character does not include that line."""
    last = range_.end.line
    if range_.end.character == 0 and last > range_.start.line:
        last -= 1
    return range_.start.line + 1, last + 1


def _selected(text: str, range_: Range) -> str:
    lines = split_lines(text)[range_.start.line : range_.end.line + 1]
    if not lines:
        return ""
    if range_.end.line - range_.start.line + 1 == len(lines):
        lines[-1] = lines[-1][: range_.end.character]
    lines[0] = lines[0][range_.start.character :]
    quoted = "".join(lines)
    if len(quoted) > SELECTION_LIMIT:
        return quoted[:SELECTION_LIMIT] + "\n[... cut; read the file for the rest ...]"
    return quoted


def _fenced(text: str) -> str:
    # The fence must be longer than any run of backticks inside.
    longest = max((len(run) for run in text.replace("\n", " ").split(" ") if set(run) == {"`"}), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _diagnostic(path: str, diagnostic: TaskDiagnostic) -> str:
    at = diagnostic.range.start
    kind = diagnostic.severity or "problem"
    origin = " ".join(part for part in (diagnostic.source, diagnostic.code) if part)
    return f"- {path}:{at.line + 1}:{at.character + 1}: {kind}: {diagnostic.message}" + (
        f" [{origin}]" if origin else ""
    )
