"""The documents: links lead somewhere, README leads to all of them, and its examples are what they say."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
from vespiary.config import load

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a checkout")
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def links(document: Path) -> list[tuple[Path, str]]:
    """The files and headings that a document points to; other places of the web are not looked at."""
    text = CODE.sub("", document.read_text(encoding="utf-8"))
    found: list[tuple[Path, str]] = []
    for target in LINK.findall(text):
        if "://" not in target:
            path, _, heading = target.partition("#")
            found.append(((document.parent / path).resolve() if path else document, heading))
    return found


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_every_link_between_documents_leads_somewhere() -> None:
    dead = [
        f"{document.relative_to(ROOT)}: {path.name}#{heading}"
        for document in documents()
        for path, heading in links(document)
        if not path.exists() or (heading and heading not in anchors(path))
    ]
    assert dead == []


def test_the_readme_leads_to_every_document() -> None:
    seen: set[Path] = set()
    ahead = [README]
    while ahead:
        document = ahead.pop()
        if document not in seen:
            seen.add(document)
            ahead += [path for path, _ in links(document) if path.suffix == ".md" and path.exists()]
    assert [str(document.relative_to(ROOT)) for document in documents() if document not in seen] == []


@pytest.mark.parametrize("text", blocks("toml"))
def test_the_configurations_of_the_readme_load(text: str, tmp_path: Path) -> None:
    (tmp_path / "vespiary.toml").write_text(text, encoding="utf-8", newline="")
    load(tmp_path, user_file=None, trusted=True)


def test_the_script_of_the_readme_is_python() -> None:
    (script,) = blocks("python")
    ast.parse(script)
