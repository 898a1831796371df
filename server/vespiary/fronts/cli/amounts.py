"""Tokens and money in words. Knows nothing of events or tables."""

from vespiary.model.budgets import dollars
from vespiary.model.runs import Usage


def used(usage: Usage) -> str:
    """What was used, as one line: `3 model calls, 1,200 tokens in, 80 out, $0.0042`."""
    calls = "1 model call" if usage.calls == 1 else f"{usage.calls:,} model calls"
    # What a provider did not count is told as what it is.
    about = "about " if usage.estimated_calls else ""
    line = f"{calls}, {about}{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    return f"{line}, {price}" if (price := cost(usage)) else line


def cost(usage: Usage) -> str:
    """What it cost: nothing for what is free, and never a plain sum where a price is missing."""
    if not usage.unpriced_calls:
        return dollars(usage.cost) if usage.cost else ""
    return f"at least {dollars(usage.cost)}" if usage.cost else "cost unknown"
