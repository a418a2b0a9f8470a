"""Windows: the hours in which a target is kept warm, by the clock on a wall of their own time zone.

A window opens when that clock first shows ``start`` and closes when it last shows ``end``. A time the
clock skips (spring) stands for the moment of the jump, so a window that lies in the skipped time does not
take place; of a time that is shown twice (autumn) ``start`` is the first and ``end`` the last. The lead
is elapsed time.

A schedule that has no gap in more than a week has no beginning and no end: ``ALWAYS_SINCE`` and
``ALWAYS_UNTIL`` stand for them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Far enough from the ends of the calendar that a time to live can be added to them or taken away.
ALWAYS_SINCE = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS_UNTIL = datetime(9000, 1, 1, tzinfo=UTC)

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_LONGEST = timedelta(days=8)  # with a gap in every week it closes within one; a day more for what a clock skips
# A window of the day before the longest ends up to a day later, and a zone's day is up to one off UTC's.
_REACH_DAYS = 10
# A window's only day may be one its zone skips, so the next opening may be that of the week after next.
_LOOK_AHEAD_DAYS = (0, 8)
_KNOWN_DAYS = 8_192  # schedules of 5,000 targets, if no two are the same, over midnight; about a kilobyte each


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of certain days. One that ends at or before its start ends on the next day.

    Attributes:
        days: the weekdays it starts on, 0 is Monday.
        start: the local time it starts at, in whole minutes.
        end: the local time it ends at; equal to ``start`` for a whole day.
        timezone: the zone's IANA name.
        lead_minutes: how long before ``start`` it opens.
    """

    days: frozenset[int]
    start: time
    end: time
    timezone: str
    lead_minutes: int


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One stretch of time in which at least one window is open; all in UTC.

    Attributes:
        opens_at: when it opens, lead included.
        closes_at: when nothing is open any more; this moment is no part of it.
        starts_at: when the first of its windows starts, lead not included.
    """

    opens_at: datetime
    closes_at: datetime
    starts_at: datetime


def occurrence_at(windows: tuple[Window, ...], at: datetime) -> Occurrence | None:
    """Return what is open at a moment, None while everything is closed; no windows are never open.

    Args:
        windows: a target's windows; those that overlap or touch are one.
        at: an aware time.
    """
    for occurrence in _around(windows, at.astimezone(UTC).date()):
        if occurrence.opens_at <= at < occurrence.closes_at:
            return occurrence
    return None


def next_opening(windows: tuple[Window, ...], at: datetime) -> datetime | None:
    """Return when windows open next after a moment, None where they never do because they never close."""
    day = at.astimezone(UTC).date()
    for ahead in _LOOK_AHEAD_DAYS:
        for occurrence in _around(windows, day + ahead * _DAY):
            if occurrence.opens_at > at:
                return occurrence.opens_at
    return None


@lru_cache(maxsize=_KNOWN_DAYS)
def _around(windows: tuple[Window, ...], day: date) -> tuple[Occurrence, ...]:
    """Find the occurrences that touch a UTC day, and the one after it if that is near."""
    begins = datetime.combine(day, time(), UTC)
    ends = begins + _DAY
    found: list[Occurrence] = []
    for occurrence in _merged(_near(windows, day)):
        if found and found[-1].opens_at >= ends:
            break
        if occurrence.closes_at > begins:
            found.append(_endless(occurrence, before=begins - _LONGEST, after=ends + _LONGEST))
    return tuple(found)


def _endless(occurrence: Occurrence, *, before: datetime, after: datetime) -> Occurrence:
    """Take away a beginning or an end that is only as far as was looked."""
    if occurrence.opens_at < before:
        occurrence = replace(occurrence, opens_at=ALWAYS_SINCE, starts_at=ALWAYS_SINCE)
    return replace(occurrence, closes_at=ALWAYS_UNTIL) if occurrence.closes_at > after else occurrence


def _near(windows: tuple[Window, ...], day: date) -> Iterator[Occurrence]:
    for offset in range(-_REACH_DAYS, _REACH_DAYS + 1):
        local_day = day + offset * _DAY
        for window in windows:
            if local_day.weekday() in window.days:
                starts_at, closes_at = _span(window, local_day)
                if starts_at < closes_at:
                    yield Occurrence(starts_at - window.lead_minutes * _MINUTE, closes_at, starts_at)


def _merged(occurrences: Iterable[Occurrence]) -> list[Occurrence]:
    """Make one of those that overlap or touch, in order of time."""
    merged: list[Occurrence] = []
    for occurrence in sorted(occurrences, key=lambda found: found.opens_at):
        if merged and occurrence.opens_at <= merged[-1].closes_at:
            last = merged[-1]
            closes_at, starts_at = max(last.closes_at, occurrence.closes_at), min(last.starts_at, occurrence.starts_at)
            merged[-1] = replace(last, closes_at=closes_at, starts_at=starts_at)
        else:
            merged.append(occurrence)
    return merged


def _span(window: Window, day: date) -> tuple[datetime, datetime]:
    """Say when a window that starts on a local day starts and ends."""
    zone = _zone(window.timezone)
    last_day = day if window.start < window.end else day + _DAY
    return (
        _moment(datetime.combine(day, window.start), zone, is_start=True),
        _moment(datetime.combine(last_day, window.end), zone, is_start=False),
    )


@cache  # there are about 600 zones
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)  # its own cache holds eight


def _moment(wall: datetime, zone: ZoneInfo, *, is_start: bool) -> datetime:
    """Say when a zone's clock shows a local time: the first or the last time, or when it jumps over it."""
    first, last = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= last:
        return first if is_start else last
    # The clock never shows it (PEP 495: then fold 0 is after the jump and fold 1 before): find the jump between.
    minutes = range((first - last) // _MINUTE)
    return last + _MINUTE * bisect_left(
        minutes,
        True,
        key=lambda minute: (last + minute * _MINUTE).astimezone(zone).replace(tzinfo=None) > wall,
    )
