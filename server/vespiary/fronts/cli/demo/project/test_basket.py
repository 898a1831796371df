"""What the basket should do."""

import unittest

from basket import cheapest, total  # pyright: ignore[reportMissingImports, reportUnknownVariableType]


class BasketTest(unittest.TestCase):
    """Two promises are broken."""

    def test_a_basket_costs_the_sum_of_its_prices(self) -> None:
        """No discount."""
        self.assertEqual(total([5, 15]), 20)

    def test_a_discount_is_a_percentage(self) -> None:
        """Ten percent of 200 is 20."""
        self.assertEqual(total([150, 50], discount=10), 180)

    def test_an_empty_basket_has_no_cheapest_price(self) -> None:
        """None, not an error."""
        self.assertIsNone(cheapest([]))  # pyright: ignore[reportUnknownArgumentType]


if __name__ == "__main__":
    unittest.main()
