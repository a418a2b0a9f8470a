"""Advice: which caching pays for a prefix, from its request rate or from a day of arrivals.

From a rate the requests are taken to come at random (Poisson): nothing is known but the rate, random
arrivals are the ones without a pattern, and even spacing would promise savings that hang on a minute
more or less. Real traffic comes in bursts and is cheaper to keep than this says. What ``while-used`` does
with them is not computed but replayed (``random_use``).

From a day of arrivals the day is repeated: what the next such day costs under each time to live, with
the service's own ``decide``. A day is weak evidence, and the mistakes are not alike. 1-hour entries
where none would do cost at most about twice as much; no caching where traffic grows costs ten times.
So 1 hour is advised unless the day speaks clearly against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import exp, expm1
from typing import TYPE_CHECKING, Literal

from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.rules.random_use import Use, random_use
from prompt_cache_warmer.rules.replay.arrivals import DAY_SECONDS, MICROSECONDS, Arrivals
from prompt_cache_warmer.rules.replay.conduct import settle
from prompt_cache_warmer.rules.replay.ours import Timing, while_used
from prompt_cache_warmer.rules.replay.priced import priced
from prompt_cache_warmer.rules.situation import SCHEDULE_JITTER_SECONDS
from prompt_cache_warmer.values.body import TTL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.rules.replay.priced import Tariff
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.pricing import PrefixCosts

_HOUR_US = 3_600 * MICROSECONDS
# 5-minute entries lose far more than they can gain when traffic changes, so they must be clearly cheaper,
# on a day with enough requests to be taken for a rhythm.
_CLEARLY_CHEAPER = Decimal("0.8")
_MIN_REQUESTS_FOR_5M = 12
# One request proves no rhythm at all.
_MIN_REQUESTS_FOR_NONE = 2
# Random requests are cheaper uncached up to 2.7 a day on most models; on a day with more, 1 hour may be right.
_MAX_REQUESTS_FOR_NONE = 3

Keeping = Literal["always", "while-used", "never"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to cache a prefix.

    Attributes:
        ttl: the time to live the application marks it with; None for no caching at all.
        keep: how it is kept warm; ``never`` where only the application's own requests touch it.
    """

    ttl: Ttl | None
    keep: Keeping


NO_CACHING = Choice(ttl=None, keep="never")


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a choice is expected to cost on a day.

    Attributes:
        cost_usd: the prefix's part of the requests, and the warm calls.
        warm_calls: how many there are.
        cold_starts: how many requests find nothing in the cache.
    """

    cost_usd: Decimal
    warm_calls: float
    cold_starts: float


def forecast(
    requests_per_day: float,
    costs: Mapping[Ttl, PrefixCosts],
    *,
    tick_seconds: float,
    cold_start_value_usd: Decimal = Decimal(0),
    keeps: tuple[Keeping, ...] = ("while-used", "always", "never"),
) -> dict[Choice, Forecast]:
    """Return what each choice is expected to cost on a day.

    Args:
        requests_per_day: how many requests, which come at random; more than 0.
        costs: what the prefix costs under each time to live.
        tick_seconds: the interval of the ticks; 0 for exact timers.
        cold_start_value_usd: what one avoided cold start is worth; counted into the costs.
        keeps: the keeping rules that are asked for; ``while-used`` is replayed, which takes a moment.
    """
    some = next(iter(costs.values()))
    plain_usd = Decimal(requests_per_day) * (some.plain_usd + cold_start_value_usd)
    forecasts = {NO_CACHING: Forecast(plain_usd, warm_calls=0.0, cold_starts=requests_per_day)}
    for ttl, prices in costs.items():
        miss_usd = prices.write_usd + cold_start_value_usd
        for keep in keeps:
            use = _use(keep, requests_per_day, prices, ttl, tick_seconds, cold_start_value_usd)
            usd_per_request = (
                Decimal(use.warm_calls + 1 - use.cold_share) * prices.read_usd + Decimal(use.cold_share) * miss_usd
            )
            forecasts[Choice(ttl, keep)] = Forecast(
                cost_usd=Decimal(requests_per_day) * usd_per_request,
                warm_calls=requests_per_day * use.warm_calls,
                cold_starts=requests_per_day * use.cold_share,
            )
    return forecasts


def advise_by_day(day: Arrivals, tariff: Tariff, *, tick_seconds: float) -> Ttl | None:
    """Advise a time to live, or None for no caching, from the arrivals of a first day.

    Raises:
        UnpricedError: for a model without a known price.
    """
    count = len(day)
    repeated = Arrivals([*day.times_us, day.times_us[0] + DAY_SECONDS * MICROSECONDS], [*day.tokens, day.tokens[0]])
    kept_pico: dict[Ttl, int] = {}
    plain_pico = 0
    for ttl in ("1h", "5m"):
        prices = priced(repeated, tariff, ttl)
        timing = Timing.of(prices, tick_seconds=tick_seconds, tail_seconds=0.0)
        conduct = while_used(prices, timing, cold_start_value_usd=tariff.cold_start_value_usd)
        kept_pico[ttl] = settle(conduct, prices).cost_pico - prices.miss_pico[0]
        plain_pico = sum(prices.plain_pico[:count])
    gaps = (later - earlier for earlier, later in zip(day.times_us, day.times_us[1:], strict=False))
    is_sparse = _MIN_REQUESTS_FOR_NONE <= count <= _MAX_REQUESTS_FOR_NONE and all(gap > _HOUR_US for gap in gaps)
    if is_sparse and plain_pico < min(kept_pico.values()):
        return None
    is_5m_clear = count >= _MIN_REQUESTS_FOR_5M and kept_pico["5m"] < _CLEARLY_CHEAPER * kept_pico["1h"]
    return "5m" if is_5m_clear else "1h"


def _use(
    keep: Keeping, requests_per_day: float, prices: PrefixCosts, ttl: Ttl, tick_seconds: float, value_usd: Decimal
) -> Use:
    """Return what a keeping rule comes to for one request."""
    if keep == "never":
        return Use(0.0, exp(-requests_per_day * TTL_SECONDS[ttl] / DAY_SECONDS))
    if keep == "always":
        return _idle(requests_per_day, TTL_SECONDS[ttl], tick_seconds, None)
    found = random_use(requests_per_day, prices, ttl, tick_seconds=tick_seconds, cold_start_value_usd=value_usd)
    # Too many calls in each gap to replay them: a rare request whose cold start is very dear. The bound is the most.
    limit = break_even(prices, cold_start_value_usd=value_usd)
    return _idle(requests_per_day, TTL_SECONDS[ttl], tick_seconds, limit) if found is None else found


def _idle(requests_per_day: float, ttl_seconds: int, tick_seconds: float, bound: int | None) -> Use:
    """Return what up to so many refreshes in every gap come to, for gaps that are random.

    Args:
        requests_per_day: the rate.
        ttl_seconds: the time to live.
        tick_seconds: the interval of the ticks; 0 for exact timers.
        bound: how many refreshes there may be in a gap; None for any number.
    """
    rate = requests_per_day / DAY_SECONDS
    lead = max(0.0, ttl_seconds - tick_seconds - SCHEDULE_JITTER_SECONDS) if tick_seconds else float(ttl_seconds)
    # The first tick comes anywhere in the interval behind the moment from which it is due; refreshes then lie on ticks.
    ticks = rate * tick_seconds
    reaches_first = exp(-rate * lead) * (-expm1(-ticks) / ticks if ticks else 1.0)
    spacing = max(1, -(-lead // tick_seconds)) * tick_seconds if tick_seconds else lead
    endless = reaches_first / -expm1(-rate * spacing)
    if bound is None:
        return Use(endless, 0.0)
    warm_calls = endless * -expm1(-rate * spacing * bound)
    return Use(warm_calls, reaches_first * exp(-rate * ((bound - 1) * spacing + ttl_seconds)))
