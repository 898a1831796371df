"""`vespiary serve` as a person meets it who types it at a terminal."""

import os
import subprocess
import sys

import pytest
from ledger import requirement

SERVE = [sys.executable, "-m", "vespiary", "serve"]


def test_the_help_of_serve_is_the_result_and_fits_a_terminal() -> None:
    done = subprocess.run([*SERVE, "--help"], capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: vespiary serve")
    assert max(map(len, done.stdout.splitlines())) <= 80


@requirement("cli:next-step")
@pytest.mark.skipif(sys.platform == "win32", reason="terminals as POSIX has them")
def test_serve_at_a_terminal_says_what_it_waits_for() -> None:
    person, terminal = os.openpty()
    process = subprocess.Popen(SERVE, stdin=terminal, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert "waiting for an editor" in process.stderr.readline()
    finally:
        process.kill()
        process.communicate()
        os.close(person)
        os.close(terminal)
