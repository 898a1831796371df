"""Google-style docstrings, read apart: what goes to the model as the description, and what says each argument."""

import inspect
import re

_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Attributes|Returns|Return|Yields|Raises|Example|Examples|Note|Notes):\s*\Z"
)
_ARGUMENT = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)\Z")
_NAMED = {"Args", "Arguments", "Parameters", "Attributes"}
_DROPPED = _NAMED | {"Raises"}


def read_docstring(text: str | None) -> tuple[str, dict[str, str]]:
    """The description without its sections on arguments and exceptions, and the text of each argument, each in one line."""
    description: list[str] = []
    arguments: dict[str, str] = {}
    section = ""
    indent: int | None = None
    name = ""
    for line in inspect.cleandoc(text or "").splitlines():
        stripped = line.strip()
        depth = len(line) - len(line.lstrip())
        heading = _SECTION.match(line)
        if heading:
            section, indent, name = heading[1], None, ""
        elif section and stripped and depth == 0:
            section = ""  # back at the margin: the section is over
        if section not in _DROPPED:
            description.append(line)
        elif section in _NAMED and stripped and not heading:
            indent = depth if indent is None else indent
            found = _ARGUMENT.match(stripped) if depth <= indent else None
            if found:
                name = found[1]
                arguments[name] = found[2]
            elif name:
                arguments[name] = f"{arguments[name]} {stripped}".strip()
    return "\n".join(description).strip(), arguments
