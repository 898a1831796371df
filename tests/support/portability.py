"""A Python without what only POSIX has: code to run in a process of its own, before anything of Vespiary is imported.

It takes away modules and names; it does not make Linux behave as Windows does. What the standard library and the libraries, which
choose by the system that they are on, need of them here is loaded before they go.
"""

MAIMED = """
import asyncio, ctypes, importlib.util, multiprocessing, multiprocessing.util, os, pathlib, platform, shutil, signal, socket
import subprocess, sys, sysconfig, tempfile, uuid, webbrowser

import anyio, anyio._backends._asyncio, httpx2, platformdirs, pydantic, rich.console, typer, wasmtime, wasmtime.component

platform.uname().processor
sysconfig.get_config_vars()

for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog"):
    sys.modules[name] = None
for name in (
    "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid", "getpgid", "getsid", "killpg", "setsid", "setpgid", "mkfifo",
    "fchmod", "fchown", "chown", "chroot", "uname", "pidfd_open", "sched_getaffinity", "getloadavg", "statvfs", "openpty",
    "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "WNOHANG",
):
    if hasattr(os, name):
        delattr(os, name)
for name in (
    "SIGKILL", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "SIGPIPE", "SIGCONT", "SIGSTOP", "SIGWINCH",
    "SIGTSTP", "alarm", "setitimer", "pthread_sigmask", "sigwait", "pidfd_send_signal",
):
    if hasattr(signal, name):
        delattr(signal, name)
os.supports_dir_fd = set()
os.supports_fd = set()
shutil._use_fd_functions = False
"""

LIKE_WINDOWS = (
    MAIMED
    + """
import types


class _Function:
    def __init__(self, answer):
        self.answer = answer

    def __call__(self, *arguments):
        return self.answer


class _Kernel:
    def __init__(self, name, **options):
        self.CreateJobObjectW = self.OpenProcess = _Function(1)
        self.WaitForSingleObject = _Function(0x102)

    def __getattr__(self, name):
        return self.__dict__.setdefault(name, _Function(1))


def _nothing(*arguments):
    return 0


ctypes.WinDLL = _Kernel
sys.modules["msvcrt"] = types.SimpleNamespace(locking=_nothing, setmode=_nothing, LK_NBLCK=2)
os.O_BINARY = 0
del os.set_blocking


def _not_here(*arguments, **options):
    raise NotImplementedError


loops = asyncio.SelectorEventLoop
for name in ("add_signal_handler", "remove_signal_handler", "connect_read_pipe", "connect_write_pipe"):
    setattr(loops, name, _not_here)
sys.platform = "win32"
"""
)
"""The same, telling everybody that it is Windows, with a stand-in for what Vespiary asks of it. No programs can be run there."""
