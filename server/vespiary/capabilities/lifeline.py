"""Ending the programs of a host that dies without a word: killed, or out of memory.

One small process beside the host is told of each process group that lives. It holds the end of a pipe; when the host is gone, in
whatever way, the pipe ends, and it ends the groups. A shell does this with little memory and no time per program but a write.

Knows process groups of POSIX. Windows needs none: there a job ends with the host (`jobs`). Not covered: a program whose host is
killed within the moment between its start and the note of it (less than a millisecond), and whatever left its group.
"""

import contextlib
import logging
import os
import subprocess
import threading

logger = logging.getLogger(__name__)

_SHELL = "/bin/sh"
_WATCH = """
living=" "
while read -r sign group; do
    case $sign in
        +) living="$living$group " ;;
        -) case $living in *" $group "*) living="${living%%" $group "*} ${living#*" $group "}" ;; esac ;;
    esac
done
end() { for group in $living; do kill -s "$1" -- "-$group"; done; }
case $living in *[0-9]*) end TERM; end CONT; sleep 0.4 || sleep 1; end KILL ;; esac
"""
_LAST_SECONDS = 1.0
"""How long the host waits at its own end for the watcher's."""


class Lifeline:
    """The watcher of one host, started with the first program. Safe to use from several threads. Never raises."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watcher: subprocess.Popen[bytes] | None = None
        self._host = 0
        self._living: set[int] = set()

    @property
    def pid(self) -> int | None:
        """The watcher's process, if there is one."""
        return self._watcher.pid if self._watcher is not None else None

    def add(self, group: int) -> None:
        """A group that is to end with the host."""
        if os.name == "nt":
            return
        with self._lock:
            if self._host != os.getpid():
                # The first program; or this is a fork of the host, whose watcher would see only the end of both.
                self._host, self._watcher, self._living = os.getpid(), None, set()
            self._living.add(group)
            # Somebody may have ended the watcher. Another one has to know all.
            if self._watcher is None or not self._tell(f"+ {group}\n"):
                self._start()

    def remove(self, group: int) -> None:
        """A group that has ended. Its number may soon be another one's."""
        with self._lock:
            if group in self._living:
                self._living.discard(group)
                self._tell(f"- {group}\n")

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
        self._tell("".join(f"+ {group}\n" for group in self._living))

    def _tell(self, lines: str) -> bool:
        """Write to the watcher; false when it is gone or does not listen."""
        watcher = self._watcher
        if watcher is None or watcher.stdin is None:
            return False
        try:
            os.write(watcher.stdin.fileno(), lines.encode("ascii"))
        except OSError:
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
