"""The idle week: what a keeping rule does in a week in which nobody uses the entry.

It asks the service's own ``decide`` tick by tick, so the schedule's jitter, the windows and their leads
count as they do in production; nothing here knows how often an entry is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from prompt_cache_warmer.rules.decision import decide
from prompt_cache_warmer.rules.situation import Rule, Tick
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.state import UNKNOWN, EntryState, Warmth
from prompt_cache_warmer.values.windows import next_opening, occurrence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.windows import Window

WEEK = timedelta(days=7)
WEEK_DAYS = 7
_KNOWN_WEEKS = 1_024  # targets share their windows, and a folder of thousands is planned in one go
_FINGERPRINT = "idle"


@dataclass(frozen=True, slots=True)
class OpenHours:
    """When windows are open in a week.

    Attributes:
        share: the part of the time; 1 around the clock.
        openings: how often they open; 0 around the clock.
    """

    share: float
    openings: int

    @property
    def hours_per_day(self) -> float:
        """How long they are open on an average day."""
        return 24 * self.share


@dataclass(frozen=True, slots=True)
class IdleCalls:
    """The warm calls of an idle week, on an average day.

    Attributes:
        refreshes: those that find the entry alive.
        writes: those that find it lapsed, or new.
    """

    refreshes: float
    writes: float


def monday_before(at: datetime) -> datetime:
    """Return the start of a moment's week, in UTC."""
    day = at.astimezone(UTC).date()
    return datetime.combine(day - timedelta(days=day.weekday()), time(), UTC)


@lru_cache(maxsize=_KNOWN_WEEKS)
def open_hours(windows: tuple[Window, ...], *, monday: datetime) -> OpenHours:
    """Add up when windows are open in a week; without any it is always."""
    if not windows:
        return OpenHours(share=1.0, openings=0)
    until, now = monday + WEEK, monday
    is_open, openings = timedelta(), 0
    while now < until:
        occurrence = occurrence_at(windows, now)
        if occurrence is None:
            now = next_opening(windows, now) or until
            continue
        closes_at = min(occurrence.closes_at, until)
        openings += occurrence.opens_at >= monday
        is_open += closes_at - now
        now = closes_at
    return OpenHours(share=is_open / WEEK, openings=openings)


@lru_cache(maxsize=_KNOWN_WEEKS)
def idle_calls(
    keep: Literal["always", "once"], ttl: Ttl, windows: tuple[Window, ...], *, tick_seconds: float, monday: datetime
) -> IdleCalls:
    """Count the warm calls of an idle week; the first week of an entry is not counted, the second one is.

    Args:
        keep: the keeping rule.
        ttl: the time to live of the entry.
        windows: when it is kept; always where there are none.
        tick_seconds: the interval of the ticks; more than 0.
        monday: when the week begins.
    """
    rule = Rule(keep=keep, ttl_seconds=TTL_SECONDS[ttl], windows=windows)
    calls = list(_calls(rule, monday - WEEK, monday + WEEK, tick_seconds))
    if windows or not calls or calls[-1][0] < monday:
        counted = [is_alive for at, is_alive in calls if at >= monday]
        return IdleCalls(sum(counted) / WEEK_DAYS, (len(counted) - sum(counted)) / WEEK_DAYS)
    # Around the clock the last interval is every interval; a week holds no whole number of them.
    a_day = timedelta(days=1) / (calls[-1][0] - calls[-2][0])
    return IdleCalls(refreshes=a_day, writes=0.0) if calls[-1][1] else IdleCalls(refreshes=0.0, writes=a_day)


def _calls(rule: Rule, since: datetime, until: datetime, tick_seconds: float) -> Iterator[tuple[datetime, bool]]:
    """Yield when warm calls are made, and whether each finds the entry alive."""
    interval = timedelta(seconds=tick_seconds)
    state, now = UNKNOWN, since
    while now < until:
        decision = decide(rule, state, Tick(now=now, interval_seconds=tick_seconds), costs=None)
        if decision.is_due:
            yield now, decision.lapses_at is not None and now < decision.lapses_at
            state = EntryState(warmth=_warmed(now, rule.ttl_seconds))
        due_at = now if decision.is_due else decision.due_at
        if due_at is None:
            return
        now += max(1, -((now - due_at) // interval)) * interval


def _warmed(at: datetime, ttl_seconds: int) -> Warmth:
    return Warmth(
        fingerprint=_FINGERPRINT,
        asked_ttl_seconds=ttl_seconds,
        warmed_at=at,
        ttl_seconds=ttl_seconds,
        verdict=Verdict.WRITTEN.value,
    )
