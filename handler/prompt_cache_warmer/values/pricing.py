"""Prices: what a call cost and what the cache saves, in USD, from ``genai-prices``. Money is ``Decimal``.

The package knows every model's own prices, 5-minute and 1-hour writes apart, and tiers by input size,
so nothing here assumes a multiple of a base price. A model it does not know has no price: the answer
is None, never 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

PROVIDER = "anthropic"


def cost_usd(model: str, usage: Usage, *, at: datetime) -> Decimal | None:
    """Price one call in USD, or None for a model without a known price.

    Args:
        model: the model's id.
        usage: the call's tokens; a tiered price looks at all of its input.
        at: when the call was made, because prices change.
    """
    priced = PricedUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.read_tokens,
        cache_write_tokens=usage.written_tokens,
        cache_write_1h_tokens=usage.write_1h_tokens,
        output_tokens=usage.output_tokens,
    )
    context = None if usage.speed is None else {"speed": usage.speed}
    try:
        price = calc_price(priced, model, provider_id=PROVIDER, genai_request_timestamp=at, price_context=context)
    except LookupError:
        return None
    return price.total_price


def savings_usd(
    model: str, warmed: Usage, *, expected_requests: int, warm_cost_usd: Decimal | None, at: datetime
) -> Decimal | None:
    """Estimate what a warm entry saves over ``expected_requests`` real requests, less the warm call's own cost.

    Each real request reads the cached tokens instead of paying them as plain input. None for a model
    without a known price.
    """
    cached = warmed.cached_tokens
    plain = cost_usd(model, Usage(uncached_tokens=cached, speed=warmed.speed), at=at)
    read = cost_usd(model, Usage(read_tokens=cached, speed=warmed.speed), at=at)
    if plain is None or read is None or warm_cost_usd is None:
        return None
    return (plain - read) * expected_requests - warm_cost_usd
