"""Failures in words for the author: their own frames, none of the SDK's. Knows tracebacks; never fails itself."""

import traceback
from pathlib import PurePath

LIMIT = 8_000
"""Characters of one explanation; the middle of a longer one is left out."""

_OWN = str(PurePath(__file__).parent)
_COMPONENT = str(PurePath(__file__).parent.parent / "vespiary_component")


def is_machinery(filename: str) -> bool:
    """Whether a frame belongs to the SDK or to the start of Python rather than to the author or a library."""
    return filename.startswith((_OWN, _COMPONENT, "<frozen importlib")) and not filename.startswith(
        str(PurePath(_OWN) / "testing")
    )


def explain(error: BaseException) -> str:
    """The error as Python prints it, without the SDK's frames."""
    try:
        told = traceback.TracebackException.from_exception(error)
        _trim(told, 0)
        text = "".join(told.format()).rstrip()
        hint = hint_for(error)
        if hint:
            text = f"{text}\n{hint}"
    except BaseException:  # noqa: BLE001 - a failure that cannot be formatted (no memory, no stack) is still told
        return type(error).__name__
    if len(text) > LIMIT:
        text = f"{text[: LIMIT // 2]}\n[...]\n{text[-LIMIT // 2 :]}"
    return text


def brief(error: BaseException) -> str:
    """The error in one line, for a model."""
    try:
        text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    except BaseException:  # noqa: BLE001 - as above
        return type(error).__name__
    return text if len(text) <= 500 else f"{text[:497]}..."


def hint_for(error: BaseException) -> str | None:
    """What to do about an error that the sandbox makes likely."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        import sys

        top = error.name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return f"The module {top} of Python's library is not available inside the sandbox."
        return (
            f"The module {top} is not among the actor's files. Put its source beside the actor; only pure Python works."
        )
    if isinstance(error, SystemExit):
        return "An actor does not exit: return from the handler, or send `vespiary.agent.exit` to end the agent."
    return None


def _trim(told: traceback.TracebackException, depth: int) -> None:
    kept = [frame for frame in told.stack if not is_machinery(frame.filename)]
    told.stack = traceback.StackSummary.from_list(kept)
    if depth > 20:
        return
    for inner in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if inner is not None:
            _trim(inner, depth + 1)
