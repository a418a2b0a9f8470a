"""Ours: drives the service's own ``decide`` over recorded arrivals.

``decide`` is asked only at moments at which something can be due: the first tick that can reach the
lapse, and the ticks its answers name. Ticks are multiples of the interval, counted from the file's
time 0, and come on time; the jitter is only allowed for, as in production. Without an interval an
exact timer asks a microsecond before the lapse, and its refresh counts at the lapse.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.decision import decide
from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.rules.replay.conduct import Conduct
from prompt_cache_warmer.rules.situation import SCHEDULE_JITTER_SECONDS, Rule, Tick
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.state import EntryState, Traffic, Warmth

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.replay.priced import PricedArrivals

# Any date will do: only differences count. This one is far from either end of what a datetime can say.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# An exact timer asks this long before the lapse, because at the lapse itself nothing is alive.
_TIMER_LEAD_SECONDS = 1e-6
_FINGERPRINT = "replayed"


@dataclass(frozen=True, slots=True)
class Timing:
    """When ``decide`` is asked.

    Attributes:
        tick_us: the interval of the ticks; 0 for exact timers.
        jitter_seconds: how much later than that a tick may come.
        end_us: until when idle refreshes behind the last request are counted.
    """

    tick_us: int
    jitter_seconds: float
    end_us: int

    @classmethod
    def of(cls, prices: PricedArrivals, *, tick_seconds: float, tail_seconds: float) -> Timing:
        """Return the timing of a replay that goes on for some seconds behind the last request."""
        return cls(
            tick_us=round(tick_seconds * MICROSECONDS),
            jitter_seconds=SCHEDULE_JITTER_SECONDS if tick_seconds else _TIMER_LEAD_SECONDS,
            end_us=prices.times_us[-1] + round(tail_seconds * MICROSECONDS),
        )

    def first_look_us(self, touched_us: int, ttl_us: int) -> int:
        """Return the first moment at which an entry touched then can be due; a timer's refresh is at the lapse."""
        lapse_us = touched_us + ttl_us
        if not self.tick_us:
            return lapse_us
        due_us = lapse_us - self.tick_us - round(self.jitter_seconds * MICROSECONDS)
        return max(-(-due_us // self.tick_us), touched_us // self.tick_us + 1) * self.tick_us


def while_used(prices: PricedArrivals, timing: Timing, *, cold_start_value_usd: Decimal = Decimal(0)) -> Conduct:
    """Keep the entry with ``keep: while-used``."""
    keeper = _Keeper(prices, timing, cold_start_value_usd)
    conduct = Conduct.idle(prices)
    ends = chain(islice(prices.times_us, 1, None), (timing.end_us + 1,))
    for at, (began_us, ended_us) in enumerate(zip(prices.times_us, ends, strict=True)):
        look_us = timing.first_look_us(began_us, prices.ttl_us)
        if look_us < ended_us:
            refreshes, touched_us = keeper.keep(at, look_us, ended_us)
            conduct.refreshes[at] = refreshes
            if at + 1 < len(prices):
                conduct.hits[at + 1] = ended_us - touched_us <= prices.ttl_us
    return conduct


class _Keeper:
    """One entry, its state carried along as the store carries it."""

    def __init__(self, prices: PricedArrivals, timing: Timing, cold_start_value_usd: Decimal) -> None:
        self._prices = prices
        self._timing = timing
        self._ttl_seconds = prices.ttl_us // MICROSECONDS
        self._rule = Rule(keep="while-used", ttl_seconds=self._ttl_seconds, cold_start_value_usd=cold_start_value_usd)
        self._warmth: Warmth | None = None
        self._resumed_at = _at(prices.times_us[0])

    def keep(self, at: int, look_us: int, before_us: int) -> tuple[int, int]:
        """Keep the entry behind a request until some moment; return the refreshes and the last touch."""
        prices, timing = self._prices, self._timing
        costs = prices.costs[prices.tokens[at]]
        touched_us = prices.times_us[at]
        traffic = Traffic(last_at=_at(touched_us), fingerprint=_FINGERPRINT, resumed_at=self._resumed_at)
        interval_seconds = timing.tick_us / MICROSECONDS
        refreshes = 0
        while look_us < before_us:
            now = _at(look_us if timing.tick_us else look_us - 1)
            tick = Tick(now=now, interval_seconds=interval_seconds, jitter_seconds=timing.jitter_seconds)
            decision = decide(self._rule, EntryState(traffic=traffic, warmth=self._warmth), tick, costs=costs)
            if not decision.is_due:
                break
            refreshes, touched_us = refreshes + 1, look_us
            self._warmth = Warmth(
                fingerprint=_FINGERPRINT,
                asked_ttl_seconds=self._ttl_seconds,
                warmed_at=_at(look_us),
                ttl_seconds=self._ttl_seconds,
                verdict=Verdict.REFRESHED.value,
                idle_refreshes=decision.idle_refreshes + 1,
                idle_since=traffic.last_at,
                habit=decision.habit,
            )
            look_us = timing.first_look_us(touched_us, prices.ttl_us)
        if refreshes:
            self._resumed_at = _at(before_us)
        return refreshes, touched_us


def _at(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)
