"""How many tokens a text is, judged by its bytes and by what a model's provider counted before in the same run. Pure.

A guess, for checks before a call: what was used is what the provider says. No tokenizer is needed, and none would know all models.
"""

import math

FIRST = 3.5
"""Bytes of a token before anything was counted: a little fewer than English prose and code have, to be on the safe side."""
LEAST, MOST = 1.0, 12.0
"""What is believed of a provider's count, in bytes of a token: one that counts wrongly must not make calls look free."""
WEIGHT = 0.3
"""How much the newest count says against all earlier ones."""
REPLY = 2_000
"""Tokens that a reply is taken to need when neither the call nor the model has `max_tokens`."""


class Estimator:
    """Learns per model: the first count replaces the guess, later ones move it."""

    def __init__(self) -> None:
        self._ratio: dict[str, float] = {}

    def tokens(self, model: str, size: int) -> int:
        """The tokens of so many bytes, rounded up."""
        return math.ceil(size / self._ratio.get(model, FIRST))

    def observe(self, model: str, size: int, tokens: int) -> None:
        """A provider counted `tokens` in a request of `size` bytes."""
        if size <= 0 or tokens <= 0:
            return
        seen = min(MOST, max(LEAST, size / tokens))
        before = self._ratio.get(model, seen)
        self._ratio[model] = before + WEIGHT * (seen - before)
