"""Conduct: what a rule did in every gap between requests, and what that cost."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.values.money import usd_of

if TYPE_CHECKING:
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

    refreshes: array[int] = field(default_factory=lambda: array("q"))
    rewrites: bytearray = field(default_factory=bytearray)
    hits: bytearray = field(default_factory=lambda: bytearray(b"\0"))

    def gap(self, refreshes: int, rewrites: int, *, is_hit: bool) -> None:
        """Add the gap behind a request, and whether the next one is a hit."""
        self.refreshes.append(refreshes)
        self.rewrites.append(rewrites)
        self.hits.append(is_hit)

    def end(self, refreshes: int, rewrites: int = 0) -> None:
        """Add what was done after the last request."""
        self.refreshes.append(refreshes)
        self.rewrites.append(rewrites)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule cost.

    Attributes:
        cost_pico: all of it, cold starts at their value included.
        requests: how many there were.
        cold_starts: the requests that found nothing in the cache; the first one always does.
        warm_calls: the warm calls that were made.
        curve: seconds and USD so far, at evenly chosen requests and at the end.
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
    step = max(1, len(prices) // CURVE_POINTS)
    cost, curve = 0, []
    rows = zip(
        conduct.hits,
        conduct.refreshes,
        conduct.rewrites,
        prices.hit_pico,
        prices.miss_pico,
        prices.refresh_pico,
        prices.rewrite_pico,
        strict=True,
    )
    for at, (is_hit, refreshes, rewrites, hit, miss, refresh, rewrite) in enumerate(rows):
        cost += hit if is_hit else miss
        if at % step == 0:
            curve.append(_point(prices.times_us[at], cost))
        if refreshes:
            cost += refreshes * refresh
        if rewrites:
            cost += rewrites * rewrite
    curve.append(_point(prices.times_us[-1], cost))
    return Outcome(
        cost_pico=cost,
        requests=len(prices),
        cold_starts=len(prices) - sum(conduct.hits),
        warm_calls=sum(conduct.refreshes) + sum(conduct.rewrites),
        curve=tuple(curve),
    )


def settle_uncached(prices: PricedArrivals) -> Outcome:
    """Add up what requests cost that cache nothing: each is a cold start."""
    step = max(1, len(prices) // CURVE_POINTS)
    cost, curve = 0, []
    for at, plain in enumerate(prices.plain_pico):
        cost += plain
        if at % step == 0:
            curve.append(_point(prices.times_us[at], cost))
    curve.append(_point(prices.times_us[-1], cost))
    return Outcome(cost, len(prices), len(prices), 0, tuple(curve))


def _point(time_us: int, cost_pico: int) -> tuple[float, float]:
    return time_us / MICROSECONDS, float(usd_of(cost_pico))
