"""The course of a replay: what each rule had cost as time went on, and when its requests were cold.

For pictures: costs are those of ``score``, noted at the same moments, and cold starts are told apart no
finer than a picture can. The least that could have been paid up to a moment is the clairvoyant's who
knows every request before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.advice import advise_by_day
from prompt_cache_warmer.rules.replay.arrivals import DAY_SECONDS, MICROSECONDS
from prompt_cache_warmer.rules.replay.clairvoyant import free_clairvoyant_pico
from prompt_cache_warmer.rules.replay.conduct import settle, settle_uncached
from prompt_cache_warmer.rules.replay.ours import Timing
from prompt_cache_warmer.rules.replay.priced import PricedArrivals, priced
from prompt_cache_warmer.rules.replay.score import conducts
from prompt_cache_warmer.values.money import usd_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_cache_warmer.rules.replay.arrivals import Arrivals
    from prompt_cache_warmer.rules.replay.conduct import Outcome
    from prompt_cache_warmer.rules.replay.priced import Tariff
    from prompt_cache_warmer.values.body import Ttl

# Cold starts closer together than this part of the time are one mark; more than a picture has columns.
MARKS = 1_200
# Each point of the clairvoyant is a replay of its own, so there are fewer of them the more requests there are.
_CLAIRVOYANT_WORK = 10_000_000
_CLAIRVOYANT_POINTS = (12, 200)  # at least, at most


@dataclass(frozen=True, slots=True)
class Course:
    """How one rule came to its figures.

    Attributes:
        times_s: moments in the file's seconds.
        costs_usd: what it had cost at each of them.
        cold_s: when requests were cold, one moment for those that lie close together; empty for the clairvoyant.
        cold_starts: how many were; None for the clairvoyant, whose choices are not unique.
        requests: how many requests there were.
    """

    times_s: tuple[float, ...]
    costs_usd: tuple[float, ...]
    cold_s: tuple[float, ...]
    cold_starts: int | None
    requests: int


def courses(arrivals: Arrivals, tariff: Tariff, *, tick_seconds: float, tail_seconds: float) -> dict[str, Course]:
    """Return the course of the clairvoyant and of every rule that ``score`` knows, by name.

    Raises:
        UnpricedError: for a model without a known price.
    """
    prices: dict[Ttl, PricedArrivals] = {ttl: priced(arrivals, tariff, ttl) for ttl in ("5m", "1h")}
    short, long = prices["5m"], prices["1h"]
    timing = Timing.of(long, tick_seconds=tick_seconds, tail_seconds=tail_seconds)
    end_us = timing.end_us
    conducted = conducts(prices, timing, cold_start_value_usd=tariff.cold_start_value_usd)
    found = {
        name: _course(settle(conduct, of), compress(of.times_us, map(not_, conduct.hits)), end_us)
        for name, (conduct, of) in conducted.items()
    }
    found["uncached"] = _course(settle_uncached(long), long.times_us, end_us)
    advised = advise_by_day(arrivals.first(DAY_SECONDS), tariff, tick_seconds=tick_seconds)
    found["advised"] = found["uncached" if advised is None else f"decide_{advised}"]
    return {"clairvoyant": _clairvoyant(short, long, end_us), **found}


def _course(outcome: Outcome, cold_us: Iterable[int], end_us: int) -> Course:
    times_s, costs_usd = zip(*outcome.curve, strict=True)
    return Course(
        times_s=(*times_s[:-1], end_us / MICROSECONDS),  # what comes behind the last request is in the last sum
        costs_usd=costs_usd,
        cold_s=tuple(_thinned(cold_us, end_us / MARKS)),
        cold_starts=outcome.cold_starts,
        requests=outcome.requests,
    )


def _thinned(times_us: Iterable[int], apart_us: float) -> Iterable[float]:
    """Leave out what comes too soon after the one before."""
    last_us = -apart_us - 1
    for time_us in times_us:
        if time_us - last_us >= apart_us:
            last_us = time_us
            yield time_us / MICROSECONDS


def _clairvoyant(short: PricedArrivals, long: PricedArrivals, end_us: int) -> Course:
    requests = len(short)
    fewest, most = _CLAIRVOYANT_POINTS
    points = min(requests, most, max(fewest, 2 * _CLAIRVOYANT_WORK // requests))
    counts = [requests * point // points for point in range(1, points + 1)]
    costs_pico = [free_clairvoyant_pico(_first(short, count), _first(long, count)) for count in counts]
    # As in the outcomes' curves a sum stands at the request after it.
    times_us = [short.times_us[at] for at in (0, *counts[:-1])]
    return Course(
        times_s=tuple(time_us / MICROSECONDS for time_us in (*times_us, end_us)),
        costs_usd=tuple(float(usd_of(pico)) for pico in (0, *costs_pico)),
        cold_s=(),
        cold_starts=None,
        requests=requests,
    )


def _first(prices: PricedArrivals, count: int) -> PricedArrivals:
    """Return the first of priced arrivals."""
    return replace(
        prices,
        times_us=prices.times_us[:count],
        gaps_us=prices.gaps_us[: count - 1],
        tokens=prices.tokens[:count],
        refresh_pico=prices.refresh_pico[:count],
        hit_pico=prices.hit_pico[:count],
        miss_pico=prices.miss_pico[:count],
        rewrite_pico=prices.rewrite_pico[:count],
        plain_pico=prices.plain_pico[:count],
    )
