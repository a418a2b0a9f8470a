"""Prices of one's own: what they cost, and what is no price."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import Any

import pytest

from prompt_cache_warmer import ArgumentError, ModelPrices
from prompt_cache_warmer.values.model_prices import PriceList
from prompt_cache_warmer.values.usage import Usage

PRICES: dict[str, Any] = {
    "input_usd_per_mtok": 10,
    "output_usd_per_mtok": "20.5",
    "cache_read_usd_per_mtok": Decimal(1),
    "cache_write_5m_usd_per_mtok": "12.50",
    "cache_write_1h_usd_per_mtok": 20,
}


def test_each_kind_of_token_has_its_price() -> None:
    """Two of each, by hand: 20 + 41 + 2 + 25 + 40 millionths of a dollar."""
    usage = Usage(uncached_tokens=2, output_tokens=2, read_tokens=2, write_5m_tokens=2, write_1h_tokens=2)
    assert ModelPrices(**PRICES).cost_usd(usage) == Decimal("0.000128")


def test_a_price_is_exact_whatever_the_callers_arithmetic_is() -> None:
    """Ten digits though the caller computes with three: 12,345,678 x 10 + 1 x 20.5 millionths."""
    with localcontext(Context(prec=3)):
        found = ModelPrices(**PRICES).cost_usd(Usage(uncached_tokens=12_345_678, output_tokens=1))
    assert found == Decimal("123.4568005")


def test_a_list_knows_its_models_and_no_other() -> None:
    """What is not in it has no price, whatever is known elsewhere."""
    prices = PriceList({"own": ModelPrices(**PRICES)})
    assert prices.models == ("own",)
    assert prices.cost_usd("own", Usage(uncached_tokens=100)) == Decimal("0.001")
    assert prices.cost_usd("claude-sonnet-4-6", Usage(uncached_tokens=100)) is None


def test_a_list_is_as_it_was_made() -> None:
    """The mapping it was made of may change."""
    given = {"own": ModelPrices(**PRICES)}
    prices = PriceList(given)
    given.clear()
    assert prices.models == ("own",)


@pytest.mark.parametrize(
    ("price", "kind", "message"),
    [
        (0.1, TypeError, "0.1 is not a Decimal, a whole number or a number as text"),
        (True, TypeError, "true is not a Decimal"),
        (None, TypeError, "null is not a Decimal"),
        ("cheap", ValueError, "'cheap' is not a number"),
        (-1, ValueError, "-1 is not allowed; allowed: 0 or more USD per million tokens"),
        ("NaN", ValueError, "'NaN' is not allowed"),
        ("Infinity", ValueError, "'Infinity' is not allowed"),
    ],
)
def test_what_is_no_price_is_named(price: Any, kind: type[Exception], message: str) -> None:
    """With the field, the value and what is allowed."""
    with pytest.raises(ArgumentError) as raised:
        ModelPrices(**{**PRICES, "cache_read_usd_per_mtok": price})
    assert isinstance(raised.value, kind)
    assert raised.value.argument == "cache_read_usd_per_mtok"
    assert message in str(raised.value)
