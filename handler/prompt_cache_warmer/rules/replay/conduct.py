"""Conduct: what a rule did in every gap between requests, and what that cost."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from operator import mul, sub
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.values.money import usd_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from decimal import Decimal

    from prompt_cache_warmer.rules.replay.priced import PricedArrivals

# A plot needs no more points than it has pixels.
CURVE_POINTS = 1_000


@dataclass(frozen=True, slots=True)
class Conduct:
    """What a rule did; each list has one item for each request.

    Attributes:
        refreshes: the warm calls between this request and the next, or the end, that found the entry alive.
        rewrites: the warm calls that found it lapsed and wrote it again.
        hits: 1 where this request found the entry alive, 0 where it was a cold start.
    """

    refreshes: array[int]
    rewrites: bytearray
    hits: bytearray

    @classmethod
    def idle(cls, prices: PricedArrivals) -> Conduct:
        """Return the conduct of who does nothing: a request is a hit when the one before it kept the entry alive."""
        count = len(prices)
        hits = bytearray(1)
        hits.extend(map(prices.ttl_us.__ge__, prices.gaps_us))
        return cls(refreshes=array("q", bytes(8 * count)), rewrites=bytearray(count), hits=hits)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule cost.

    Attributes:
        cost_pico: all of it, cold starts at their value included.
        requests: how many there were.
        cold_starts: the requests that found nothing in the cache; the first one always does.
        warm_calls: the warm calls that were made.
        curve: seconds, and USD so far, before evenly chosen requests and at the end.
    """

    cost_pico: int
    requests: int
    cold_starts: int
    warm_calls: int
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def cost_usd(self) -> Decimal:
        """All of the cost, in USD."""
        return usd_of(self.cost_pico)


def settle(conduct: Conduct, prices: PricedArrivals) -> Outcome:
    """Add up what a conduct cost."""
    saved_pico = array("q", map(sub, prices.miss_pico, prices.hit_pico))
    parts: list[tuple[int, Sequence[int], Sequence[int]]] = [(-1, conduct.hits, saved_pico)]
    parts += [(1, conduct.refreshes, prices.refresh_pico)] if any(conduct.refreshes) else []
    parts += [(1, conduct.rewrites, prices.rewrite_pico)] if any(conduct.rewrites) else []

    def cost_pico(first: int, after: int) -> int:
        cost = sum(prices.miss_pico[first:after])
        for sign, counts, pico in parts:
            cost += sign * sum(map(mul, counts[first:after], pico[first:after]))
        return cost

    cost, curve = _added(cost_pico, prices)
    return Outcome(
        cost_pico=cost,
        requests=len(prices),
        cold_starts=len(prices) - sum(conduct.hits),
        warm_calls=sum(conduct.refreshes) + sum(conduct.rewrites),
        curve=curve,
    )


def settle_uncached(prices: PricedArrivals) -> Outcome:
    """Add up what requests cost that cache nothing: each is a cold start."""
    cost, curve = _added(lambda first, after: sum(prices.plain_pico[first:after]), prices)
    return Outcome(cost, requests=len(prices), cold_starts=len(prices), warm_calls=0, curve=curve)


def _added(cost_pico: Callable[[int, int], int], prices: PricedArrivals) -> tuple[int, tuple[tuple[float, float], ...]]:
    """Add up what requests and what followed them cost, a stretch at a time, and note the sum before each."""
    step = max(1, len(prices) // CURVE_POINTS)
    cost, curve = 0, []
    for first in range(0, len(prices), step):
        curve.append((prices.times_us[first] / MICROSECONDS, float(usd_of(cost))))
        cost += cost_pico(first, first + step)
    curve.append((prices.times_us[-1] / MICROSECONDS, float(usd_of(cost))))
    return cost, tuple(curve)
