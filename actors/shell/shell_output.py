"""A finished command in words for a model. Pure."""

from vespiary_sdk.command import CommandResult

LIMIT = 5_000
"""Bytes of each stream that are kept."""


def report(result: CommandResult, timeout_s: int) -> str:
    """What happened, then what was printed. A command that succeeded without a word is said to have done so."""
    said = _said(result, timeout_s)
    return f"{said}\n\n{_unsaved(result.unsaved)}" if result.unsaved else said


def _said(result: CommandResult, timeout_s: int) -> str:
    printed = _streams(result)
    if result.ok:
        return printed or "The command succeeded and printed nothing."
    return (
        f"{_failure(result, timeout_s)}\n{printed}" if printed else f"{_failure(result, timeout_s)} It printed nothing."
    )


def _failure(result: CommandResult, timeout_s: int) -> str:
    match result.status:
        case "exited":
            return f"The command failed with exit code {result.code}."
        case "signaled":
            return f"The command was ended by signal {result.signal}."
        case "timed-out":
            advice = " Give a longer timeout if it needs one." if timeout_s < 600 else ""
            return f"The command ran longer than {timeout_s} s and was ended with all that it started.{advice}"
        case _:
            return f"The command could not be started: {result.reason or 'no reason was given'}."


def _unsaved(paths: tuple[str, ...]) -> str:
    shown = ", ".join(paths[:10]) + (" and others" if len(paths) > 10 else "")
    return (
        f"[The command saw the files on disk. In the editor, these have changes that are not saved yet: {shown}. "
        "Only the person at the editor can save them; ask for it if the command must see them.]"
    )


def _streams(result: CommandResult) -> str:
    stdout = _stream("stdout", result.stdout, result.stdout_truncated)
    stderr = _stream("stderr", result.stderr, result.stderr_truncated)
    if stdout and stderr:
        return f"stdout:\n{stdout}\n\nstderr:\n{stderr}"
    if stderr:
        return f"stderr:\n{stderr}"
    return stdout


def _stream(name: str, text: str, truncated: bool) -> str:
    text = text.rstrip()
    if truncated:
        text += f"\n[{name} was cut: {LIMIT:,} bytes of it are shown, its beginning and its end]"
    return text if text.strip() else ""
