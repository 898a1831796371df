"""The actor that reads and edits files for a model.

A file is changed only when the model has read it and it still is what the model read: the host is given the hash of that text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from files_edit import apply_edits, fit, plain
from files_reader import Reader
from vespiary_sdk import ActorError, CapabilityError, ToolError, tool, workspace
from vespiary_sdk.workspace import TextFile

_DIFF = 16_000
"""Characters of a diff that are shown."""
_WIDE = 4 * 1024 * 1024
"""Bytes of a text beyond ASCII that can still be edited: Python may hold it in four bytes a character, several times over."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement.

    Args:
        old_string: The exact text to replace, without line numbers. Empty only for a file that is new or empty.
        new_string: The text that takes its place.
        replace_all: Replace every place where old_string stands; otherwise it must stand in one place only.
    """

    old_string: str
    new_string: str
    replace_all: bool = False


class Files(Reader):
    """All tools; where edits are not allowed, only those that read."""

    def __new__(cls, config: dict[str, Any]) -> Any:
        """A plain `Reader` when the configuration forbids edits: what is not there cannot be called."""
        return super().__new__(cls) if edits_allowed(config) else Reader(config)

    @tool(title="Editing {path}")
    async def edit_file(self, path: str, edits: list[Edit]) -> str:
        """Replace exact pieces of text in a file that you have read. The edits are made in order, all of them or none.

        To make a new file, give one edit with an empty old_string.

        Args:
            path: The file, relative to the project.
            edits: The replacements.
        """
        path = self._path(path)
        if not edits:
            raise ToolError("edits is empty: give at least one.")
        async with self._alone(path):
            file = await self._read_if_there(path)
            if file is None:
                if len(edits) != 1 or edits[0].old_string:
                    raise ToolError(f"{path} does not exist. To make it, give one edit with an empty old_string.")
                return await self._create(path, edits[0].new_string)
            seen = self._seen.get(path)
            if seen is None:
                raise ToolError(f"Read {path} before you edit it. Nothing was changed.")
            if seen != file.hash:
                raise ToolError(_stale(path, file.text, edits))
            if file.size > _WIDE and not file.text.isascii():
                raise ToolError(
                    f"{path} has {file.size:,} bytes, too many to edit with this tool. Use a command. Nothing was changed."
                )
            after = apply_edits(file.text, edits)
            try:
                change = await workspace.write(path, file.hash, after)
            except CapabilityError as error:
                if error.code != "workspace.stale":
                    raise
                newer = await workspace.read(path)
                raise ToolError(_stale(path, newer.text, edits)) from error
            self._note(path, change.hash)
            count = "1 edit" if len(edits) == 1 else f"{len(edits)} edits"
            return _done(f"Made {count} in {path}.", change.diff)

    @tool(title="Creating {path}")
    async def create_file(self, path: str, content: str) -> str:
        """Make a new file, and the folders above it where they are missing.

        Args:
            path: The file, relative to the project. It must not exist yet.
            content: The whole text of the file.
        """
        path = self._path(path)
        async with self._alone(path):
            return await self._create(path, content)

    @tool(title="Deleting {path}")
    async def delete_file(self, path: str) -> str:
        """Delete a file.

        Args:
            path: The file, relative to the project.
        """
        path = self._path(path)
        async with self._alone(path):
            await workspace.delete(path, await self._base(path))
            self._seen.pop(path, None)
            return f"Deleted {path}."

    @tool(title="Renaming {path} to {to}")
    async def rename_file(self, path: str, to: str) -> str:
        """Move or rename a file.

        Args:
            path: The file, relative to the project.
            to: Its new path. Nothing may be there yet.
        """
        path, to = self._path(path), self._path(to)
        if path == to:
            raise ToolError("path and to are the same.")
        async with self._alone(path, to):
            await workspace.rename(path, to, await self._base(path))
            if (seen := self._seen.pop(path, None)) is not None:
                self._seen[to] = seen
            return f"Renamed {path} to {to}."

    async def _read_if_there(self, path: str) -> TextFile | None:
        try:
            return await workspace.read(path)
        except CapabilityError:
            if (await workspace.stat(path)).kind == "missing":
                return None
            raise

    async def _create(self, path: str, text: str) -> str:
        change = await workspace.create(path, text)
        self._note(path, change.hash)
        return _done(f"Created {path}.", change.diff)

    async def _base(self, path: str) -> str:
        """The hash of the file that is about to go; refused when it is not what the model saw."""
        found = await workspace.stat(path)
        if found.kind == "missing":
            raise ToolError(f"{path} does not exist.")
        if found.kind == "folder":
            raise ToolError(f"{path} is a folder; only files can be moved or deleted.")
        if found.hash is None:
            raise ToolError(f"{path} is not a text file that can be moved or deleted.")
        seen = self._seen.get(path)
        if seen is not None and seen != found.hash:
            raise ToolError(
                f"{path} has changed since you read it. Read it again and decide anew. Nothing was changed."
            )
        return found.hash

    def _note(self, path: str, hash: str | None) -> None:
        """The model knows the text that it has just written."""
        if hash is None:
            self._seen.pop(path, None)
        else:
            self._seen[path] = hash


def edits_allowed(config: dict[str, Any]) -> bool:
    """The one setting there is. Raises `ActorError` for anything else, rather than allow what was meant to be forbidden."""
    unknown = config.keys() - {"allow_edits"}
    if unknown:
        raise ActorError(f"files: unknown key {min(unknown)!r} in the configuration. Known: 'allow_edits'.")
    allowed = config.get("allow_edits", True)
    if not isinstance(allowed, bool):
        raise ActorError(f"files: `allow_edits` must be true or false, not {allowed!r:.80}.")
    return allowed


def _stale(path: str, text: str, edits: Sequence[Edit]) -> str:
    return (
        f"{path} has changed since you read it. Nothing was changed. Read it again, then edit what is there now.\n"
        f"{fit(text, edits)}"
    )


def _done(sentence: str, diff: str) -> str:
    diff = plain(diff)  # models see plain newlines everywhere
    if len(diff) > _DIFF:
        diff = f"{diff[:_DIFF]}\n[... {len(diff) - _DIFF:,} characters of the diff omitted ...]"
    return f"{sentence}\n\n{diff}".rstrip() if diff.strip() else sentence
