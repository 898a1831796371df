"""A Python without what only POSIX has: code to run in a process of its own, before anything of Vespiary is imported.

It takes away modules and names; it does not make Linux behave as Windows does. What the standard library and the libraries, which
choose by the system that they are on, need of them here is loaded before they go.
"""

MAIMED = """
import asyncio, ctypes, importlib.util, multiprocessing, multiprocessing.util, os, pathlib, platform, shutil, signal, socket
import subprocess, sys, tempfile, uuid, webbrowser

import anyio, anyio._backends._asyncio, httpx2, platformdirs, pydantic, rich.console, typer, wasmtime, wasmtime.component

platform.uname().processor

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
"""
