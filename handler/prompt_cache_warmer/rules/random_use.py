"""Random use: what ``keep: while-used`` does for requests that come at random (Poisson).

How long an entry is kept idle depends on how long it has been in use and on what its past gaps cost,
so no formula has it. The service's own rule is replayed on a fixed sample: gaps that lie evenly over
their distribution, in a random order. The sample is the same for every plan, and so are the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from math import exp, log1p
from random import Random
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.rules.replay.arrivals import DAY_SECONDS, MICROSECONDS, Arrivals
from prompt_cache_warmer.rules.replay.conduct import settle
from prompt_cache_warmer.rules.replay.ours import Timing, while_used
from prompt_cache_warmer.rules.replay.priced import Tariff, priced
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.pricing import PrefixCosts

if TYPE_CHECKING:
    from decimal import Decimal

    from prompt_cache_warmer.values.body import Ttl

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # the prices are given
_SEED = 5
_MOST_GAPS = 3_000
_FEWEST_GAPS = 100
# How often decide may be asked for one figure; each time is some tens of microseconds.
_MOST_CALLS = 12_000
_RATIO_DIGITS = 9  # prices of one model differ by rounding only, and are replayed once for all sizes of a prefix
_KNOWN_SAMPLES = 1_024


@dataclass(frozen=True, slots=True)
class Use:
    """What a keeping rule comes to for one request.

    Attributes:
        warm_calls: how many there are.
        cold_share: the share of the requests that find nothing in the cache.
    """

    warm_calls: float
    cold_share: float


def random_use(
    requests_per_day: float, costs: PrefixCosts, ttl: Ttl, *, tick_seconds: float, cold_start_value_usd: Decimal
) -> Use | None:
    """Return what ``while-used`` comes to, or None where its gaps have too many calls to be replayed.

    Args:
        requests_per_day: the rate; more than 0.
        costs: what the prefix costs under the time to live.
        ttl: the time to live.
        tick_seconds: the interval of the ticks; 0 for exact timers.
        cold_start_value_usd: what one avoided cold start is worth.
    """
    limit = break_even(costs, cold_start_value_usd=cold_start_value_usd)
    unit = costs.read_usd
    if not limit:
        return Use(0.0, exp(-requests_per_day * TTL_SECONDS[ttl] / DAY_SECONDS))
    # No gap has more calls than break-even, nor more than fit into it.
    spacing = max(1.0, tick_seconds, TTL_SECONDS[ttl] - 2 * tick_seconds)
    calls = min(limit, DAY_SECONDS / requests_per_day / spacing)
    gaps = min(_MOST_GAPS, round(_MOST_CALLS / max(calls, 1e-9)))
    if gaps < _FEWEST_GAPS:
        return None
    prefix = PrefixCosts(
        *(round(usd / unit, _RATIO_DIGITS) for usd in (costs.write_usd, costs.read_usd, costs.plain_usd))
    )
    return _replayed(
        requests_per_day, prefix, ttl, tick_seconds, round(cold_start_value_usd / unit, _RATIO_DIGITS), gaps
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnePrice(Tariff):
    """A prefix of one token at given prices."""

    prefix: PrefixCosts

    def costs(self, tokens: int, ttl: Ttl) -> PrefixCosts:  # noqa: ARG002 - as a tariff has it
        return self.prefix


@lru_cache(maxsize=_KNOWN_SAMPLES)
def _replayed(rate: float, prefix: PrefixCosts, ttl: Ttl, tick_seconds: float, value: Decimal, count: int) -> Use:
    arrivals = Arrivals(times_us=_sample(rate, count), tokens=[1] * (count + 1))
    prices = priced(arrivals, _OnePrice(model="", at=_ANY_TIME, cold_start_value_usd=value, prefix=prefix), ttl)
    timing = Timing.of(prices, tick_seconds=tick_seconds, tail_seconds=0.0)
    outcome = settle(while_used(prices, timing, cold_start_value_usd=value), prices)
    return Use(outcome.warm_calls / count, (outcome.cold_starts - 1) / count)  # the first is cold under every rule


def _sample(rate: float, count: int) -> list[int]:
    """Return moments, in microseconds, whose gaps lie evenly over those of a rate."""
    mean_us = DAY_SECONDS * MICROSECONDS / rate
    gaps = [round(-mean_us * log1p(-(place + 0.5) / count)) for place in range(count)]
    Random(_SEED).shuffle(gaps)  # noqa: S311 - a repeatable sample
    return list(accumulate(gaps, initial=0))
