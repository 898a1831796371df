"""What can be wrong with a configuration, as values that name the file, the line, the key and the fix.

Knows nothing of how a configuration is read. Never holds the value that was found: it may be a secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from vespiary.model.errors import VespiaryError


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong. `key` is dotted (`models.fast.base_url`), empty when the whole file is meant."""

    file: str
    key: str
    message: str
    fix: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line is not None else self.file
        said = f"{place}: {self.key}: {self.message}" if self.key else f"{place} {self.message}"
        return f"{said} {self.fix}" if self.fix else said


class ConfigError(VespiaryError):
    """The configuration cannot be used. `problems` lists everything that was found, in the order of the file."""

    code = "config.invalid"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        problems: Sequence[ConfigProblem] = (),
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.problems = tuple(problems)

    @classmethod
    def of(cls, problems: Sequence[ConfigProblem]) -> "ConfigError":
        """One error for all problems: a single one is the sentence, several are a list."""
        if len(problems) == 1:
            (only,) = problems
            bare = ConfigProblem(only.file, only.key, only.message, None, only.line)
            return cls(str(bare), hint=only.fix, problems=problems)
        listed = "\n".join(f"- {problem}" for problem in problems)
        return cls(f"The configuration has {len(problems)} problems:\n{listed}", problems=problems)
