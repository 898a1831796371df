"""The example of `docs/client.md`, run as it stands against the real server."""

import re
import subprocess
import sys
from pathlib import Path

from ledger import requirement
from support.projects import project, reply

GUIDE = Path(__file__).parents[2] / "docs" / "client.md"


@requirement("lsp:client")
def test_the_example_of_the_guide_does_a_task(tmp_path: Path) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "script.py").write_text(block, encoding="utf-8", newline="")
    replies = [
        reply("Making it.", ("create_file", {"path": "b.txt", "content": "new\n"}), turn=1),
        reply("Made.", turn=2),
    ]
    root = project(tmp_path / "project", {"a.txt": "hello\n"}, *replies)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", root, "Make b.txt."],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Making it." in done.stdout
    assert "[b.txt: applied]" in done.stdout
    assert done.stdout.splitlines()[-1] == "done: ['b.txt']"
    assert (root / "b.txt").read_text(encoding="utf-8") == "new\n"
