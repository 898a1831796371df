"""Loading `vespiary.toml`, as people write it and as they get it wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.config import Config, ConfigError, load
from vespiary.config.places import Places
from vespiary.config.providers import Providers
from vespiary.model.errors import UsageError
from vespiary.model.grants import Grant

Write = Callable[..., Config]


@pytest.fixture
def configure(tmp_path: Path) -> Write:
    def write(text: str, *, user: str | None = None, trusted: bool | None = False) -> Config:
        root = tmp_path / "workspace"
        root.mkdir(exist_ok=True)
        (root / "vespiary.toml").write_text(text, encoding="utf-8", newline="")
        user_file = tmp_path / "user.toml"
        if user is not None:
            user_file.write_text(user, encoding="utf-8", newline="")
        return load(root, user_file=user_file, trusted=trusted)

    return write


def refused(configure: Write, text: str, **more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configure(text, **more)
    return str(caught.value)


MODEL = '[models.default]\nprovider = "openai"\nmodel = "m"\n'


@requirement("config:defaults")
def test_an_empty_workspace_offers_a_coder_that_may_run_nothing(tmp_path: Path) -> None:
    config = load(tmp_path, user_file=None)
    name, coder = config.agent()
    assert name == "coder"
    assert coder.actors == ("assistant", "files", "shell")
    grants = coder.grants.value()
    assert (grants.read, grants.write) == (Grant.ALLOW, Grant.ALLOW)
    assert (grants.command, grants.http, grants.agents, grants.hosts) == (Grant.DENY, Grant.DENY, Grant.DENY, ())
    assert [info.name for info in config.infos()] == ["coder"]


@requirement("config:no-model")
def test_without_a_model_the_error_shows_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, user_file=None).model_of("coder")
    assert caught.value.code == "config.no-model"
    assert "[models.default]" in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "localhost:11434" in str(caught.value)


def test_the_only_model_is_the_agents_model(configure: Write) -> None:
    assert configure(MODEL.replace("default", "mine")).model_of("coder") == "mine"


def test_of_several_models_the_one_called_default_is_used(configure: Write) -> None:
    assert configure(MODEL + MODEL.replace("default", "other")).model_of("coder") == "default"


def test_of_several_models_none_is_guessed(configure: Write) -> None:
    config = configure(MODEL.replace("default", "a") + MODEL.replace("default", "b"))
    with pytest.raises(ConfigError, match="names no model"):
        config.model_of("coder")
    assert config.infos()[0].model == ""


def test_an_unknown_agent_is_a_usage_error_that_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean `coder`"):
        load(tmp_path, user_file=None).agent("codr")


@requirement("config:names-place", "config:unknown-key")
def test_all_problems_are_reported_with_file_line_key_and_fix(configure: Write) -> None:
    said = refused(
        configure,
        '[models.fast]\nprovider = "opnai"\ntemprature = 1\n\n[agents.a.grants]\ncomand = "allow"\nread = "perhaps"\n',
    )
    assert "vespiary.toml:2: models.fast.provider: must be 'openai' or 'scripted'." in said
    assert "vespiary.toml:3: models.fast.temprature: unknown key. Did you mean `temperature`?" in said
    assert "vespiary.toml:6: agents.a.grants.comand: unknown key. Did you mean `command`?" in said
    assert "vespiary.toml:7: agents.a.grants.read: must be 'allow', 'ask' or 'deny'." in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'default_agent = "codr"',
            "vespiary.toml:1: default_agent: there is no agent called 'codr'. Did you mean `coder`?",
        ),
        ('[agents.a]\nmodel = "x"', "vespiary.toml:2: agents.a.model: there is no model called 'x'."),
        ('[agents.a]\nmodels = ["x"]', "agents.a.models: there is no model called 'x'."),
        (
            '[agents.a]\nactors = ["asistant"]',
            "agents.a.actors: there is no actor called 'asistant'. Did you mean `assistant`?",
        ),
        ('[agents.a]\nactors = ["nowhere.py"]', "there is no file 'nowhere.py'"),
        ("[agents.a]\nactors = []", "agents.a.actors"),
        ('[agents.a]\nactors = ["files", "files"]', "names an actor twice"),
        ("[agents.'b c']", "agents.b c: is not a name."),
        ("[agents]\na = 1", "agents.a: must be a table. Begin it with [agents.a]."),
        ("[agents.a]\nmax_rounds = 0", "agents.a.max_rounds: input should be greater than or equal to 1."),
        ('[agents.a]\nmax_rounds = "3"', "agents.a.max_rounds: must be a whole number."),
        ('[agents.a.grants]\nhttp = "allow"', "agents.a.grants.http: is granted, but no host is."),
        ('[agents.a.grants]\nhosts = ["https://x.org/"]', "is not a host"),
        ('[agents.a.grants]\nhosts = ["x.org:99999"]', "is not a host"),
        ('[models.m]\nmodel = "x"', "models.m.provider: is missing."),
        ('[models.m]\nprovider = "openai"', "models.m.model: is missing."),
        ('[models.m]\nprovider = "scripted"', "models.m.script: is missing."),
        ('[models.m]\nprovider = "scripted"\nscript = "s"\nbase_url = "http://x"', "models.m.base_url: has no meaning"),
        (
            '[models.m]\nprovider = "openai"\nmodel = "x"\nbase_url = "localhost:1"',
            "models.m.base_url: must begin with http",
        ),
        (
            '[models.m]\nprovider = "openai"\nmodel = "x"\napi_key_env = "A B"',
            "is not the name of an environment variable",
        ),
        ('[models.m]\nprovider = "openai"\nmodel = "x"\ntimeout_s = inf', "models.m.timeout_s"),
        ("[models.m", "vespiary.toml is not TOML"),
        ("a = [" + "[" * 5000, "vespiary.toml is not TOML"),
    ],
)
@requirement("config:dangling", "config:names-place")
def test_what_is_wrong_is_named_with_its_place(configure: Write, text: str, said: str) -> None:
    assert said in refused(configure, text + "\n")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vespiary.toml").write_bytes(b"default_agent = '\xff'")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path, user_file=None)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    (tmp_path / "vespiary.toml").write_bytes("\ufeffdefault_agent = 'coder'\r\n".encode())
    assert load(tmp_path, user_file=None).default_agent == "coder"


@requirement("config:secrets")
def test_a_secret_in_the_file_is_refused_and_not_repeated(configure: Write) -> None:
    secret = "sk-very-secret"
    for text in (
        MODEL + f'api_key = "{secret}"\n',
        MODEL + f'base_url = "http://me:{secret}@localhost/v1"\n',
        MODEL + f'api_key_env = "{secret}"\n',
        f'[models]\ndefault = "{secret}"\n',
    ):
        assert secret not in refused(configure, text)
    assert "api_key_env" in refused(configure, MODEL + f'api_key = "{secret}"\n')


@requirement("config:secrets")
def test_a_missing_or_impossible_key_is_an_error_that_names_the_variable_only(configure: Write) -> None:
    models = configure(MODEL).models
    with pytest.raises(ConfigError, match="OPENAI_API_KEY is not set"):
        Providers(models, environment={})("default")
    with pytest.raises(ConfigError) as caught:
        Providers(models, environment={"OPENAI_API_KEY": "sk\nsecret"})("default")
    assert "secret" not in str(caught.value)


@requirement("config:secrets")
def test_the_usual_key_is_not_sent_to_another_place(configure: Write) -> None:
    config = configure(MODEL + 'base_url = "http://localhost:1/v1"\n')
    provider = Providers(config.models, environment={"OPENAI_API_KEY": "sk-secret"})("default")
    assert provider._inner._endpoint.api_key is None  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_a_provider_is_made_once_and_an_unknown_one_is_refused(configure: Write) -> None:
    providers = Providers(configure(MODEL).models, environment={"OPENAI_API_KEY": "sk"})
    assert providers("default") is providers("default")
    with pytest.raises(ConfigError, match="Did you mean `default`"):
        providers("defalt")


@requirement("config:user-file")
def test_a_workspace_entry_replaces_the_users_entry_as_a_whole(configure: Write) -> None:
    user = MODEL + 'api_key_env = "MINE"\n[models.other]\nprovider = "openai"\nmodel = "o"\n'
    config = configure(
        '[models.default]\nprovider = "openai"\nmodel = "w"\nbase_url = "http://localhost:1"\n', user=user
    )
    assert config.models["default"].api_key_env is None
    assert config.models["default"].model == "w"
    assert config.models["other"].model == "o"


@requirement("config:user-file")
def test_the_users_own_file_may_grant_and_is_named_in_errors(configure: Write, tmp_path: Path) -> None:
    config = configure("", user='[agents.coder.grants]\ncommand = "allow"\n')
    assert config.agents["coder"].grants.command is Grant.ALLOW
    with pytest.raises(ConfigError, match=r"user\.toml:1: nonsense: unknown key"):
        configure("", user="nonsense = 1\n")


def test_a_script_is_found_beside_the_file_that_names_it(configure: Write, tmp_path: Path) -> None:
    config = configure("", user='[models.a]\nprovider = "scripted"\nscript = "s.toml"\n')
    assert config.models["a"].script == str(tmp_path / "s.toml")


@given(st.text())
def test_the_finder_of_lines_takes_any_text(text: str) -> None:
    assert Places(text).line("a", "b") is None or "a" in text


def test_lines_are_found_in_spite_of_strings_that_look_like_tables() -> None:
    places = Places('[a]\nx = """\n[b]\ny = 1\n"""\n[b]\ny = { z = 1 }\n"q.r" = 2\n')
    assert places.line("b") == 6
    assert places.line("b", "y", "z") == 7
    assert places.line("b", "q.r") == 8
    assert places.line("c") is None
