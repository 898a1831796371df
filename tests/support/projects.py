"""Small workspaces for tests: files, a scripted model and a configuration."""

import json
from pathlib import Path
from typing import Any, cast


def reply(text: str = "", *calls: tuple[str, dict[str, Any]], **match: Any) -> dict[str, Any]:
    """One scripted reply: what it says, the tools that it calls, and what it answers to (`user`, `tool`, `result`, `turn` ...)."""
    entry: dict[str, Any] = dict(match)
    if text:
        entry["text"] = text
    if calls:
        entry["tool_calls"] = [{"name": name, "arguments": arguments} for name, arguments in calls]
    return entry


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        table = cast(dict[str, Any], value)
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in table.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in cast(list[Any], value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value)


def script(*replies: dict[str, Any]) -> str:
    """The text of a script with these replies."""
    lines: list[str] = []
    for entry in replies:
        lines.append("[[reply]]")
        lines += [f"{key} = {_toml(value)}" for key, value in entry.items()]
        lines.append("")
    return "\n".join(lines)


def project(root: Path, files: dict[str, str], *replies: dict[str, Any], agent: str = "", model: str = "") -> Path:
    """A workspace with files and an agent `coder` on a scripted model. `agent` and `model` add lines to their tables."""
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    model = model or 'provider = "scripted"\nscript = "replies.toml"'
    (root / "replies.toml").write_text(script(*replies), encoding="utf-8", newline="")
    (root / "vespiary.toml").write_text(
        f'[models.default]\n{model}\n\n[agents.coder]\nmodel = "default"\n{agent}\n', encoding="utf-8", newline=""
    )
    return root
