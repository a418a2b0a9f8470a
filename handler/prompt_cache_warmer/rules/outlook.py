"""The outlook: what each way to keep a prefix is expected to cost on an average day, its windows included.

The figures are those of ``advice``; this adds what windows change. Requests are taken to come while a
window is open, and evenly over it. Where windows close, every opening costs a write: the warm call's
with ``always`` and ``once``, the first request's with the others. How many idle calls there are is
counted by the service's own ``decide`` (``idle_week``), and what ``while-used`` does is replayed with it
(``random_use``). Inside windows that replay is approximate: it is the one of the same traffic around the
clock, by the part of the time that is open, so what closing takes from the entry's time in use is left out.

Without a rate of requests only the warm calls are known, and only their most: traffic restarts the time
to live and saves calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from math import exp
from typing import TYPE_CHECKING, Literal

from prompt_cache_warmer.rules.advice import NO_CACHING, Choice, Forecast, forecast
from prompt_cache_warmer.rules.idle_week import IdleCalls, OpenHours, idle_calls, open_hours
from prompt_cache_warmer.rules.replay.arrivals import DAY_SECONDS
from prompt_cache_warmer.values.body import TTL_SECONDS, Ttl
from prompt_cache_warmer.values.pricing import PrefixCosts

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prompt_cache_warmer.rules.advice import Keeping
    from prompt_cache_warmer.values.windows import Window

TTLS: tuple[Ttl, ...] = ("5m", "1h")

Kept = Literal["always", "while-used", "once", "never"]
KEPT: tuple[Kept, ...] = ("always", "while-used", "once", "never")

# Break-evens are looked for between one request in a hundred days and more than one a second.
_RATES = tuple(10 ** (step / 8) for step in range(-16, 41))
_HALVINGS = 20  # of one step: to a millionth, finer than anybody counts requests
_RATIO_DIGITS = 9  # prices of one model differ by rounding only, and break-evens are looked for once for each
_KNOWN_BREAK_EVENS = 1_024


@dataclass(frozen=True, slots=True)
class Way:
    """One way to keep a prefix.

    Attributes:
        ttl: the time to live the application marks it with; None for no caching at all.
        keep: the keeping rule; ``never`` where only the application's own requests touch it.
    """

    ttl: Ttl | None
    keep: Kept


UNCACHED = Way(ttl=None, keep="never")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the figures depend on.

    Attributes:
        short: what the prefix costs with 5 minutes to live.
        long: what it costs with an hour.
        windows: when it is kept; always where there are none.
        cold_start_value_usd: what one avoided cold start is worth; counted into the costs.
        tick_seconds: the interval of the ticks; more than 0.
        monday: the start of the week the windows are averaged over.
    """

    short: PrefixCosts
    long: PrefixCosts
    windows: tuple[Window, ...]
    cold_start_value_usd: Decimal
    tick_seconds: float
    monday: datetime

    @property
    def hours(self) -> OpenHours:
        """When the windows are open."""
        return open_hours(self.windows, monday=self.monday)

    def costs(self, ttl: Ttl) -> PrefixCosts:
        """Return what the prefix costs with a time to live."""
        return {"5m": self.short, "1h": self.long}[ttl]

    def can_hold(self, ttl: Ttl) -> bool:
        """Tell whether ticks come often enough to find an entry alive."""
        return self.tick_seconds < TTL_SECONDS[ttl]

    def idle(self, keep: Literal["always", "once"], ttl: Ttl) -> IdleCalls:
        """Count the warm calls of a day without traffic."""
        return idle_calls(keep, ttl, self.windows, tick_seconds=self.tick_seconds, monday=self.monday)


@dataclass(frozen=True, slots=True)
class PaysFrom:
    """From how many requests a day keeping a prefix warm around its hours costs less; None where it never does.

    Attributes:
        than_not_warming: than leaving it to the application's own requests.
        until: from where on those hold it better by themselves.
        than_not_caching: than sending it as plain input.
    """

    than_not_warming: float | None
    until: float | None
    than_not_caching: float | None


def at_most(terms: Terms) -> dict[Way, Forecast]:
    """Return the most the warm calls of a day cost; what requests cost is left out, and so are cold starts."""
    found = {}
    for ttl in TTLS:
        costs = terms.costs(ttl)
        calls: dict[Kept, IdleCalls] = {"once": terms.idle("once", ttl), "never": IdleCalls(0.0, 0.0)}
        if terms.can_hold(ttl):
            always = terms.idle("always", ttl)
            calls |= {"always": always, "while-used": replace(always, writes=0.0)}
        for keep, made in calls.items():
            usd = Decimal(made.refreshes) * costs.read_usd + Decimal(made.writes) * costs.write_usd
            found[Way(ttl, keep)] = Forecast(usd, warm_calls=made.refreshes + made.writes, cold_starts=0.0)
    return found


def expected(terms: Terms, requests_per_day: float) -> dict[Way, Forecast]:
    """Return what each way is expected to cost on a day: the prefix's part of the requests, and the warm calls.

    Args:
        terms: what the figures depend on.
        requests_per_day: how many there are on an average day, all inside the windows; more than 0.
    """
    return _expected(terms, requests_per_day, ("while-used", "always", "never"))


def _expected(terms: Terms, requests_per_day: float, keeps: tuple[Keeping, ...]) -> dict[Way, Forecast]:
    hours = terms.hours
    if not hours.share:
        return {}
    inside = requests_per_day / hours.share
    forecasts = forecast(
        inside,
        {ttl: terms.costs(ttl) for ttl in TTLS},
        tick_seconds=terms.tick_seconds,
        cold_start_value_usd=terms.cold_start_value_usd,
        keeps=keeps,
    )
    found = {UNCACHED: _scaled(forecasts[NO_CACHING], hours.share)}
    for ttl in TTLS:
        unwarmed = _scaled(forecasts[Choice(ttl, "never")], hours.share)
        found[Way(ttl, "never")] = _opened_cold(unwarmed, terms, ttl, inside)
        found[Way(ttl, "once")] = _with_calls(unwarmed, terms.idle("once", ttl), terms.costs(ttl))
        if not terms.can_hold(ttl):
            continue
        if "while-used" in keeps:
            used = _scaled(forecasts[Choice(ttl, "while-used")], hours.share)
            found[Way(ttl, "while-used")] = _opened_cold(used, terms, ttl, inside)
        if "always" in keeps:
            found[Way(ttl, "always")] = _held(forecasts[Choice(ttl, "always")], terms, ttl, requests_per_day)
    return found


def pays_from(terms: Terms, ttl: Ttl) -> PaysFrom:
    """Find from how many requests a day ``keep: always`` pays; from multiples of a read's price alone."""
    unit = terms.costs(ttl).read_usd
    if not unit or not terms.can_hold(ttl) or not terms.hours.share:
        return PaysFrom(None, None, None)
    short, long = (
        PrefixCosts(*(_ratio(usd, unit) for usd in (costs.write_usd, costs.read_usd, costs.plain_usd)))
        for costs in (terms.short, terms.long)
    )
    value = _ratio(terms.cold_start_value_usd, unit)
    return _pays_from(replace(terms, short=short, long=long, cold_start_value_usd=value), ttl)


@lru_cache(maxsize=_KNOWN_BREAK_EVENS)
def _pays_from(terms: Terms, ttl: Ttl) -> PaysFrom:
    def saved(than: Way, rate: float) -> bool:
        costs = _expected(terms, rate, ("always", "never"))
        return costs[Way(ttl, "always")].cost_usd < costs[than].cost_usd

    begins, ends = _stretch(lambda rate: saved(Way(ttl, "never"), rate))
    return PaysFrom(begins, ends, _stretch(lambda rate: saved(UNCACHED, rate))[0])


def _stretch(holds: Callable[[float], bool]) -> tuple[float | None, float | None]:
    """Find the first stretch of rates for which something holds: where it begins and where it ends, if it does."""
    found: list[float] = []
    low = _RATES[0]
    if holds(low):
        found.append(0.0)
    for high in _RATES[1:]:
        is_begun = len(found) == 1
        if holds(high) != is_begun:
            found.append(_edge(holds, low, high))
        low = high
        if len(found) == len(("begin", "end")):
            break
    begins, ends, *_ = (*found, None, None)
    return begins, ends


def _edge(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Find where between two rates something begins to hold, or ends."""
    at_low = holds(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if holds(middle) == at_low:
            low = middle
        else:
            high = middle
    return high


def _scaled(forecast: Forecast, share: float) -> Forecast:
    """Take the part of a day's forecast in which windows are open."""
    return Forecast(
        cost_usd=forecast.cost_usd * Decimal(share),
        warm_calls=forecast.warm_calls * share,
        cold_starts=forecast.cold_starts * share,
    )


def _held(around_the_clock: Forecast, terms: Terms, ttl: Ttl, requests_per_day: float) -> Forecast:
    """Keep a prefix always: every request is a hit, and traffic saves the same part of the refreshes everywhere."""
    costs, idle = terms.costs(ttl), terms.idle("always", ttl)
    endless = idle_calls("always", ttl, (), tick_seconds=terms.tick_seconds, monday=terms.monday).refreshes
    hits = Forecast(Decimal(requests_per_day) * costs.read_usd, warm_calls=0.0, cold_starts=0.0)
    made = replace(idle, refreshes=idle.refreshes * around_the_clock.warm_calls / endless)
    return _with_calls(hits, made, costs)


def _with_calls(forecast: Forecast, calls: IdleCalls, costs: PrefixCosts) -> Forecast:
    usd = Decimal(calls.refreshes) * costs.read_usd + Decimal(calls.writes) * costs.write_usd
    return replace(
        forecast,
        cost_usd=forecast.cost_usd + usd,
        warm_calls=forecast.warm_calls + calls.refreshes + calls.writes,
    )


def _opened_cold(forecast: Forecast, terms: Terms, ttl: Ttl, inside: float) -> Forecast:
    """Add the first requests behind an opening, for which nobody wrote the lapsed entry."""
    hours, costs = terms.hours, terms.costs(ttl)
    if not hours.openings:
        return forecast
    lapsed = terms.idle("once", ttl).writes  # once writes at an opening exactly where the entry has lapsed
    open_days = hours.share * 7 / hours.openings
    is_used = 1 - exp(-inside * open_days)
    was_alive = 1 - exp(-inside * TTL_SECONDS[ttl] / DAY_SECONDS)
    more = lapsed * is_used * was_alive
    missed_usd = costs.write_usd + terms.cold_start_value_usd - costs.read_usd
    return replace(
        forecast,
        cost_usd=forecast.cost_usd + Decimal(more) * missed_usd,
        cold_starts=forecast.cold_starts + more,
    )


def _ratio(usd: Decimal, unit: Decimal) -> Decimal:
    return round(usd / unit, _RATIO_DIGITS)
