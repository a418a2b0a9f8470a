"""The rivals' conduct, counted by hand on ticks at 0, 240, 480, ... seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.rules.replay.conduct import Conduct, settle, settle_uncached
from prompt_cache_warmer.rules.replay.rivals import never, ping_always, ping_bounded, ping_skipping
from prompt_cache_warmer.values.money import usd_of
from tests.replay_cases import arrivals, priced_at

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.replay.priced import PricedArrivals


def at(*seconds: float) -> PricedArrivals:
    """Price requests of 100,000 tokens under 5 minutes."""
    return priced_at("claude-sonnet-4-6", arrivals(*seconds), "5m")


def told(conduct: Conduct) -> tuple[list[int], list[int], list[int]]:
    """Return refreshes, rewrites and hits."""
    return list(conduct.refreshes), list(conduct.rewrites), list(conduct.hits)


def test_who_never_warms_has_hits_up_to_the_lapse() -> None:
    """300 seconds are a hit, 301 are not."""
    assert told(never(at(0, 300, 601))) == ([0, 0, 0], [0, 0, 0], [0, 1, 0])


@pytest.mark.parametrize(
    ("seconds", "end", "refreshes"),
    [
        ((10, 20), 20, [0, 0]),
        ((10, 250), 250, [1, 0]),
        ((10, 240), 240, [0, 0]),  # a tick at the moment of a request finds the entry just touched
        ((0, 240), 480, [0, 1]),
        ((10, 1_000), 1_500, [4, 2]),
        ((10, 1_000), 1_440, [4, 2]),  # the end's own tick is counted
    ],
)
def test_pings_around_the_clock(seconds: tuple[float, ...], end: float, refreshes: list[int]) -> None:
    """One at each tick, and every request but the first is a hit."""
    conduct = ping_always(at(*seconds), end_us=round(end * MICROSECONDS))
    assert told(conduct) == (refreshes, [0, 0], [0, 1])


@pytest.mark.parametrize(
    ("seconds", "refreshes", "rewrites", "hits"),
    [
        ((200, 470), [0, 0], [0, 0], [0, 1]),  # the tick at 240 is skipped, 270 s are a hit
        ((10, 470), [0, 0], [0, 0], [0, 0]),  # skipped too, and 460 s are a miss: this is the rule's weakness
        ((10, 490), [0, 0], [1, 0], [0, 1]),  # the ping at 480 comes 470 s after the request and writes it again
        ((200, 490), [1, 0], [0, 0], [0, 1]),  # here it comes after 280 s and holds it
        ((10, 970), [2, 0], [1, 0], [0, 1]),
        ((180, 490), [1, 0], [0, 0], [0, 1]),  # 300 s to the ping: alive at the very lapse
    ],
)
def test_naive_skipping_lapses(
    seconds: tuple[float, ...], refreshes: list[int], rewrites: list[int], hits: list[int]
) -> None:
    """A tick is skipped where a request came since the last one, however long ago."""
    conduct = ping_skipping(at(*seconds), end_us=round(seconds[-1] * MICROSECONDS))
    assert told(conduct) == (refreshes, rewrites, hits)


@pytest.mark.parametrize(
    ("gap", "refreshes", "hit"),
    [(290, 1, 1), (700, 2, 1), (779, 2, 1), (780, 2, 1), (781, 2, 0), (9_000, 2, 0)],
)
def test_bounded_pings_stop(gap: float, refreshes: int, hit: int) -> None:
    """Two pings, at 240 and 480 s, hold it until 780 s."""
    conduct = ping_bounded(at(0, gap), bound=2, end_us=round(gap * MICROSECONDS))
    assert told(conduct) == ([refreshes, 0], [0, 0], [0, hit])


def test_no_pings_are_no_pings() -> None:
    """A bound of 0 is the conduct of who never warms."""
    prices = at(0, 290, 700)
    assert told(ping_bounded(prices, bound=0, end_us=10**9)) == told(never(prices))


def test_bounded_pings_behind_the_last_request() -> None:
    """They are counted to the end, and no further than the bound."""
    ends = {end: list(ping_bounded(at(0), bound=2, end_us=end * MICROSECONDS).refreshes) for end in (0, 240, 9_999)}
    assert ends == {0: [0], 240: [1], 9_999: [2]}


def test_a_conduct_costs_what_one_adds_up_by_hand() -> None:
    """Written at 10 s, written again by the ping at 480 s, refreshed at 720 s, hit at 800 s: two writes, two reads."""
    prices = at(10, 800)
    outcome = settle(ping_skipping(prices, end_us=prices.times_us[-1]), prices)
    assert (str(usd_of(outcome.cost_pico).normalize()), outcome.cold_starts, outcome.warm_calls) == ("0.81", 1, 2)
    assert outcome.curve == ((10.0, 0.0), (800.0, 0.78), (800.0, 0.81))


def test_a_cold_start_costs_its_value_but_a_warm_calls_write_does_not() -> None:
    """One request is cold: a write of 0.375 and a value of 1; the rewrite costs 0.375, the refresh and the hit 0.03."""
    prices = priced_at("claude-sonnet-4-6", arrivals(10, 800), "5m", cold_start_value_usd="1")
    outcome = settle(ping_skipping(prices, end_us=prices.times_us[-1]), prices)
    assert str(outcome.cost_usd.normalize()) == "1.81"


def test_without_a_cache_every_request_is_cold() -> None:
    """Two requests at plain input's price and a cold start's value."""
    outcome = settle_uncached(priced_at("claude-sonnet-4-6", arrivals(0, 1), "5m", cold_start_value_usd="0.5"))
    assert (str(outcome.cost_usd.normalize()), outcome.cold_starts, outcome.warm_calls) == ("1.6", 2, 0)


def test_a_long_curve_has_about_a_thousand_points() -> None:
    """It ends with the whole cost at the last request."""
    prices = at(*range(5_500))
    outcome = settle(never(prices), prices)
    assert len(outcome.curve) == 1_101
    assert outcome.curve[-1] == (5_499.0, float(outcome.cost_usd))
