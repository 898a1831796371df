"""The actor's log. `print`, `logging` and `warnings` end up here as well. Lines survive a step that fails."""

from vespiary_sdk._runtime import clean, current


def debug(text: object) -> None:
    """Add a line that only a developer wants."""
    current().port.log("debug", clean(str(text)))


def info(text: object) -> None:
    """Add a line."""
    current().port.log("info", clean(str(text)))


def warn(text: object) -> None:
    """Add a line about something that may be wrong."""
    current().port.log("warn", clean(str(text)))


def error(text: object) -> None:
    """Add a line about something that is wrong."""
    current().port.log("error", clean(str(text)))
