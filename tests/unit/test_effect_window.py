"""The while a report speaks of: whole buckets, fine enough to see and old enough for CloudWatch to remember."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prompt_cache_warmer.rules.effect_window import Window, settled, window

NOW = datetime(2026, 11, 22, 12, 34, 56, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("age", "seconds", "start", "end"),
    [
        (90 * MINUTE, 60, datetime(2026, 11, 22, 11, 4, tzinfo=UTC), datetime(2026, 11, 22, 12, 35, tzinfo=UTC)),
        (400 * MINUTE, 60, datetime(2026, 11, 22, 5, 54, tzinfo=UTC), datetime(2026, 11, 22, 12, 35, tzinfo=UTC)),
        (401 * MINUTE, 300, datetime(2026, 11, 22, 5, 50, tzinfo=UTC), datetime(2026, 11, 22, 12, 35, tzinfo=UTC)),
        (DAY, 300, datetime(2026, 11, 21, 12, 30, tzinfo=UTC), datetime(2026, 11, 22, 12, 35, tzinfo=UTC)),
        (7 * DAY, 3_600, datetime(2026, 11, 15, 12, tzinfo=UTC), datetime(2026, 11, 22, 13, tzinfo=UTC)),
        (17 * DAY, 86_400, datetime(2026, 11, 5, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        (455 * DAY, 86_400, datetime(2025, 8, 24, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
    ],
    ids=["90m", "400m", "401m", "1d", "7d", "17d", "455d"],
)
def test_a_window_has_the_finest_buckets_there_is_room_for(
    age: timedelta, seconds: int, start: datetime, end: datetime
) -> None:
    """Both ends are whole buckets; CloudWatch keeps minutes for 15 days, five minutes for 63 and hours for 455."""
    found = window(NOW - age, now=NOW)
    assert found == Window(start, end, seconds)
    assert age <= {60: 15 * DAY, 300: 63 * DAY}.get(seconds, 455 * DAY)


def test_a_window_names_its_buckets() -> None:
    """From the start on, the end left out."""
    found = Window(NOW, NOW + 3 * MINUTE, 60)
    assert list(found.starts()) == [NOW, NOW + MINUTE, NOW + 2 * MINUTE]
    assert [found.holds(at) for at in (NOW - MINUTE, NOW, NOW + 2 * MINUTE, NOW + 3 * MINUTE)] == [
        False,
        True,
        True,
        False,
    ]
    assert found.as_json() == {
        "start": "2026-11-22T12:34:56+00:00",
        "end": "2026-11-22T12:37:56+00:00",
        "bucket_seconds": 60,
    }


@pytest.mark.parametrize(("days", "is_listed"), [(7, True), (14, True), (15, False)])
def test_cloudwatch_names_what_was_published_in_two_weeks(days: int, is_listed: bool) -> None:  # noqa: FBT001 - a column
    """A longer window may hold targets that nobody names any more."""
    assert window(NOW - days * DAY, now=NOW).is_listed is is_listed


@pytest.mark.parametrize(
    ("age", "width", "start", "end"),
    [
        (90 * MINUTE, "1m", datetime(2026, 11, 22, 11, 4, tzinfo=UTC), datetime(2026, 11, 22, 12, 29, tzinfo=UTC)),
        (DAY, "1m", datetime(2026, 11, 21, 12, 30, tzinfo=UTC), datetime(2026, 11, 22, 12, 25, tzinfo=UTC)),
        (30 * HOUR, "1h", datetime(2026, 11, 21, 7, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC)),
        (7 * DAY, "1h", datetime(2026, 11, 15, 12, tzinfo=UTC), datetime(2026, 11, 22, 12, tzinfo=UTC)),
        (8 * DAY, "1d", datetime(2026, 11, 15, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)),
        (90 * DAY, "1d", datetime(2026, 8, 24, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)),
    ],
    ids=["90m", "1d", "30h", "7d", "8d", "90d"],
)
def test_the_usage_api_is_asked_for_whole_buckets_of_both_sides(
    age: timedelta, width: str, start: datetime, end: datetime
) -> None:
    """Five minutes late, in the width that fits on one page if any does."""
    seconds = {"1m": 60, "1h": 3_600, "1d": 86_400}[width]
    assert settled(window(NOW - age, now=NOW), now=NOW) == (Window(start, end, seconds), width)


def test_nothing_is_settled_of_the_last_minutes() -> None:
    """There is nothing to ask the Usage API for."""
    assert settled(window(NOW - 5 * MINUTE, now=NOW), now=NOW) is None
