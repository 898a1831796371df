"""Budgets and prices in `vespiary.toml`, of a workspace and of a person."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ledger import requirement
from vespiary.config import Config, ConfigError, load
from vespiary.model.budgets import Budget, BudgetAction

Write = Callable[..., Config]


@pytest.fixture
def configure(tmp_path: Path) -> Write:
    def write(text: str, *, user: str = "", trusted: bool = False) -> Config:
        (tmp_path / "vespiary.toml").write_text(text, encoding="utf-8", newline="")
        own = tmp_path / "user.toml"
        own.write_text(user, encoding="utf-8", newline="")
        return load(tmp_path, user_file=own, trusted=trusted)

    return write


MODEL = '[models.default]\nprovider = "openai"\nmodel = "m"\n'


@requirement("budgets:limits")
def test_a_budget_is_read_and_dollars_become_whole_millionths(configure: Write) -> None:
    config = configure(
        "[budget]\ntokens_per_call = 10\ntokens_per_run = 20\ncost_per_run = 0.29\n"
        '[agents.coder.budget]\ncost_per_run = 1\naction = "warn"\nwarn_at = 0.5\n'
    )
    assert config.budget.value() == Budget(10, 20, 290_000)
    assert config.agents["coder"].budget.value() == Budget(None, None, 1_000_000, BudgetAction.WARN, 0.5)
    assert configure("").budget.value() == Budget()


WRONG = [
    ("[budget]\ntokens_per_runs = 5\n", ":2: budget.tokens_per_runs: unknown key. Did you mean `tokens_per_run`?"),
    (
        "[agents.coder.budget]\nx = 5\n",
        ":2: agents.coder.budget.x: unknown key. Known here: tokens_per_call, tokens_per_run",
    ),
    ("[budget]\ntokens_per_run = 0\n", ":2: budget.tokens_per_run: input should be greater than or equal to 1."),
    ("[budget]\ntokens_per_run = 1.5\n", ":2: budget.tokens_per_run: must be a whole number."),
    ("[budget]\ncost_per_run = -1\n", ":2: budget.cost_per_run: input should be greater than or equal to 0."),
    ("[budget]\ncost_per_run = nan\n", ":2: budget.cost_per_run: "),
    ("[budget]\ncost_per_run = inf\n", ":2: budget.cost_per_run: "),
    ('[budget]\naction = "stop"\n', ":2: budget.action: must be 'abort' or 'warn'."),
    ("[budget]\nwarn_at = 1.5\n", ":2: budget.warn_at: input should be less than or equal to 1."),
    ("budget = 5\n", ":1: budget: must be a table."),
    (
        "[budget]\n\ntokens_per_call = 9\ntokens_per_run = 8\n",
        ":3: budget.tokens_per_call: is more than `tokens_per_run`.",
    ),
    (
        "[agents.coder.budget]\ntokens_per_call = 9\ntokens_per_run = 8\n",
        ":2: agents.coder.budget.tokens_per_call: is more",
    ),
    (MODEL + "price = { input = 1 }\n", ":4: models.default.price.output: is missing."),
    (
        MODEL + "price = { input = 1, output = 1, cache = 1 }\n",
        ":4: models.default.price.cache: unknown key. Did you mean",
    ),
    (MODEL + "price = { input = -1, output = 1 }\n", ":4: models.default.price.input: input should be greater"),
    (
        '[models.default]\nprovider = "scripted"\nscript = "x"\nprice = { input = 1, output = 1 }\n',
        ":4: models.default.price: has no meaning for a `scripted` model.",
    ),
]


@requirement("budgets:config")
@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_cannot_be_meant_is_told_with_its_place(text: str, said: str, configure: Write) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(text)
    assert f"vespiary.toml{said}" in str(caught.value)


@requirement("budgets:never-wider")
@pytest.mark.parametrize("trusted", [False, True])
def test_of_two_budgets_what_both_allow_holds(trusted: bool, configure: Write) -> None:
    own = '[budget]\ntokens_per_run = 9_000_000\ncost_per_run = 0.1\naction = "warn"\nwarn_at = 0.9\n'
    user = "[budget]\ntokens_per_run = 1000\ncost_per_run = 0.5\ntokens_per_call = 500\n"
    assert configure(own, user=user, trusted=trusted).budget.value() == Budget(500, 1000, 100_000)
    assert configure("", user=user).budget.value() == Budget(500, 1000, 500_000)


@requirement("budgets:never-wider")
def test_an_agent_that_a_workspace_replaces_keeps_the_person_s_budget(configure: Write) -> None:
    user = "[agents.coder.budget]\ntokens_per_run = 1000\n"
    own = '[agents.coder]\ndescription = "mine"\n[agents.coder.budget]\ntokens_per_call = 100\naction = "warn"\n'
    coder = configure(own, user=user).agents["coder"]
    assert coder.description == "mine"
    assert coder.budget.value() == Budget(100, 1000)


@requirement("budgets:never-wider")
def test_the_only_budget_says_alone_what_happens(configure: Write) -> None:
    warn = '[budget]\ntokens_per_run = 5\naction = "warn"\n'
    coder = '[agents.coder.budget]\ntokens_per_run = 5\naction = "warn"\n'
    assert configure(warn).budget.action is BudgetAction.WARN
    assert configure("", user=warn).budget.action is BudgetAction.WARN
    assert configure(coder).agents["coder"].budget.action is BudgetAction.WARN


@requirement("budgets:never-wider")
def test_a_price_of_an_untrusted_workspace_does_not_decide_what_a_person_s_limit_means(configure: Write) -> None:
    own = MODEL + "price = { input = 0, output = 0 }\n"
    configure(own)
    configure(own, user="[budget]\ntokens_per_run = 5\n")
    for user in ("[budget]\ncost_per_run = 1\n", "[agents.x.budget]\ncost_per_run = 1\n"):
        with pytest.raises(ConfigError) as caught:
            configure(own, user=user)
        assert caught.value.code == "config.untrusted"
        assert "models.default.price: says by what price your own cost_per_run is counted" in str(caught.value)
        configure(own, user=user, trusted=True)
