"""The rivals: the rules people use instead, each as its conduct on the same arrivals.

Their ticks are multiples of the interval, counted from the file's time 0, and always on time.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.rules.replay.conduct import Conduct

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.replay.priced import PricedArrivals

# Every script that keeps a 5-minute entry alive pings every 4 minutes: the last whole minute before the lapse.
PING_INTERVAL_US = 240 * MICROSECONDS


def never(prices: PricedArrivals) -> Conduct:
    """Send the application's own markers and no warm call."""
    conduct = Conduct()
    for earlier, later in pairwise(prices.times_us):
        conduct.gap(0, 0, is_hit=later - earlier <= prices.ttl_us)
    conduct.end(0)
    return conduct


def ping_always(prices: PricedArrivals, *, end_us: int) -> Conduct:
    """Ping at every tick, around the clock, whatever the traffic does."""
    conduct = Conduct()
    for earlier, later in pairwise(prices.times_us):
        conduct.gap(_ticks(earlier, later), 0, is_hit=True)
    conduct.end(_ticks(prices.times_us[-1], end_us + 1))
    return conduct


def ping_skipping(prices: PricedArrivals, *, end_us: int) -> Conduct:
    """Ping at every tick, except where a request came since the last tick.

    The request came up to a whole interval before the tick that is skipped, so the entry may lapse
    before the next one: the ping then writes it again.
    """
    conduct = Conduct()
    for earlier, later in pairwise(prices.times_us):
        pings, rewrites = _skipping(earlier, later, prices.ttl_us)
        conduct.gap(pings - rewrites, rewrites, is_hit=pings > 0 or later - earlier <= prices.ttl_us)
    pings, rewrites = _skipping(prices.times_us[-1], end_us + 1, prices.ttl_us)
    conduct.end(pings - rewrites, rewrites)
    return conduct


def ping_bounded(prices: PricedArrivals, *, bound: int, end_us: int) -> Conduct:
    """Ping at every tick, at most so many times behind a request, and let the entry lapse then."""
    conduct = Conduct()
    for earlier, later in pairwise(prices.times_us):
        pings = min(bound, _ticks(earlier, later))
        touched = (earlier // PING_INTERVAL_US + pings) * PING_INTERVAL_US if pings else earlier
        conduct.gap(pings, 0, is_hit=later - touched <= prices.ttl_us)
    conduct.end(min(bound, _ticks(prices.times_us[-1], end_us + 1)))
    return conduct


def _ticks(after_us: int, before_us: int) -> int:
    """Count the ticks after one moment and before another."""
    return max(0, (before_us - 1) // PING_INTERVAL_US - after_us // PING_INTERVAL_US)


def _skipping(after_us: int, before_us: int, ttl_us: int) -> tuple[int, int]:
    """Count the pings of a gap, and whether the first of them is a rewrite."""
    pings = max(0, _ticks(after_us, before_us) - 1)
    first_us = (after_us // PING_INTERVAL_US + 2) * PING_INTERVAL_US
    return pings, int(pings > 0 and first_us - after_us > ttl_us)
