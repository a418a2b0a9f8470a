"""Windows against a clock on the wall that is read minute by minute for three weeks around each of its jumps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompt_cache_warmer.values.windows import (
    ALWAYS_SINCE,
    ALWAYS_UNTIL,
    Occurrence,
    Window,
    next_opening,
    occurrence_at,
)

DAYS_EITHER_WAY = 12
MINUTES_A_DAY = 24 * 60
# When each zone's clock jumps, in UTC.
JUMPS = (
    ("Europe/Berlin", "2026-03-29T01:00"),
    ("Europe/Berlin", "2026-10-25T01:00"),
    ("America/New_York", "2026-03-08T07:00"),
    ("America/New_York", "2026-11-01T06:00"),
    ("Australia/Lord_Howe", "2026-04-04T15:00"),
    ("Australia/Lord_Howe", "2026-10-03T15:30"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Asia/Kolkata", "2026-06-01T00:00"),  # it does not jump
)


@dataclass(frozen=True)
class Wall:
    """A zone's clock: what it shows in each minute from ``begins`` on, and in which minutes it shows something.

    Attributes:
        begins: the first minute, in UTC, at UTC's midnight.
        shown: the local times, minute by minute.
        first: the first minute that shows a local time.
        last: the last one.
    """

    begins: datetime
    shown: list[datetime]
    first: dict[datetime, int]
    last: dict[datetime, int]

    def reaches(self, local: datetime) -> int:
        """Find the first minute that shows a local time or a later one."""
        if local in self.first:
            return self.first[local]
        return next((minute for minute, shown in enumerate(self.shown) if shown >= local), len(self.shown))

    def leaves(self, local: datetime) -> int:
        """Find the last minute that shows a local time, or the first after it where it is never shown."""
        return self.last[local] if local in self.last else self.reaches(local)


@cache
def wall(zone: str, jump: str) -> Wall:
    """Read a clock for three weeks around its jump."""
    day = datetime.fromisoformat(jump).replace(hour=0, minute=0, tzinfo=UTC)
    begins = day - timedelta(days=DAYS_EITHER_WAY)
    length = 2 * DAYS_EITHER_WAY * MINUTES_A_DAY
    shown = [
        (begins + timedelta(minutes=minute)).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for minute in range(length)
    ]
    first = {local: minute for minute, local in reversed(list(enumerate(shown)))}
    return Wall(begins, shown, first, {local: minute for minute, local in enumerate(shown)})


def spans(clock: Wall, window: Window) -> list[tuple[int, int, int]]:
    """List the minutes in which a window opens, starts and ends."""
    found = []
    day: date = clock.shown[0].date() - timedelta(days=2)
    while day <= clock.shown[-1].date() + timedelta(days=1):
        if day.weekday() in window.days:
            last_day = day + timedelta(days=0 if window.start < window.end else 1)
            starts = clock.reaches(datetime.combine(day, window.start))
            ends = clock.leaves(datetime.combine(last_day, window.end))
            if starts < ends:
                found.append((max(0, starts - window.lead_minutes), starts, ends))
        day += timedelta(days=1)
    return found


# Minutes around the jumps, the ends of the day, and any other.
CLOCKS = st.sampled_from([0, 1, 60, 90, 105, 119, 120, 121, 130, 150, 160, 179, 180, 181, 1320, 1439]) | st.integers(
    0, MINUTES_A_DAY - 1
)


@st.composite
def some_windows(draw: st.DrawFn, zone: str) -> tuple[Window, ...]:
    """Draw one to four windows of a zone."""
    clock = CLOCKS.map(lambda minute: time(*divmod(minute, 60)))
    days = st.frozensets(st.integers(0, 6), min_size=1)
    lead = st.sampled_from([0, 1, 5, 60]) | st.integers(0, 120)
    window = st.builds(Window, days=days, start=clock, end=clock, timezone=st.just(zone), lead_minutes=lead)
    return tuple(draw(st.lists(window, min_size=1, max_size=4)))


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
@settings(deadline=None, max_examples=300)  # a loaded machine is not a defect; eight clocks share the examples
@given(st.data())
def test_windows_are_what_a_clock_on_the_wall_says(data: st.DataObject) -> None:
    """Open, since when, until when and when next are what counting the minutes one by one comes to."""
    zone, jump = data.draw(st.sampled_from(JUMPS))
    windows = data.draw(some_windows(zone))
    clock = wall(zone, jump)
    found = [span for window in windows for span in spans(clock, window)]
    is_open = bytearray(len(clock.shown))
    for opens, _, ends in found:
        is_open[opens:ends] = b"\1" * (ends - opens)
    minute = data.draw(st.integers(-1500, 1500)) + DAYS_EITHER_WAY * MINUTES_A_DAY
    at = clock.begins + timedelta(minutes=minute)

    opened = is_open.rfind(b"\0", 0, minute) + 1
    closed = is_open.find(b"\0", minute)
    expected = None
    if is_open[minute]:
        started = min(starts for opens, starts, ends in found if opens >= opened)
        midnight = minute - minute % MINUTES_A_DAY
        is_endless = opened < midnight - 8 * MINUTES_A_DAY
        closes_at = clock.begins + timedelta(minutes=closed)
        expected = Occurrence(
            ALWAYS_SINCE if is_endless else clock.begins + timedelta(minutes=opened),
            ALWAYS_UNTIL if closed < 0 or closed > midnight + 9 * MINUTES_A_DAY else closes_at,
            ALWAYS_SINCE if is_endless else clock.begins + timedelta(minutes=started),
        )
    assert occurrence_at(windows, at) == expected

    # The clock's own end cuts spans off that reach beyond it, so its last two days say nothing of openings.
    horizon = len(clock.shown) - 2 * MINUTES_A_DAY
    upcoming = is_open.find(b"\0\1", minute) + 1
    later = next_opening(windows, at)
    if 0 < upcoming < horizon:
        assert later == clock.begins + timedelta(minutes=upcoming)
    else:
        assert later is None or later >= clock.begins + timedelta(minutes=horizon)
