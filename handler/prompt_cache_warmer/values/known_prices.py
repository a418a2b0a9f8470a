"""The known prices by kind of token: ``genai-prices`` is asked once per model and tier, and not for every call.

Its answer is exact and slow: a tenth of a millisecond in which it checks its own tables, several times per call. Inside
a tier a price is so much per token of each kind, so it is asked what the fewest tokens of that tier cost, and the rest
is multiplication. Which tier a call is in, all of its input says.
"""

from __future__ import annotations

from decimal import localcontext
from functools import lru_cache
from typing import TYPE_CHECKING

from genai_prices import Usage as PricedUsage
from genai_prices.types import TieredPrices

from prompt_cache_warmer.values.model_prices import TOKENS_PER_MTOK, ModelPrices
from prompt_cache_warmer.values.money import MONEY
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import ModelPrice

# A model has one list of prices at a time and few tiers, and a program asks for a few dozen models at most.
_KNOWN_TIERS = 1_024


def known_prices(listed: ModelPrice, *, input_tokens: int) -> ModelPrices | None:
    """Return what a token of each kind costs in a call; None where a call costs more than its tokens.

    Args:
        listed: a model's prices, as the package lists them.
        input_tokens: all input of the call, which says in which tier it is.
    """
    starts = [tier.start for price in vars(listed).values() if isinstance(price, TieredPrices) for tier in price.tiers]
    tier_start = max((start for start in starts if start < input_tokens), default=0)
    return _prices_in_tier(_Itself(listed), tier_start)


def priced_usage(usage: Usage) -> PricedUsage:
    """Return a usage as the package takes it."""
    return PricedUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.read_tokens,
        cache_write_tokens=usage.written_tokens,
        cache_write_1h_tokens=usage.write_1h_tokens,
        output_tokens=usage.output_tokens,
    )


class _Itself:
    """A model's prices as a key: compared by their values, they could be none.

    Args:
        listed: the prices; they are kept, so that no others come to stand at the same address.
    """

    def __init__(self, listed: ModelPrice) -> None:
        self.listed = listed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.listed is other.listed

    def __hash__(self) -> int:
        return id(self.listed)


@lru_cache(maxsize=_KNOWN_TIERS)
def _prices_in_tier(itself: _Itself, tier_start: int) -> ModelPrices | None:
    fewest = tier_start + 1

    def usd(usage: Usage) -> Decimal:
        return itself.listed.calc_price(priced_usage(usage))["total_price"]

    with localcontext(MONEY):
        if usd(Usage()):
            return None
        uncached_usd = usd(Usage(uncached_tokens=fewest))
        output_usd = usd(Usage(uncached_tokens=fewest, output_tokens=1)) - uncached_usd

        def per_mtok(usd_of_all: Decimal, tokens: int = fewest) -> Decimal:
            return (usd_of_all / tokens * TOKENS_PER_MTOK).normalize()  # 3, and not 3.000000 in every sum of it

        return ModelPrices(
            input_usd_per_mtok=per_mtok(uncached_usd),
            output_usd_per_mtok=per_mtok(output_usd, 1),
            cache_read_usd_per_mtok=per_mtok(usd(Usage(read_tokens=fewest))),
            cache_write_5m_usd_per_mtok=per_mtok(usd(Usage(write_5m_tokens=fewest))),
            cache_write_1h_usd_per_mtok=per_mtok(usd(Usage(write_1h_tokens=fewest))),
        )
