"""The break-even bound: how many idle refreshes pay for one cold start."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_cache_warmer.values.pricing import PrefixCosts


def break_even(costs: PrefixCosts, *, cold_start_value_usd: Decimal) -> int:
    """Count the refreshes that cost as much as a cold start, from the model's own prices.

    In ``Decimal``: in binary floating point 1.9 / 0.1 is 18.999..., which is one refresh short.
    """
    avoided = costs.write_usd - costs.read_usd + cold_start_value_usd
    if avoided <= 0 or costs.read_usd <= 0:
        return 0
    return int((avoided / costs.read_usd).to_integral_value(rounding=ROUND_FLOOR))
