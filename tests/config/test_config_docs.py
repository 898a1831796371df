"""The documents of the configuration say what is so."""

import re
from pathlib import Path

import pytest
from ledger import requirement
from vespiary.config import AgentConfig, GrantsConfig, ModelConfig, load
from vespiary.config.defaults import NO_MODEL_HINT
from vespiary.config.spending import BudgetConfig, PriceConfig
from vespiary.providers.script import parse_script

DOCS = Path(__file__).parents[2] / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")
SCRIPTS = (DOCS / "scripted-models.md").read_text(encoding="utf-8")


def examples(text: str) -> list[str]:
    return re.findall(r"```toml\n(.*?)```", text, re.DOTALL)


def documented(text: str, heading: str) -> set[str]:
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)}


def accept(tmp_path: Path, text: str) -> None:
    (tmp_path / "vespiary.toml").write_text(text, encoding="utf-8", newline="")
    load(tmp_path, user_file=None, trusted=True)


@pytest.mark.parametrize("text", examples(CONFIGURATION) + examples(SCRIPTS)[:1])
def test_every_example_of_a_configuration_loads(tmp_path: Path, text: str) -> None:
    accept(tmp_path, text)


@pytest.mark.parametrize("text", examples(SCRIPTS)[1:])
def test_every_example_of_a_script_loads(text: str) -> None:
    parse_script(text)


@requirement("config:no-model")
def test_the_models_that_the_error_offers_load(tmp_path: Path) -> None:
    tables = NO_MODEL_HINT.split("[models.default]")[1:]
    assert len(tables) == 2
    for table in tables:
        accept(tmp_path, "[models.default]" + table)


def test_every_key_is_documented() -> None:
    assert documented(CONFIGURATION, "`[models.NAME]`") == set(ModelConfig.model_fields)
    assert documented(CONFIGURATION, "`[agents.NAME]`") == set(AgentConfig.model_fields)
    assert documented(CONFIGURATION, "`[agents.NAME.grants]`") == set(GrantsConfig.model_fields)
    assert documented(CONFIGURATION, "Budgets") == set(BudgetConfig.model_fields)
    assert documented(CONFIGURATION, "Prices") == set(PriceConfig.model_fields)


def test_every_key_of_a_script_is_documented() -> None:
    keys = documented(SCRIPTS, "Conditions") | documented(SCRIPTS, "What a reply holds")
    conditions = {"user", "system", "tool", "result", "turn", "times"}
    held = {"name", "text", "reasoning", "tool_calls", "usage", "latency_ms", "chunk", "chunk_delay_ms", "error"}
    assert keys == conditions | held
