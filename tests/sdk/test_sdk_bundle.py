"""An actor's files as modules: the importer and the choice of the actor class, natively."""

import base64
import importlib
import importlib.resources
import json
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary_component import bundle
from vespiary_component.guards import MAX_JSON_DEPTH, too_deep
from vespiary_component.loading import load, make
from vespiary_sdk import Actor, ActorError


@pytest.fixture(autouse=True)
def imports_as_before() -> Iterator[None]:
    path, modules = sys.meta_path.copy(), sys.modules.copy()
    yield
    sys.meta_path[:] = path
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    sys.modules.update(modules)


ACTOR = "from vespiary_sdk import Actor\nclass Mine(Actor): ...\n"


@requirement("sdk:bundle")
def test_modules_packages_and_data_are_found_in_memory() -> None:
    files = {
        "mine.py": "from pack.inner import VALUE\nimport space.leaf\n" + ACTOR + "Mine.value = VALUE + space.leaf.N\n",
        "pack/__init__.py": "",
        "pack/inner.py": "from . import other\nVALUE = other.VALUE\n",
        "pack/other.py": "VALUE = 40\n",
        "pack/data/words.txt": "häuser",
        "pack/raw.bin": b"\xff\x00",
        "space/leaf.py": "N = 2\n",
    }
    cls: Any = load("mine", files)
    assert cls.value == 42
    root = importlib.resources.files("pack")
    assert root.joinpath("data", "words.txt").read_text(encoding="utf-8") == "häuser"
    assert (root / "raw.bin").read_bytes() == b"\xff\x00"
    assert sorted(entry.name for entry in root.iterdir()) == ["__init__.py", "data", "inner.py", "other.py", "raw.bin"]
    assert pkgutil.get_data("pack", "raw.bin") == b"\xff\x00"
    with root.joinpath("data/words.txt").open() as text:
        assert text.read() == "häuser"
    with pytest.raises(FileNotFoundError, match="not among the actor's files"):
        root.joinpath("none.txt").read_bytes()
    assert importlib.import_module("pack").__file__ == "pack/__init__.py"


@requirement("sdk:own-names-win")
def test_an_actors_module_may_be_called_like_one_that_is_there_already() -> None:
    sys.modules["actor"] = type(sys)("actor")
    assert load("actor", {"actor.py": ACTOR}).__name__ == "Mine"


@pytest.mark.parametrize("name", ["json", "vespiary_sdk"])
def test_an_actors_module_may_not_hide_the_library_or_the_sdk(name: str) -> None:
    with pytest.raises(ActorError, match=rf"Rename {name}\.py"):
        load(name, {f"{name}.py": ACTOR})


@requirement("sdk:one-actor-class")
def test_the_actor_is_the_one_class_of_the_module() -> None:
    assert load("one", {"one.py": ACTOR}).__name__ == "Mine"
    base = "from vespiary_sdk import Actor\nclass Base(Actor): ...\nclass Leaf(Base): ...\n"
    assert load("two", {"two.py": base}).__name__ == "Leaf"
    assert load("three", {"three.py": "from kit import Mine\n", "kit.py": ACTOR}).__name__ == "Mine"
    other = "from kit import Mine\nclass Other(Mine): ...\n"
    assert load("four", {"four.py": other, "kit.py": ACTOR}).__name__ == "Other"


@requirement("sdk:one-actor-class")
def test_no_class_and_several_classes_are_told() -> None:
    with pytest.raises(ActorError, match="none has no class that derives from"):
        load("none", {"none.py": "x = 1\n"})
    two = ACTOR + "class Yours(Actor): ...\n"
    with pytest.raises(ActorError, match=r'2 actors: Mine, Yours.*entry = "two:Mine"'):
        load("two", {"two.py": two})
    assert load("two:Yours", {"two.py": two}).__name__ == "Yours"
    with pytest.raises(ActorError, match="has no class Theirs"):
        load("two:Theirs", {"two.py": two})


@requirement("sdk:syntax-error-line")
def test_a_syntax_error_names_file_and_line() -> None:
    with pytest.raises(ActorError, match=r"(?s)mine\.py, line 2: SyntaxError.*def f\("):
        load("mine", {"mine.py": "x = 1\ndef f(:\n    pass\n"})
    with pytest.raises(ActorError, match=r"helper\.py, line 1: IndentationError"):
        load("mine", {"mine.py": "import helper\n", "helper.py": " x = 1\n  y = 2\n"})


def test_a_missing_module_is_told_with_the_line_that_wants_it() -> None:
    with pytest.raises(ActorError, match=r"mine\.py, line 2: No module named 'nothing_here'.*Put its source beside"):
        load("mine", {"mine.py": "x = 1\nimport nothing_here\n"})
    with pytest.raises(ActorError, match=r"no mine\.py among other\.py"):
        load("mine", {"other.py": ACTOR})


def test_the_constructors_text_chooses_and_configures() -> None:
    code: dict[str, Any] = {"entry": "mine", "files": {"mine.py": ACTOR, "d.bin": {"base64": "AAE="}}}
    actor = make(json.dumps({"name": "x", "config": {"a": 1}, "code": code}))
    assert isinstance(actor, Actor)
    assert actor.config == {"a": 1}
    for text, words in (
        ("{", "not JSON"),
        ("[]", "must be"),
        ('{"code": {}}', "code must be"),
        ('{"code": {"entry": "a b", "files": {}}}', "not the name of a module"),
        ('{"code": {"entry": "a", "files": []}}', "an object from paths"),
        ('{"code": {"entry": "a", "files": {"a.py": 1}}}', "a file is a text"),
        ('{"code": {"entry": "a", "files": {"a.py": {"base64": "?"}}}}', "not base64"),
        ('{"code": {"preloaded": "nobody"}}', "There is no built-in actor 'nobody'"),
    ):
        with pytest.raises(ActorError, match=words):
            make(text)


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.binary(max_size=20), max_size=3))
def test_data_survives_base64(files: dict[str, bytes]) -> None:
    sent = {path: {"base64": base64.b64encode(data).decode()} for path, data in files.items()}
    assert bundle.read_files(sent) == files


NESTED = st.recursive(st.text('[]{}"\\a', max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=30)


@requirement("sdk:deep-json")
@given(NESTED, st.integers(0, 40))
def test_sane_json_is_never_too_deep(value: Any, indent: int) -> None:
    assert not too_deep(json.dumps(value, indent=indent))


@requirement("sdk:deep-json")
@given(st.integers(1, 3 * MAX_JSON_DEPTH), st.sampled_from(["[]", "{}"]), st.booleans())
def test_depth_is_counted_whether_or_not_the_text_is_closed(depth: int, pair: str, closed: bool) -> None:
    opening = '{"a":' if pair == "{}" else "["
    text = opening * depth + ("1" + pair[1] * depth if closed else "")
    assert too_deep(text) == (depth > MAX_JSON_DEPTH)


@requirement("sdk:deep-json")
@given(st.text('[]{}"\\', max_size=200), st.integers(1, 2000))
def test_brackets_inside_a_string_do_not_count(text: str, times: int) -> None:
    assert not too_deep(json.dumps({"text": text * times}))
