"""The service's own decide() over arrivals: when it refreshes, and that nothing drives it above twice the optimum."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.rules.replay.arrivals import Arrivals
from prompt_cache_warmer.rules.replay.clairvoyant import clairvoyant_pico
from prompt_cache_warmer.rules.replay.conduct import Conduct, settle
from prompt_cache_warmer.rules.replay.ours import Timing, while_used
from tests.replay_cases import MODELS, TOKENS, after_gaps, arrivals, priced_at

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.replay.priced import PricedArrivals
    from prompt_cache_warmer.values.body import Ttl

SECOND = 1_000_000
HOUR = 3_600


def replayed(prices: PricedArrivals, *, tick: float = 0.0, tail: float = 0.0, value: str = "0") -> Conduct:
    """Keep the entry with while-used."""
    timing = Timing.of(prices, tick_seconds=tick, tail_seconds=tail)
    return while_used(prices, timing, cold_start_value_usd=Decimal(value))


def refreshes(*gaps: float, ttl: Ttl = "1h", tick: float = 0.0, tail: float = 0.0) -> list[int]:
    """Return the refreshes behind each request, on Sonnet 4.6."""
    return list(replayed(priced_at("claude-sonnet-4-6", after_gaps(*gaps), ttl), tick=tick, tail=tail).refreshes)


@pytest.mark.parametrize(
    ("gap", "made", "hit"),
    [
        (HOUR, 0, 1),  # a request at the very lapse needs no refresh
        (HOUR + 1, 1, 1),
        (2 * HOUR, 1, 1),
        (4 * HOUR, 3, 1),  # a new entry is kept a fifth of its break-even bound of 19
        (4 * HOUR + 1, 3, 0),
    ],
)
def test_exact_timers_refresh_at_each_lapse(gap: float, made: int, hit: int) -> None:
    """One refresh an hour, and the last one holds for an hour."""
    conduct = replayed(priced_at("claude-sonnet-4-6", after_gaps(gap), "1h"))
    assert (list(conduct.refreshes), list(conduct.hits)) == ([made, 0], [0, hit])


@pytest.mark.parametrize(
    ("ttl", "gap", "made"),
    [
        # Ticks at 240, 480, ...; one may come 60 s late, so an hour's entry is due from 55 minutes on.
        ("1h", 3_360, 0),
        ("1h", 3_361, 1),  # 3,360 is the first tick at which the next could come after the lapse
        ("1h", 6_720, 1),
        ("1h", 6_721, 2),
        ("5m", 240, 0),
        ("5m", 241, 1),  # five minutes are due at every tick
        ("5m", 481, 2),
        ("5m", 9_999, 2),  # a fifth of the break-even bound of 11
    ],
)
def test_ticks_refresh_while_the_next_one_could_be_late(ttl: Ttl, gap: float, made: int) -> None:
    """The first request comes at a tick."""
    assert refreshes(gap, ttl=ttl, tick=240) == [made, 0]


def test_a_late_tick_is_allowed_for() -> None:
    """Touched at 20 s, it lapses at 3,620: the tick at 3,600 would do if it came on time, so the one at 3,360 does."""
    assert list(replayed(priced_at("claude-sonnet-4-6", arrivals(20, 3_500), "1h"), tick=240).refreshes) == [1, 0]


def test_an_entry_is_kept_as_long_as_it_was_in_use() -> None:
    """Eight hours of use and a fifth of 19 make 11 refreshes; after a day the break-even bound is all there is."""
    assert refreshes(*[HOUR] * 8, 80 * HOUR)[-2:] == [11, 0]
    assert refreshes(*[HOUR] * 24, 80 * HOUR)[-2:] == [19, 0]


def test_use_begins_anew_behind_a_gap_that_nothing_could_have_spanned() -> None:
    """A gap of 20 hours is spanned by 19 refreshes, and a second more is not."""
    assert refreshes(*[HOUR] * 24, 20 * HOUR, 80 * HOUR)[-2:] == [19, 0]
    assert refreshes(*[HOUR] * 24, 20 * HOUR + 1, 80 * HOUR)[-2:] == [3, 0]


@pytest.mark.parametrize(("tail", "made"), [(0, 0), (HOUR - 1, 0), (HOUR, 1), (3 * HOUR, 3), (86_400, 3)])
def test_the_tail_is_counted_to_its_end(tail: float, made: int) -> None:
    """Idle refreshes behind the last request, those at the end's own moment too."""
    assert refreshes(tail=tail) == [made]


def test_a_cold_starts_value_buys_refreshes() -> None:
    """A saving of 0.57 USD and a value of 0.30 pay for 29 refreshes of 0.03: a fifth is 5, the credit asks for 6."""
    prices = priced_at("claude-sonnet-4-6", after_gaps(80 * HOUR), "1h", cold_start_value_usd="0.30")
    assert list(replayed(prices, value="0.30").refreshes) == [6, 0]


def ratio(prices: PricedArrivals, *, value: str = "0") -> float:
    """Return our cost over that of the clairvoyant with the same time to live."""
    return settle(replayed(prices, value=value), prices).cost_pico / clairvoyant_pico(prices)


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ttl", ["5m", "1h"])
@pytest.mark.parametrize("value", ["0", "0.05"])
def test_gaps_just_past_each_expiry_cost_at_most_twice(model: str, ttl: Ttl, value: str) -> None:
    """The same gap again and again, a microsecond past the lapse after each number of refreshes."""
    one = priced_at(model, after_gaps(), ttl, cold_start_value_usd=value)
    limit = break_even(one.costs[TOKENS], cold_start_value_usd=Decimal(value))
    for lapses in range(1, limit + 3):
        gap = lapses * one.ttl_us + 1
        for count in (1, 2, 7):
            requests = Arrivals([at * gap for at in range(count + 1)], [TOKENS] * (count + 1))
            assert ratio(priced_at(model, requests, ttl, cold_start_value_usd=value), value=value) <= 2


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ttl", ["5m", "1h"])
def test_an_adversary_who_sees_every_refresh_gets_at_most_twice(model: str, ttl: Ttl) -> None:
    """Each request comes a microsecond after the entry has lapsed, whatever was learned before."""
    times = [0]
    for _ in range(16):
        prices = priced_at(model, Arrivals(times, [TOKENS] * len(times)), ttl)
        conduct = replayed(prices, tail=1_000 * HOUR)
        assert list(conduct.hits) == [0] * len(times)
        assert ratio(prices) <= 2
        times.append(times[-1] + (conduct.refreshes[-1] + 1) * prices.ttl_us + 1)


@settings(max_examples=100, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    ttl=st.sampled_from(["5m", "1h"]),
    lapses=st.lists(st.tuples(st.integers(0, 90), st.sampled_from([-1, 0, 1])), min_size=1, max_size=12),
)
def test_no_gaps_around_expiries_cost_more_than_twice(model: str, ttl: Ttl, lapses: list[tuple[int, int]]) -> None:
    """Any mixture of gaps that end just before, at and just past any number of lapses."""
    times = [0]
    for count, nudge_us in lapses:
        times.append(times[-1] + max(0, count * (300 if ttl == "5m" else HOUR) * SECOND + nudge_us))
    assert ratio(priced_at(model, Arrivals(times, [TOKENS] * len(times)), ttl)) <= 2
