"""Configurations that somebody wrote to gain power, or to keep the server busy."""

import os
import sys
import time
from pathlib import Path

import pytest
from ledger import requirement
from vespiary.config import ConfigError, is_trusted, load, needs_trust, trust
from vespiary.providers.script import ScriptError, read_script

SCRIPTED = '[models.{name}]\nprovider = "scripted"\nscript = "replies.toml"\n'
MODEL_M = SCRIPTED.format(name="m")
GRANTED = (
    SCRIPTED.format(name="default")
    + '[agents.coder]\nactors = ["assistant", "tools/own.py"]\ngrants = { command = "allow" }\n'
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESPIARY_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "tools").mkdir(parents=True)
    (folder / "tools" / "own.py").write_text("# as trusted", encoding="utf-8", newline="")
    (folder / "replies.toml").write_text('[default]\ntext = "as trusted"', encoding="utf-8", newline="")
    return folder


def user_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "user.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@requirement("config:trust-content")
@pytest.mark.parametrize("name", ["tools/own.py", "replies.toml", "vespiary.toml"])
def test_a_changed_actor_or_script_ends_trust(name: str, root: Path) -> None:
    (root / "vespiary.toml").write_text(GRANTED, encoding="utf-8", newline="")
    shown = load(root, user_file=None, trusted=True)
    assert shown.workspace_file is not None
    trust(root, shown.workspace_file)
    assert load(root, user_file=None).agents["coder"].grants.command == "allow"

    with (root / name).open("a") as file:
        file.write("\n# changed by an agent that may only write\n")

    assert not is_trusted(root)
    with pytest.raises(ConfigError) as caught:
        load(root, user_file=None)
    assert caught.value.code == "config.untrusted"


@requirement("config:trust-content")
def test_a_removed_or_swapped_file_ends_trust_too(root: Path) -> None:
    (root / "vespiary.toml").write_text(GRANTED, encoding="utf-8", newline="")
    trust(root)
    (root / "replies.toml").unlink()
    assert not is_trusted(root)


@requirement("config:borrowed-power")
@pytest.mark.parametrize(
    ("mine", "theirs", "key"),
    [
        ('[agents.coder]\ngrants = { command = "allow" }', SCRIPTED.format(name="default"), "models.default"),
        (
            '[agents.ops]\nmodel = "m"\ngrants = { agents = "allow" }\n' + MODEL_M,
            MODEL_M,
            "models.m",
        ),
        (
            '[agents.ops]\nmodels = ["m"]\ngrants = { command = "ask" }\n' + MODEL_M,
            MODEL_M,
            "models.m",
        ),
        (
            SCRIPTED.format(name="a") + '[agents.ops]\ngrants = { command = "allow" }',
            'default_agent = "ops"',
            "default_agent",
        ),
    ],
    ids=["the default model", "a named model", "a further model", "the default agent"],
)
def test_a_clone_cannot_steer_a_powerful_agent_of_the_person(
    mine: str, theirs: str, key: str, root: Path, tmp_path: Path
) -> None:
    (root / "vespiary.toml").write_text(theirs, encoding="utf-8", newline="")
    mine_file = user_file(tmp_path, mine)
    with pytest.raises(ConfigError) as caught:
        load(root, user_file=mine_file)
    assert caught.value.code == "config.untrusted"
    assert [problem.key for problem in caught.value.problems] == [key]

    trust(root)
    assert len(needs_trust(load(root, user_file=mine_file))) == 1


@requirement("config:borrowed-power")
def test_a_clone_may_bring_a_model_and_an_agent_of_its_own(root: Path, tmp_path: Path) -> None:
    """Nothing of the person's is steered: their powerful agent keeps its own model."""
    mine = user_file(
        tmp_path, SCRIPTED.format(name="mine") + '[agents.ops]\nmodel = "mine"\ngrants = { command = "allow" }'
    )
    (root / "vespiary.toml").write_text(
        'default_agent = "theirs"\n' + MODEL_M + '[agents.theirs]\nmodel = "m"\n', encoding="utf-8", newline=""
    )
    assert needs_trust(load(root, user_file=mine)) == []


@requirement("config:hostile-file")
@pytest.mark.parametrize(
    "text",
    [
        "x = [\n[" + " " * 400_000 + "1 ],\n]\n",
        "x = [\n" + ("[" + " " * 2_000 + "1 ],\n") * 400 + "]\n",
        "".join(f'[agents.a{n}]\nmodel = "x{n}"\n' for n in range(15_000))
        + "".join(f"models.m{n} = {{ provider = 'openai', model = 'm' }}\n" for n in range(10_000)),
        "".join(f"[agents.a{n}]\nmodle = 1\n" for n in range(20_000)),
        "".join(f"k{n} = {{ a = 1 }}\n" for n in range(40_000)),
    ],
    ids=["one line of blanks", "many of them", "names that stand for nothing", "misspelt keys", "unknown tables"],
)
def test_a_file_made_to_be_slow_is_refused_soon(text: str, root: Path) -> None:
    (root / "vespiary.toml").write_text(text, encoding="utf-8", newline="")
    begun = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(root, user_file=None)
    assert time.process_time() - begun < 8
    assert len(caught.value.problems) <= 300


@requirement("config:hostile-file")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_named_pipe_is_not_waited_for(root: Path) -> None:
    os.mkfifo(root / "vespiary.toml")
    with pytest.raises(ConfigError, match="no regular file"):
        load(root, user_file=None)
    os.mkfifo(root / "pipe.toml")
    with pytest.raises(ScriptError, match="no regular file"):
        read_script(root / "pipe.toml")
    (root / "vespiary.toml").unlink()
    (root / "vespiary.toml").write_text(
        '[models.m]\nprovider = "scripted"\nscript = "pipe.toml"\n', encoding="utf-8", newline=""
    )
    trust(root)
    assert is_trusted(root)


@requirement("config:trust-patterns")
def test_a_script_with_regular_expressions_needs_trust(root: Path) -> None:
    (root / "vespiary.toml").write_text(SCRIPTED.format(name="m"), encoding="utf-8", newline="")
    load(root, user_file=None)
    patterns = '[[reply]]\nuser = { "\\u0072egex" = "(a+)+$" }\ntext = "never"\n'
    (root / "replies.toml").write_text(patterns, encoding="utf-8", newline="")

    with pytest.raises(ConfigError) as caught:
        load(root, user_file=None)

    assert caught.value.code == "config.untrusted"
    assert "regular expressions" in str(caught.value)
    assert load(root, user_file=None, trusted=True)
