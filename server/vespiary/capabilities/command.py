"""The command capability: programs on the host, for agents that were granted it.

Reads requests, decides by grant and mode, and answers as `wit/command.wit` says; `processes` runs the program. Knows nothing of
what the programs are for.
"""

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import anyio.to_thread

from vespiary.capabilities.environment import command_environment
from vespiary.capabilities.paths import Paths
from vespiary.capabilities.ports import Policy, RunPort
from vespiary.capabilities.processes import run_program
from vespiary.capabilities.requests import Fields
from vespiary.model.errors import RequestRefused
from vespiary.model.grants import Grant
from vespiary.model.runs import Mode
from vespiary.model.steps import Caller
from vespiary.model.wire import to_json, to_wire

AREA = "command"
LONGEST_MS = 600_000
_MOST_OUTPUT = 5_000_000
_MOST_TEXT = 100_000
"""Characters of a program, an argument or a value of the environment."""


class CommandCapability:
    """Implements `runtime.capability.Capability` for programs.

    `secret_names` are the variables that hold keys of models; they and whatever looks like a secret are kept from programs.
    """

    def __init__(
        self,
        root: Path,
        run: RunPort,
        secret_names: Callable[[], Collection[str]] = tuple,
        unsaved: Callable[[], Collection[str]] = tuple,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._paths = Paths(root)
        self._run = run
        self._secret_names = secret_names
        self._unsaved = unsaved
        self._environ = os.environ if environ is None else environ

    async def __call__(self, caller: Caller, payload: str) -> str:
        """Run one program."""
        fields = Fields.parse(AREA, payload)
        self._permit(self._run.policy(caller.scope))
        program = fields.text("program", empty=False, longest=_MOST_TEXT)
        args = fields.texts("args", ())
        wanted = fields.mapping("env", {})
        timeout = fields.integer("timeout_ms", 30_000, least=1, most=LONGEST_MS)
        cap = fields.integer("max_output_bytes", 100_000, least=0, most=_MOST_OUTPUT)
        shell = fields.flag("shell", default=False)
        cwd = fields.text("cwd", ".")
        fields.done()
        if shell and args:
            fields.refuse("With `shell`, the whole command line is in `program`; `args` must be empty.")
        self._check(fields, program, args, wanted)
        env = command_environment(self._environ, self._secret_names(), wanted)
        folder = await anyio.to_thread.run_sync(self._folder, cwd)
        command = _line(program, env) if shell else [_program(program, folder, env), *args]
        # Before the command: what it does not see is what is unsaved now.
        unsaved = sorted(self._unsaved())
        finished = await run_program(command, cwd=folder, env=env, timeout=timeout / 1000, cap=cap)
        answer = {_snake(key): value for key, value in to_wire(finished).items()}
        if unsaved:
            answer["unsaved"] = unsaved
        return to_json(answer)

    def repeatable(self, payload: str) -> bool:
        """Never: a program may have done anything before the crash."""
        return False

    @staticmethod
    def _permit(policy: Policy) -> None:
        grant = policy.grants.command
        if grant is not Grant.ALLOW:
            raise RequestRefused(
                f"The agent {policy.agent!r} may not run commands: its grant `command` is {grant.value}.",
                code="command.denied",
                hint=f'Set `[agents.{policy.agent}.grants] command = "allow"` in vespiary.toml; '
                "a file that came with the repository counts only after `vespiary trust`.",
            )
        if policy.mode is Mode.PLAN:
            raise RequestRefused(
                "This run is a plan: no command is run.", code="command.plan", hint="Say what you would run instead."
            )

    @staticmethod
    def _check(fields: Fields, program: str, args: tuple[str, ...], wanted: dict[str, str]) -> None:
        for text in (program, *args, *wanted, *wanted.values()):
            if "\x00" in text:
                fields.refuse("A program, its arguments and its environment cannot hold NUL characters.")
            if len(text) > _MOST_TEXT:
                fields.refuse(f"An argument is longer than {_MOST_TEXT} characters.")
        for name in wanted:
            if not name or "=" in name:
                fields.refuse(f"{name[:40]!r} is no name for a variable of the environment.")

    def _folder(self, cwd: str) -> Path:
        folder = self._paths.root.joinpath(*self._paths.locate(cwd).real)
        if not folder.is_dir():
            raise RequestRefused(
                f"There is no folder {cwd!r} to run a command in.",
                code="workspace.path" if folder.exists() else "workspace.missing",
            )
        return folder


def _line(line: str, env: Mapping[str, str]) -> list[str] | str:
    """A command line for bash; where there is none, for the system's shell."""
    bash = shutil.which("bash", path=env.get("PATH"))
    if os.name == "nt":
        # The one in the system folder is not a shell of this system: it starts a Linux beside it.
        if bash is not None and "system32" not in bash.casefold():
            return [bash, "-c", line]
        return line
    return [bash or "/bin/sh", "-c", line]


def _program(program: str, folder: Path, env: Mapping[str, str]) -> str:
    """The program as the system will find it. Windows looks beside the host, not the command, and knows no `.cmd` by itself."""
    if os.name != "nt":
        return program
    if "/" in program or "\\" in program:
        program = str(folder / program)
    return shutil.which(program, path=env.get("PATH")) or program


def _snake(name: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)
