"""What git ignores: `.gitignore` files, each for its folder and those below, the later rule winning.

Follows gitignore(5). Its patterns come from the workspace, so they go through `globs`, which bounds what one may cost. Knows texts
and paths; does not read files.
"""

import re
from dataclasses import dataclass

from vespiary.capabilities.globs import GlobInvalid, expression

NEVER = frozenset({".git", ".vespiary"})
"""Names that are never listed or searched."""
_RULES = 2000
"""Rules that one file may hold; more are left out."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. `negated` takes back what an earlier rule ignored; `folders`: for folders only."""

    pattern: re.Pattern[str]
    negated: bool
    folders: bool


@dataclass(frozen=True, slots=True)
class Ignore:
    """The rules of one folder, with those of the folders above it."""

    folder: str = ""
    """Relative to the root with `/` at its end, or empty for the root."""
    rules: tuple[Rule, ...] = ()
    above: "Ignore | None" = None

    def below(self, folder: str, text: str) -> "Ignore":
        """These rules and those of a `.gitignore` with that text in a folder below."""
        rules = parse(text)
        return Ignore(f"{folder}/" if folder else "", rules, self) if rules else self

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path is left out, given that the folders above it are not."""
        level: Ignore | None = self
        while level is not None:
            inner = path[len(level.folder) :]
            for rule in reversed(level.rules):
                if (is_folder or not rule.folders) and rule.pattern.fullmatch(inner):
                    return not rule.negated
            level = level.above
        return False


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a `.gitignore`. Lines that make no sense are left out, as git does."""
    rules: list[Rule] = []
    for line in text.removeprefix("\ufeff").split("\n")[:_RULES]:
        rule = _rule(line.removesuffix("\r"))
        if rule is not None:
            rules.append(rule)
    return tuple(rules)


def _rule(line: str) -> Rule | None:
    while line.endswith(" ") and not line.endswith("\\ "):
        line = line[:-1]
    if not line or line.startswith("#"):
        return None
    negated = line.startswith("!")
    line = line[negated:]
    folders = line.endswith("/")
    line = line.removesuffix("/")
    if not line or "//" in line or line.endswith("/"):  # git matches component by component, and none is empty
        return None
    anchored = "/" in line
    try:
        pattern = re.compile(expression(line if anchored else f"**/{line}"), re.DOTALL)
    except (GlobInvalid, re.error):
        return None
    return Rule(pattern, negated, folders)
