"""The examples of `docs/client.md`, run as they stand against the real server."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ledger import requirement
from support.fake_openai import FakeOpenAI
from support.projects import project, reply
from support.serving import AFTERWARDS, hanging_at, texts, workspace
from vespiary.client import Client

GUIDE = Path(__file__).parents[2] / "docs" / "client.md"


def example(number: int, tmp_path: Path, *arguments: object) -> list[str]:
    """The lines that an example prints."""
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    (tmp_path / "script.py").write_text(blocks[number], encoding="utf-8", newline="")
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py", *arguments], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@requirement("lsp:client")
def test_the_example_of_the_guide_does_a_task(tmp_path: Path) -> None:
    replies = [
        reply("Making it.", ("create_file", {"path": "b.txt", "content": "new\n"}), turn=1),
        reply("Made.", turn=2),
    ]
    root = project(tmp_path / "project", {"a.txt": "hello\n"}, *replies)
    told = example(0, tmp_path, root, "Make b.txt.")
    assert "Making it." in told[0]
    assert "[b.txt: applied]" in told
    assert told[-1] == "done: ['b.txt']"
    assert (root / "b.txt").read_text(encoding="utf-8") == "new\n"


@requirement("lsp:client", "lsp:sessions")
def test_the_example_of_the_guide_goes_on_with_a_conversation(tmp_path: Path) -> None:
    root = project(tmp_path / "project", {}, reply("First.", turn=1), reply("Second.", turn=2))
    assert example(1, tmp_path, root, "One", "Two") == ["First.", "Second.", "One: 2 tasks"]


@pytest.mark.anyio
@requirement("lsp:client", "lsp:resume")
async def test_the_example_of_the_guide_resumes_what_was_interrupted(root: Path, tmp_path: Path) -> None:
    with FakeOpenAI(hanging_at(1)) as model:
        workspace(root, model)
        async with Client.launch(root, trusted=True) as client:
            await client.start("Do it all.")
            await model.until(lambda model: model.calls == 2, 60)
        told = example(2, tmp_path, root)
    assert (told[0], told[-1]) == ("coder: Do it all.", "All is done.")
    assert sorted(told[1:-1]) == ["  create_file: done", "  read_file: done"]
    assert texts(root) == AFTERWARDS
