"""The clairvoyant: by hand, and against trying out everything there is."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.rules.replay.arrivals import Arrivals
from prompt_cache_warmer.rules.replay.clairvoyant import clairvoyant_pico, free_clairvoyant_pico
from prompt_cache_warmer.values.money import usd_of
from tests.replay_cases import MODELS, after_gaps, arrivals, priced_at

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.replay.priced import PricedArrivals

SECOND = 1_000_000
# Gaps around the lapses of both times to live, and far behind them.
GAPS = st.one_of(
    st.sampled_from([0, 1, 299, 300, 301, 600, 601, 3_600, 3_601, 7_200, 7_201, 70_000]).map(lambda gap: gap * SECOND),
    st.integers(0, 90_000 * SECOND),
)


def searched(classes: list[PricedArrivals], *, may_cache_nothing: bool, at: int = 0, held: int | None = None) -> int:
    """Try out every choice at every request: what the requests from one on cost at least.

    Args:
        classes: the times to live there are to choose from.
        may_cache_nothing: whether a miss may be paid as plain input.
        at: the request.
        held: the class of the entry that is kept until it, None where there is none.
    """
    if at == len(classes[0]):
        return 0
    found = []
    if held is None:
        options = [(prices.miss_pico[at], number) for number, prices in enumerate(classes)]
        paid: list[tuple[int, int | None]] = [*options, *([(classes[0].plain_pico[at], None)] * may_cache_nothing)]
    else:
        paid = [(classes[held].hit_pico[at], held)]
    for cost, cached in paid:
        rest = searched_behind(classes, may_cache_nothing=may_cache_nothing, at=at, cached=cached)
        found.append(cost + rest)
    return min(found)


def searched_behind(classes: list[PricedArrivals], *, may_cache_nothing: bool, at: int, cached: int | None) -> int:
    """Try out keeping the entry until the next request, refresh by refresh, and letting it lapse."""
    if at + 1 == len(classes[0]):
        return 0
    lapsed = searched(classes, may_cache_nothing=may_cache_nothing, at=at + 1)
    if cached is None:
        return lapsed
    prices = classes[cached]
    alive_until, spent = prices.times_us[at] + prices.ttl_us, 0
    is_alive_unaided = alive_until >= prices.times_us[at + 1]
    while alive_until < prices.times_us[at + 1]:
        alive_until, spent = alive_until + prices.ttl_us, spent + prices.refresh_pico[at]
    kept = spent + searched(classes, may_cache_nothing=may_cache_nothing, at=at + 1, held=cached)
    return kept if is_alive_unaided else min(kept, lapsed)


@settings(max_examples=300, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    gaps=st.lists(GAPS, max_size=5),
    sizes=st.lists(st.sampled_from([1_000, 60_000, 100_000, 100_001, 180_000]), min_size=6, max_size=6),
    value=st.sampled_from(["0", "0.01", "1"]),
)
def test_it_is_as_cheap_as_the_best_that_search_finds(
    model: str, gaps: list[int], sizes: list[int], value: str
) -> None:
    """Free to choose, and within each time to live, with prefixes that grow, shrink and pass a tier."""
    times = [sum(gaps[:count]) for count in range(len(gaps) + 1)]
    requests = Arrivals(times, sizes[: len(times)])
    short = priced_at(model, requests, "5m", cold_start_value_usd=value)
    long = priced_at(model, requests, "1h", cold_start_value_usd=value)
    assert clairvoyant_pico(short) == searched([short], may_cache_nothing=False)
    assert clairvoyant_pico(long) == searched([long], may_cache_nothing=False)
    assert free_clairvoyant_pico(short, long) == searched([short, long], may_cache_nothing=True)


@pytest.mark.parametrize(
    ("gaps", "short", "long", "free"),
    [
        # Sonnet 4.6, 100,000 tokens: plain 0.30, written 0.375 (5m) or 0.60 (1h), read 0.03.
        ((), "0.375", "0.60", "0.30"),
        ((300,), "0.405", "0.63", "0.405"),  # a request at the very lapse is a hit
        ((301,), "0.435", "0.63", "0.435"),  # one refresh and one hit, or all the hour's own
        ((3_601,), "0.75", "0.66", "0.60"),  # 12 refreshes are dearer than a write; caching nothing is cheaper still
        ((3_600, 3_600, 3_600), "1.455", "0.69", "0.69"),  # 11 refreshes and a hit, 0.36, against a write
        ((3_600, 3_600, 3_600, 86_400), "1.83", "1.29", "0.99"),  # kept for three hours, then let go
        ((68_400,), "0.75", "1.17", "0.60"),  # 18 refreshes and a hit: 0.57 against a write of 0.60
        ((72_000,), "0.75", "1.20", "0.60"),  # 19 and a hit: 0.60, as much as the write
        ((10, 86_400, 10), "0.81", "1.26", "0.81"),  # two bursts, each written once
    ],
)
def test_it_costs_what_one_adds_up_by_hand(gaps: tuple[float, ...], short: str, long: str, free: str) -> None:
    """Three columns: 5 minutes only, 1 hour only, free."""
    hour = priced_at("claude-sonnet-4-6", after_gaps(*gaps), "1h")
    minutes = priced_at("claude-sonnet-4-6", after_gaps(*gaps), "5m")
    found = (clairvoyant_pico(minutes), clairvoyant_pico(hour), free_clairvoyant_pico(minutes, hour))
    assert tuple(map(usd_of, found)) == (Decimal(short), Decimal(long), Decimal(free))


def test_growth_is_written_and_the_rest_is_read() -> None:
    """10,000 tokens written at 1h prices, then 10,000 read and 20,000 written: 0.06 + 0.003 + 0.12 USD."""
    prices = priced_at("claude-sonnet-4-6", arrivals(0, 60, tokens=[10_000, 30_000]), "1h")
    assert usd_of(clairvoyant_pico(prices)) == Decimal("0.183")
