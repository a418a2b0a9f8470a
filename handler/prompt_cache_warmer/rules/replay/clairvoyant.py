"""The clairvoyant: the cheapest that anybody could have paid who knew every arrival beforehand.

At every miss it chooses between no cache and the times to live it may use; in every gap that outlasts
the entry it either refreshes through, each refresh at the very moment of the lapse, or lets it lapse.
An exact dynamic programme over what is in the cache after each request; the tests hold it against
exhaustive search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.replay.priced import PricedArrivals


def clairvoyant_pico(prices: PricedArrivals) -> int:
    """Return the least cost, in pico-USD, with one time to live for every request."""
    ttl_us = prices.ttl_us
    cost = prices.miss_pico[0]
    rows = zip(prices.gaps_us, prices.refresh_pico, prices.hit_pico[1:], prices.miss_pico[1:], strict=False)
    for gap, refresh, hit, miss in rows:
        if gap <= ttl_us:
            cost += hit
        else:
            held = (gap - 1) // ttl_us * refresh + hit
            cost += min(held, miss)
    return cost


def free_clairvoyant_pico(short: PricedArrivals, long: PricedArrivals) -> int:
    """Return the least cost, in pico-USD, free to cache nothing, or under either time to live, at every miss."""
    plain_pico = short.plain_pico
    uncached, in_short, in_long = plain_pico[0], short.miss_pico[0], long.miss_pico[0]
    rows = zip(
        short.gaps_us,
        plain_pico[1:],
        short.refresh_pico,
        short.hit_pico[1:],
        short.miss_pico[1:],
        long.refresh_pico,
        long.hit_pico[1:],
        long.miss_pico[1:],
        strict=False,
    )
    short_us, long_us = short.ttl_us, long.ttl_us
    for gap, plain, short_refresh, short_hit, short_miss, long_refresh, long_hit, long_miss in rows:
        cold = uncached
        refreshes = (gap - 1) // short_us if gap else 0
        held_short = in_short + refreshes * short_refresh + short_hit
        if refreshes and in_short < cold:
            cold = in_short
        refreshes = (gap - 1) // long_us if gap else 0
        held_long = in_long + refreshes * long_refresh + long_hit
        if refreshes and in_long < cold:
            cold = in_long
        uncached = cold + plain
        in_short = min(held_short, cold + short_miss)
        in_long = min(held_long, cold + long_miss)
    return min(uncached, in_short, in_long)
