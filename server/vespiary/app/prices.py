"""What model calls cost, in millionths of a dollar, where that can be known.

The configuration's own `price` comes first. A scripted model costs nothing, and neither does one on this machine: whoever answers
there sends no bill (a proxy to a paid service needs a `price`). Everything else is looked up in `genai-prices` by its URL and name,
offline; what is not found there is unknown, which is not zero.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

import anyio.to_thread

from vespiary.model.budgets import MICRO
from vespiary.model.runs import Usage

if TYPE_CHECKING:
    from vespiary.config import ModelConfig
    from vespiary.config.spending import PriceConfig

Tariff = Callable[[Usage, str], int | None]
"""The cost of what was used, given also the model's name as the reply had it (or an empty one). None where it is not known."""


class Prices:
    """`now` is the time in nanoseconds since the epoch: prices change."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._ready = False

    async def of(self, model: "ModelConfig") -> Tariff:
        """The tariff of a model. The first one that must be looked up loads the prices, in a thread: about 0.1 s."""
        from vespiary.config.providers import OPENAI_URL
        from vespiary.config.trust import is_loopback

        if model.price is not None:
            return _written(model.price)
        url = model.base_url or OPENAI_URL
        if model.provider == "scripted" or is_loopback(url):
            return _free
        if not self._ready:
            await anyio.to_thread.run_sync(_known, Usage(), model.model, url, self._now())
            self._ready = True

        def tariff(usage: Usage, told: str) -> int | None:
            # The configured name first: a provider's own word for it might be the name of something cheaper.
            names = dict.fromkeys(name for name in (model.model, told) if name)
            found = (_known(usage, name, url, self._now()) for name in names)
            return next((cost for cost in found if cost is not None), None)

        return tariff


def _free(usage: Usage, told: str) -> int | None:
    return 0


def _written(price: "PriceConfig") -> Tariff:
    # Dollars per million tokens are millionths of a dollar per token.
    read, write = Decimal(str(price.input)), Decimal(str(price.output))
    cached = read if price.cached is None else Decimal(str(price.cached))

    def tariff(usage: Usage, told: str) -> int | None:
        hits = min(usage.cached_tokens, usage.input_tokens)
        return _up(read * (usage.input_tokens - hits) + cached * hits + write * usage.output_tokens)

    return tariff


def _known(usage: Usage, name: str, url: str, now: int) -> int | None:
    # 70 ms and 12 MB, and the data another 20 ms at the first use.
    import genai_prices

    used = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
    )
    at = datetime.fromtimestamp(now // 10**9, UTC)
    try:
        found = genai_prices.calc_price(used, name, provider_api_url=url, genai_request_timestamp=at)
    except (LookupError, ValueError, ArithmeticError):
        return None
    return _up(found.total_price * MICRO)


def _up(micro: Decimal) -> int:
    return int(micro.to_integral_value(ROUND_CEILING))
