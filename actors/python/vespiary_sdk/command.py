"""Programs on the host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vespiary_sdk._runtime import request


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended. `code` goes with `exited`, `signal` with `signaled`, `reason` with `failed-to-start`."""

    status: Literal["exited", "signaled", "timed-out", "failed-to-start"]
    code: int | None
    signal: str | int | None
    reason: str | None
    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool
    duration_ms: float
    unsaved: tuple[str, ...] = ()
    """Documents with unsaved changes in the editor: the program saw these files without them."""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with code 0."""
        return self.status == "exited" and self.code == 0


async def run(
    program: str,
    args: Sequence[str] = (),
    cwd: str = ".",
    env: Mapping[str, str] | None = None,
    timeout_ms: int = 30_000,
    max_output_bytes: int = 100_000,
    shell: bool = False,
) -> CommandResult:
    """Run a program without terminal and input, and wait for its end. With `shell`, `program` is a command line.

    `cwd` is a folder of the workspace. Output is cut per stream to `max_output_bytes`, keeping its beginning and end.
    Raises `CapabilityError` without the grant, in `plan` mode, for a `cwd` outside and a timeout above 600,000 ms. A program that
    fails or cannot be started is a result, not an error.
    """
    answer = await request(
        "command",
        program=program,
        args=[*args],
        cwd=cwd,
        env=dict(env) if env else None,
        timeout_ms=timeout_ms,
        max_output_bytes=max_output_bytes,
        shell=shell,
    )
    return CommandResult(
        status=answer["status"],
        code=answer.get("code"),
        signal=answer.get("signal"),
        reason=answer.get("reason"),
        stdout=answer.get("stdout", ""),
        stderr=answer.get("stderr", ""),
        stdout_truncated=bool(answer.get("stdout_truncated", False)),
        stderr_truncated=bool(answer.get("stderr_truncated", False)),
        duration_ms=answer.get("duration_ms", 0),
        unsaved=tuple(answer.get("unsaved", ())),
    )
