"""Known prices by kind of token: exactly what the package itself says, for every model, tier and count."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import data_snapshot
from genai_prices.types import ModelPrice, Tier, TieredPrices

from prompt_cache_warmer.values.known_prices import known_prices, priced_usage
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage

AT = datetime(2026, 11, 23, tzinfo=UTC)
TIERED = ModelPrice(
    input_mtok=TieredPrices(base=Decimal(1), tiers=[Tier(start=100, price=Decimal(5))]),
    output_mtok=Decimal(10),
)
USAGES_PER_MODEL = 3


def listed(model: str) -> ModelPrice:
    """Return Anthropic's prices of a model, as the package lists them."""
    return data_snapshot.get_snapshot().find_provider_model(model, None, "anthropic", None)[1].get_prices(AT)


def test_every_known_model_costs_what_the_package_says() -> None:
    """All models of all providers, with counts below, at and above every threshold there is."""
    dice = random.Random(7)  # noqa: S311 - no secret
    compared = 0
    for provider in data_snapshot.get_snapshot().providers:
        for model in provider.models:
            for most in dice.sample([9, 1_000, 32_000, 128_001, 200_000, 200_001, 1_000_000], USAGES_PER_MODEL):
                uncached, read, write_5m, write_1h, output = (dice.randint(0, most) for _ in range(5))
                usage = Usage(uncached, read, write_5m, write_1h, output)
                known = known_prices(model.get_prices(AT), input_tokens=usage.input_tokens)
                if known is None:
                    continue
                expected = model.calc_price(priced_usage(usage), provider, genai_request_timestamp=AT).total_price
                assert known.cost_usd(usage) == expected, (provider.id, model.id, usage)
                compared += 1
    assert compared > 1_000


def test_each_kind_of_token_has_its_own_price() -> None:
    """Sonnet 4.6 as Anthropic lists it: 3 USD a million, a quarter more and twice that to write, a tenth to read."""
    known = known_prices(listed("claude-sonnet-4-6"), input_tokens=25_000)
    assert known is not None
    assert (known.input_usd_per_mtok, known.output_usd_per_mtok) == (Decimal(3), Decimal(15))
    assert (known.cache_write_5m_usd_per_mtok, known.cache_write_1h_usd_per_mtok) == (Decimal("3.75"), Decimal(6))
    assert known.cache_read_usd_per_mtok == Decimal("0.3")


@pytest.mark.parametrize(("tokens", "usd_per_mtok"), [(100, 1), (101, 5)], ids=["at-the-start", "above-it"])
def test_all_of_the_input_says_which_tier_a_call_is_in(tokens: int, usd_per_mtok: int) -> None:
    """A tier that starts at 100 tokens holds for calls of more than 100, and then for all of their input."""
    known = known_prices(TIERED, input_tokens=tokens)
    assert known is not None
    assert (known.input_usd_per_mtok, known.output_usd_per_mtok) == (Decimal(usd_per_mtok), Decimal(10))


def test_a_model_that_asks_for_more_than_tokens_has_no_price_by_token() -> None:
    """A price per request is in no token's price, so the package is asked for each call."""
    assert known_prices(ModelPrice(input_mtok=Decimal(1), requests_kcount=Decimal(12)), input_tokens=9) is None


def test_equal_prices_of_two_models_are_known_apart() -> None:
    """The key is the list itself: two lists of the same prices are asked about one after the other."""
    first, second = (ModelPrice(input_mtok=Decimal(2)) for _ in range(2))
    assert known_prices(first, input_tokens=9) is not known_prices(second, input_tokens=9)
    assert known_prices(first, input_tokens=9) is known_prices(first, input_tokens=9)


def test_costs_are_written_without_needless_noughts() -> None:
    """5,616 tokens written at 3.75 and 10 at 3.00 USD a million are 0.02109 USD in every report."""
    cost = cost_usd("claude-sonnet-4-6", Usage(uncached_tokens=10, write_5m_tokens=5_616), at=AT)
    assert str(cost) == "0.02109"
