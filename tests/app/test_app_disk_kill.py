"""Killing the process in the middle of an edit: the file is the old one or the new one, whole."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ledger import requirement

WRITER = """
import sys
from pathlib import Path
import anyio
from vespiary.app.disk import DiskEditor
from vespiary.model.edits import ReplaceText, TextEdit, content_hash

root = Path(sys.argv[1])
old, new = "a" * 3_000_000, "b" * 3_000_000

async def main():
    editor = DiskEditor(root)
    before, after = old, new
    while True:
        edit = TextEdit(0, len(before), after)
        await editor.apply(ReplaceText("big.txt", content_hash(before), (edit,), content_hash(after)), "kill me")
        print(flush=True)
        before, after = after, before

anyio.run(main)
"""


@requirement("app:atomic-edit")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_file_is_whole_however_often_its_writer_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "big.txt"
    file.write_text("a" * 3_000_000, encoding="utf-8")
    seen: set[str] = set()
    for round_ in range(12):
        file.write_text("a" * 3_000_000, encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as writer:
            assert writer.stdout is not None
            # Another number of edits each time, and then whatever the next one has come to.
            for _ in range(1 + round_ % 3):
                assert writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        text = file.read_text(encoding="utf-8")
        assert text in ("a" * 3_000_000, "b" * 3_000_000)
        seen.add(text[0])
    assert "b" in seen  # the writer did write
