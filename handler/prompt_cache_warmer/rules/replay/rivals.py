"""The rivals: the rules people use instead, each as its conduct on the same arrivals.

Their ticks are multiples of the interval, counted from the file's time 0, and always on time.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.rules.replay.conduct import Conduct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.rules.replay.priced import PricedArrivals

# Every script that keeps a 5-minute entry alive pings every 4 minutes: the last whole minute before the lapse.
PING_INTERVAL_US = 240 * MICROSECONDS


def never(prices: PricedArrivals) -> Conduct:
    """Send the application's own markers and no warm call."""
    return Conduct.idle(prices)


def ping_always(prices: PricedArrivals, *, end_us: int) -> Conduct:
    """Ping at every tick, around the clock, whatever the traffic does."""
    conduct = Conduct.idle(prices)
    for at, pings in _pinged(prices, end_us):
        conduct.refreshes[at] = pings
        _hold(conduct, at)
    return conduct


def ping_skipping(prices: PricedArrivals, *, end_us: int) -> Conduct:
    """Ping at every tick, except where a request came since the last tick.

    The request came up to a whole interval before the tick that is skipped, so the entry may lapse
    before the next one: the ping then writes it again.
    """
    conduct = Conduct.idle(prices)
    for at, ticks in _pinged(prices, end_us):
        if ticks > 1:
            touched_us = prices.times_us[at]
            first_us = (touched_us // PING_INTERVAL_US + 2) * PING_INTERVAL_US
            rewrites = int(first_us - touched_us > prices.ttl_us)
            conduct.refreshes[at] = ticks - 1 - rewrites
            conduct.rewrites[at] = rewrites
            _hold(conduct, at)
    return conduct


def ping_bounded(prices: PricedArrivals, *, bound: int, end_us: int) -> Conduct:
    """Ping at every tick, at most so many times behind a request, and let the entry lapse then."""
    conduct = Conduct.idle(prices)
    if not bound:
        return conduct
    for at, ticks in _pinged(prices, end_us):
        pings = min(bound, ticks)
        conduct.refreshes[at] = pings
        touched_us = (prices.times_us[at] // PING_INTERVAL_US + pings) * PING_INTERVAL_US
        if at + 1 < len(prices) and prices.times_us[at + 1] - touched_us <= prices.ttl_us:
            conduct.hits[at + 1] = 1
    return conduct


def _pinged(prices: PricedArrivals, end_us: int) -> Iterator[tuple[int, int]]:
    """Name each request with a tick before the next one, or before the end, and count its ticks."""
    ends = chain(islice(prices.times_us, 1, None), (end_us + 1,))
    for at, (after_us, before_us) in enumerate(zip(prices.times_us, ends, strict=True)):
        ticks = (before_us - 1) // PING_INTERVAL_US - after_us // PING_INTERVAL_US
        if ticks > 0:
            yield at, ticks


def _hold(conduct: Conduct, at: int) -> None:
    """Note that the request after one is a hit."""
    if at + 1 < len(conduct.hits):
        conduct.hits[at + 1] = 1
