"""What calls cost: from the configuration, from the list of prices, or not known."""

import pytest
from ledger import requirement
from vespiary.app.prices import Prices
from vespiary.config import ModelConfig
from vespiary.config.spending import PriceConfig
from vespiary.model.runs import Usage

pytestmark = pytest.mark.anyio

NOW = 1_765_000_000_000_000_000
USED = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000, calls=1)


async def cost(told: str = "", usage: Usage = USED, **model: object) -> int | None:
    config = ModelConfig.model_validate({"provider": "openai", "model": "gpt-5-mini", **model})
    return (await Prices(lambda: NOW).of(config))(usage, told)


@requirement("budgets:prices")
async def test_a_written_price_counts_cached_tokens_at_their_own() -> None:
    assert await cost(price=PriceConfig(input=1.0, output=10.0, cached=0.1)) == 600_000 + 40_000 + 1_000_000
    assert await cost(price=PriceConfig(input=1.0, output=10.0)) == 2_000_000
    assert await cost(base_url="http://127.0.0.1:1/v1", price=PriceConfig(input=1, output=0)) == 1_000_000


@requirement("budgets:prices")
async def test_a_cost_is_rounded_up_so_that_many_small_calls_are_not_free() -> None:
    assert await cost(usage=Usage(input_tokens=1), price=PriceConfig(input=0.05, output=0)) == 1


@requirement("budgets:prices")
async def test_a_known_model_has_its_known_price() -> None:
    # 0.25 read, 0.025 cached, 2 written, in dollars per million tokens.
    assert await cost() == 150_000 + 10_000 + 200_000
    assert await cost(base_url="https://openrouter.ai/api/v1", model="openai/gpt-5-mini", api_key_env="X")


@requirement("budgets:prices")
async def test_the_configured_name_comes_before_what_the_endpoint_calls_itself() -> None:
    assert await cost(told="gpt-5-nano") == await cost()
    assert await cost(model="my-deployment", told="gpt-5-mini") == await cost()


@requirement("budgets:prices")
async def test_an_unknown_model_or_endpoint_has_no_price_rather_than_none_to_pay() -> None:
    assert await cost(model="nobody-knows-this") is None
    assert await cost(base_url="https://models.example.org/v1") is None
    assert await cost(base_url="https://example.org/api.openai.com/v1") is None


@requirement("budgets:prices")
async def test_what_is_scripted_or_on_this_machine_is_free() -> None:
    assert await cost(provider="scripted", model="", script="x.toml") == 0
    assert await cost(base_url="http://localhost:11434/v1", model="qwen3-coder") == 0


@requirement("budgets:prices")
async def test_more_cached_tokens_than_were_read_are_no_trouble() -> None:
    usage = Usage(input_tokens=10, cached_tokens=20)
    assert await cost(usage=usage) is not None
    assert await cost(usage=usage, price=PriceConfig(input=1, output=1, cached=0)) == 0
