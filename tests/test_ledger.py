"""The ledger and the tests check one another."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path

import ledger

TESTS = Path(__file__).parent


def stated() -> dict[str, str]:
    found: dict[str, str] = {}
    for module in pkgutil.iter_modules(ledger.__path__):
        requirements: dict[str, str] = importlib.import_module(f"ledger.{module.name}").REQUIREMENTS
        assert not (found.keys() & requirements.keys())
        found |= requirements
    return found


def claimed() -> set[str]:
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "requirement":
                found |= {
                    arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
                }
    return found


def test_every_requirement_has_a_test() -> None:
    assert sorted(stated().keys() - claimed()) == []


def test_every_claim_names_a_requirement() -> None:
    assert sorted(claimed() - stated().keys()) == []


def test_every_requirement_is_a_sentence_with_its_source() -> None:
    for key, text in stated().items():
        assert re.fullmatch(r"[a-z-]+:[a-z0-9-]+", key), key
        assert re.search(r"\[[^\]]+\]$", text), f"{key} names no source"
