"""Ending the programs of a host that dies without a word: killed, or out of memory.

One small process beside the host is told of each process group that lives. It holds the end of a pipe; when the host is gone, in
whatever way, the pipe ends, and it ends the groups. A shell does this with little memory and no time per program but two writes.

Knows process groups of POSIX. A program that was being started when the host died has no group that anybody knows; on Linux it is
found by a variable of its environment. Elsewhere it is not, and lives on. Windows needs none of this: there a job ends with the
host (`jobs`). What left its group lives on everywhere.
"""

import contextlib
import logging
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping

logger = logging.getLogger(__name__)

_SHELL = "/bin/sh"
_MARK = "VESPIARY_COMMAND"
_WATCH = """
living=" " starting=" "
without() { case $1 in *" $2 "*) rest="${1%%" $2 "*} ${1#*" $2 "}" ;; *) rest=$1 ;; esac; }
while read -r sign what group; do
    case $sign in
        begin) starting="$starting$what " ;;
        add) without "$starting" "$what"; starting=$rest; living="$living$group " ;;
        drop) without "$starting" "$what"; starting=$rest ;;
        remove) without "$living" "$what"; living=$rest ;;
    esac
done
lost() {
    for what in $starting; do
        grep -lsF "VESPIARY_COMMAND=$what" /proc/[0-9]*/environ | while IFS=/ read -r no proc pid file; do echo "$pid"; done
    done
}
end() { for group in $living $(lost); do kill -s "$1" -- "-$group"; done; }
case "$living$starting" in *[0-9a-f]*) end TERM; end CONT; sleep 0.4 || sleep 1; end KILL ;; esac
"""
_LAST_SECONDS = 1.0
"""How long the host waits at its own end for the watcher's."""


class Lifeline:
    """The watcher of one host, started with the first program. Safe to use from several threads. Never raises."""

    def __init__(self, fresh: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._fresh = fresh
        self._lock = threading.Lock()
        self._watcher: subprocess.Popen[bytes] | None = None
        self._host = 0
        self._starting: set[str] = set()
        self._living: set[int] = set()

    @property
    def pid(self) -> int | None:
        """The watcher's process, if there is one."""
        return self._watcher.pid if self._watcher is not None else None

    @contextlib.contextmanager
    def starting(self) -> Generator["Start"]:
        """A program is started in the block, with the environment of the value; `Start.became` tells its group."""
        start = Start(self._fresh())
        if os.name == "nt":
            yield start
            return
        with self._lock:
            if self._host != os.getpid():
                # The first program; or this is a fork of the host, whose watcher would see only the end of both.
                self._host, self._watcher, self._starting, self._living = os.getpid(), None, set(), set()
            self._starting.add(start.mark)
            self._tell(f"begin {start.mark}\n")
        try:
            yield start
        finally:
            with self._lock:
                self._starting.discard(start.mark)
                if start.group is None:
                    self._tell(f"drop {start.mark}\n")
                else:
                    self._living.add(start.group)
                    self._tell(f"add {start.mark} {start.group}\n")

    def remove(self, group: int) -> None:
        """A group that has ended. Its number may soon be another one's."""
        with self._lock:
            if group in self._living:
                self._living.discard(group)
                self._tell(f"remove {group}\n")

    def close(self) -> None:
        """The host ends: end what is left, and the watcher."""
        with self._lock:
            if self._watcher is not None and self._host == os.getpid():
                self._drop(self._watcher)

    def _start(self) -> None:
        try:
            watcher = subprocess.Popen(
                [_SHELL, "-c", _WATCH],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,  # what ends the host by a signal to its group must not end the watcher too
            )
        except OSError as error:
            logger.warning("Programs would outlive a host that is killed: %s cannot be started: %s", _SHELL, error)
            return
        assert watcher.stdin is not None
        os.set_blocking(watcher.stdin.fileno(), False)
        self._watcher = watcher
        known = [f"begin {mark}\n" for mark in self._starting] + [f"add - {group}\n" for group in self._living]
        self._write(watcher, "".join(known))

    def _tell(self, line: str) -> None:
        """Write to the watcher. Somebody may have ended it; another one has to know all."""
        if self._watcher is None or not self._write(self._watcher, line):
            self._start()

    def _write(self, watcher: "subprocess.Popen[bytes]", lines: str) -> bool:
        try:
            assert watcher.stdin is not None
            os.write(watcher.stdin.fileno(), lines.encode("ascii"))
        except OSError:  # gone, or it does not listen
            watcher.kill()
            self._drop(watcher)
            return False
        return True

    def _drop(self, watcher: "subprocess.Popen[bytes]") -> None:
        self._watcher = None
        with contextlib.suppress(OSError):
            if watcher.stdin is not None:
                watcher.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            watcher.wait(_LAST_SECONDS)


class Start:
    """A program that is being started."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.group: int | None = None

    def environment(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """The environment that it is to have."""
        return {**env, _MARK: self.mark} if sys.platform == "linux" else env

    def became(self, group: int) -> None:
        """It was started, in that group."""
        self.group = group
