"""Prices of one's own: what a contract says, in place of everything that is known of prices.

A list of them replaces the known prices as a whole, so an empty one means that no model has a price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.values.money import MONEY
from prompt_cache_warmer.values.problems import shown

if TYPE_CHECKING:
    from prompt_cache_warmer.values.usage import Usage

TOKENS_PER_MTOK = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """What one model costs, in USD per million tokens; a whole number or a number as text becomes a ``Decimal``.

    Attributes:
        input_usd_per_mtok: input that is not cached.
        output_usd_per_mtok: output.
        cache_read_usd_per_mtok: input read from the cache.
        cache_write_5m_usd_per_mtok: input written to the cache for 5 minutes.
        cache_write_1h_usd_per_mtok: input written to the cache for 1 hour.

    Raises:
        ArgumentTypeError: for a float, which is not the price that was written.
        ArgumentValueError: for a negative price, or text that is no number.
    """

    input_usd_per_mtok: Decimal
    output_usd_per_mtok: Decimal
    cache_read_usd_per_mtok: Decimal
    cache_write_5m_usd_per_mtok: Decimal
    cache_write_1h_usd_per_mtok: Decimal

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _price(field.name, getattr(self, field.name)))

    def cost_usd(self, usage: Usage) -> Decimal:
        """Price one call's tokens in USD."""
        with localcontext(MONEY):
            micro_usd = (
                usage.uncached_tokens * self.input_usd_per_mtok
                + usage.output_tokens * self.output_usd_per_mtok
                + usage.read_tokens * self.cache_read_usd_per_mtok
                + usage.write_5m_tokens * self.cache_write_5m_usd_per_mtok
                + usage.write_1h_tokens * self.cache_write_1h_usd_per_mtok
            )
            return micro_usd / TOKENS_PER_MTOK


class PriceList:
    """Prices by model id that stand in place of all known ones.

    Args:
        prices: each model's prices; a model that is not in it has none.

    Raises:
        ArgumentTypeError: for anything but a mapping of model ids to ``ModelPrices``.
    """

    def __init__(self, prices: Mapping[str, ModelPrices]) -> None:
        if not isinstance(prices, Mapping):
            raise ArgumentTypeError("prices", f"{shown(prices)} is not a mapping of model ids to ModelPrices")
        for model, price in prices.items():
            if not isinstance(price, ModelPrices):
                raise ArgumentTypeError(f"prices[{model!r}]", f"{shown(price)} is not a ModelPrices")
        self._prices = dict(prices)

    def cost_usd(self, model: str, usage: Usage) -> Decimal | None:
        """Price one call in USD, or None for a model without a price."""
        price = self._prices.get(model)
        return None if price is None else price.cost_usd(usage)

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have a price."""
        return tuple(self._prices)


def _price(name: str, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise ArgumentTypeError(name, f"{shown(value)} is not a Decimal, a whole number or a number as text")
    try:
        price = Decimal(value)
    except ArithmeticError:
        raise ArgumentValueError(name, f"{shown(value)} is not a number") from None
    if not price.is_finite() or price < 0:
        raise ArgumentValueError(name, f"{shown(value)} is not allowed; allowed: 0 or more USD per million tokens")
    return price
