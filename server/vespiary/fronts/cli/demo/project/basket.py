"""A shopping basket."""


def total(prices: list[float], discount: float = 0) -> float:
    """The sum of the prices, less a discount in percent."""
    return sum(prices) - discount


def cheapest(prices: list[float]) -> float | None:
    """The lowest price, or None for an empty basket."""
    return min(prices)
