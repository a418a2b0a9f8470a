"""Prices: each row of the price facts, tiers, speed, unknown models, and savings that are right for both verdicts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.values.pricing import PrefixCosts, cost_usd, prefix_costs, savings_usd
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MILLION = 1_000_000


@pytest.mark.parametrize(
    ("model", "plain", "write_5m", "write_1h", "read"),
    [
        # USD per million tokens: most models write at 1.25 and 2 times the base price and read at a tenth of it.
        ("claude-sonnet-4-6", "3", "3.75", "6", "0.30"),
        ("claude-sonnet-4-5-20250929", "3", "3.75", "6", "0.30"),
        ("claude-haiku-4-5", "1", "1.25", "2", "0.10"),
        ("claude-opus-4-8", "5", "6.25", "10", "0.50"),
        ("claude-opus-5", "5", "6.25", "10", "0.50"),
        ("claude-fable-5", "10", "12.50", "20", "1.00"),
        # Opus 5.5 and Sonnet 5.5 read at a twentieth.
        ("claude-opus-5-5", "4", "5", "8", "0.20"),
        ("claude-sonnet-5-5", "2", "2.50", "4", "0.10"),
        # Fable and Mythos 5.1 and 5.2 read at a fortieth.
        ("claude-fable-5-1", "10", "12.50", "20", "0.25"),
        ("claude-fable-5-2", "8", "10", "16", "0.20"),
        ("claude-mythos-5-2", "8", "10", "16", "0.20"),
    ],
)
def test_each_kind_of_token_has_its_own_price(model: str, plain: str, write_5m: str, write_1h: str, read: str) -> None:
    """Plain input, both writes and reads of a tenth of a million tokens cost a tenth of the listed prices."""
    tenth = MILLION // 10
    kinds = (
        Usage(uncached_tokens=tenth),
        Usage(write_5m_tokens=tenth),
        Usage(write_1h_tokens=tenth),
        Usage(read_tokens=tenth),
    )
    expected = tuple(Decimal(price) / 10 for price in (plain, write_5m, write_1h, read))
    assert tuple(cost_usd(model, usage, at=AT) for usage in kinds) == expected


def test_a_mixed_call_is_the_sum_of_its_parts() -> None:
    """Read, both writes, plain input and output of one call, added by hand."""
    usage = Usage(
        uncached_tokens=100, read_tokens=10_000, write_5m_tokens=1_000, write_1h_tokens=2_000, output_tokens=10
    )
    # Sonnet 4.6: 100 x 3 + 10,000 x 0.30 + 1,000 x 3.75 + 2,000 x 6 + 10 x 15 millionths of a dollar
    assert cost_usd("claude-sonnet-4-6", usage, at=AT) == Decimal("0.019200")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        # Up to 100,000 tokens of input Haiku 5.5 costs 0.10 a million; beyond, all of it costs five times that.
        (Usage(uncached_tokens=100_000), "0.01"),
        (Usage(uncached_tokens=100_001), "0.0500005"),
        (Usage(read_tokens=100_000), "0.001"),
        (Usage(read_tokens=200_000), "0.01"),
        (Usage(write_5m_tokens=80_000), "0.01"),
        (Usage(write_5m_tokens=160_000), "0.1"),
        (Usage(write_1h_tokens=160_000), "0.16"),
        # The tier looks at the whole input, so a small write behind a large read is dear too.
        (Usage(read_tokens=100_000, write_5m_tokens=1_000), "0.005625"),
    ],
)
def test_a_tier_looks_at_all_input(usage: Usage, cost: str) -> None:
    """A prefix above the tier's bound costs the upper price for every token."""
    assert cost_usd("claude-haiku-5-5", usage, at=AT) == Decimal(cost)


def test_fast_speed_has_its_own_price() -> None:
    """Opus 4.8 costs twice as much when the API says it ran fast, and the plain price when it says standard."""
    prices = [
        cost_usd("claude-opus-4-8", Usage(uncached_tokens=1_000, read_tokens=10_000, speed=speed), at=AT)
        for speed in (None, "standard", "fast")
    ]
    assert prices == [Decimal("0.010"), Decimal("0.010"), Decimal("0.020")]


@pytest.mark.parametrize("model", ["", "claude-opus-9", "gpt-5", "us.anthropic.claude-zeta-9", "sonnet"])
def test_an_unknown_model_has_no_price(model: str) -> None:
    """None, never 0: not for a call, not for the savings."""
    usage = Usage(write_5m_tokens=1_000)
    assert cost_usd(model, usage, at=AT) is None
    assert savings_usd(model, usage, expected_requests=100, warm_cost_usd=None, at=AT) is None


def test_a_call_of_nothing_costs_nothing() -> None:
    """A known model without tokens costs 0, which is not the same as unknown."""
    assert cost_usd("claude-opus-5", Usage(), at=AT) == 0


@pytest.mark.parametrize(
    ("usage", "warm_cost", "savings"),
    [
        # Sonnet 4.6, 10,000 tokens, 100 requests: each saves 10,000 x (3 - 0.30) = 0.027 USD, so 2.70 in all.
        (Usage(read_tokens=10_000, uncached_tokens=5), "0.003015", "2.696985"),  # a refresh cost a read
        (Usage(write_5m_tokens=10_000, uncached_tokens=5), "0.037515", "2.662485"),  # a write cost a write
        (Usage(write_1h_tokens=10_000), "0.06", "2.64"),
        (Usage(read_tokens=8_000, write_5m_tokens=2_000), "0.0099", "2.6901"),
        (Usage(uncached_tokens=10_000), "0.03", "-0.03"),  # nothing is cached, so the call was paid for nothing
    ],
)
def test_savings_are_what_requests_save_less_the_warm_call(usage: Usage, warm_cost: str, savings: str) -> None:
    """A refresh and a write serve the same requests; only their own cost differs."""
    cost = cost_usd("claude-sonnet-4-6", usage, at=AT)
    assert cost == Decimal(warm_cost)
    found = savings_usd("claude-sonnet-4-6", usage, expected_requests=100, warm_cost_usd=cost, at=AT)
    assert found == Decimal(savings)


def test_savings_of_a_fast_entry_are_at_fast_prices() -> None:
    """Opus 4.8 fast: 1,000 tokens save 0.01 - 0.001 USD a request; 10 requests less a read of 0.001."""
    usage = Usage(read_tokens=1_000, speed="fast")
    found = savings_usd("claude-opus-4-8", usage, expected_requests=10, warm_cost_usd=Decimal("0.001"), at=AT)
    assert found == Decimal("0.089")


def test_savings_are_unknown_when_the_warm_calls_cost_is() -> None:
    """A missing cost is not taken for 0."""
    usage = Usage(read_tokens=1_000)
    assert savings_usd("claude-opus-5", usage, expected_requests=1, warm_cost_usd=None, at=AT) is None


@pytest.mark.parametrize(
    ("model", "tokens", "ttl", "write", "read", "plain"),
    [
        # Sonnet 4.6: 6 or 3.75, 0.30 and 3 USD a million
        ("claude-sonnet-4-6", 20_000, "1h", "0.12", "0.006", "0.06"),
        ("claude-sonnet-4-6", 20_000, "5m", "0.075", "0.006", "0.06"),
        # Opus 5.5 reads at a twentieth: 8 or 5, 0.20 and 4
        ("claude-opus-5-5", 10_000, "1h", "0.08", "0.002", "0.04"),
        ("claude-opus-5-5", 10_000, "5m", "0.05", "0.002", "0.04"),
        # Haiku 5.5 has a tier: up to 100,000 tokens 0.2 or 0.125, 0.01 and 0.1; beyond it five times as much, but 1
        # for an hour, for every token
        ("claude-haiku-5-5", 100_000, "1h", "0.02", "0.001", "0.01"),
        ("claude-haiku-5-5", 100_000, "5m", "0.0125", "0.001", "0.01"),
        ("claude-haiku-5-5", 200_000, "1h", "0.20", "0.01", "0.10"),
        ("claude-haiku-5-5", 200_000, "5m", "0.125", "0.01", "0.10"),
    ],
)
def test_a_prefix_has_three_prices(model: str, tokens: int, ttl: Ttl, write: str, read: str, plain: str) -> None:
    """Writing it for the time to live it is marked with, reading it, and sending it without any cache."""
    found = prefix_costs(model, tokens, ttl, at=AT)
    assert found == PrefixCosts(write_usd=Decimal(write), read_usd=Decimal(read), plain_usd=Decimal(plain))


@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_a_prefix_on_an_unknown_model_has_no_price(ttl: Ttl) -> None:
    """None of the three, never 0; a prefix of nothing costs nothing."""
    assert prefix_costs("claude-opus-9", 20_000, ttl, at=AT) is None
    assert prefix_costs("claude-opus-5", 0, ttl, at=AT) == PrefixCosts(Decimal(0), Decimal(0), Decimal(0))


def test_a_prefix_costs_what_it_costs_in_that_hour() -> None:
    """Sonnet 4.6 lost its tier above 200,000 tokens on 13 March 2026: 300,000 cost 2.25 USD before and 1.125 after."""
    before = datetime(2026, 3, 12, 23, 59, 59, tzinfo=UTC)
    after = datetime(2026, 3, 13, 0, 0, 1, tzinfo=UTC)
    found = [prefix_costs("claude-sonnet-4-6", 300_000, "5m", at=at) for at in (before, after, before)]
    assert [costs.write_usd for costs in found if costs is not None] == [
        Decimal("2.25"),
        Decimal("1.125"),
        Decimal("2.25"),
    ]


def test_prices_are_exact_whatever_the_callers_arithmetic_is() -> None:
    """Eight digits though the caller computes with three: 12,345,678 tokens at 3 and at 0.30 USD a million."""
    with localcontext(Context(prec=3)):
        plain = cost_usd("claude-sonnet-4-6", Usage(uncached_tokens=12_345_678), at=AT)
        saved = savings_usd(
            "claude-sonnet-4-6", Usage(read_tokens=12_345_678), expected_requests=1, warm_cost_usd=Decimal(1), at=AT
        )
    assert plain == Decimal("37.037034")
    assert saved == Decimal("37.037034") - Decimal("3.7037034") - 1
