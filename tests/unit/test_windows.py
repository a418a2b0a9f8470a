"""Windows: when they open and close, written by hand for every oddity of clocks."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest

from prompt_cache_warmer.values.windows import (
    ALWAYS_SINCE,
    ALWAYS_UNTIL,
    Occurrence,
    Window,
    next_opening,
    occurrence_at,
)

MON, TUE, WED, THU, FRI, SAT, SUN = range(7)
WORKDAYS = (MON, TUE, WED, THU, FRI)
DAILY = (*WORKDAYS, SAT, SUN)
BERLIN, NEW_YORK, LORD_HOWE, APIA = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"
MINUTE = timedelta(minutes=1)


def window(days: tuple[int, ...], hours: str, zone: str = BERLIN, *, lead: int = 0) -> Window:
    """Make a window of hours such as ``07:30-19:00``."""
    start, end = (time.fromisoformat(clock) for clock in hours.split("-"))
    return Window(frozenset(days), start, end, zone, lead)


def moment(written: str) -> datetime:
    """Read a time of 2026 in UTC, or one with its year."""
    return datetime.fromisoformat(written if written.count("-") > 1 else f"2026-{written}").replace(tzinfo=UTC)


# What stands beside each: a moment inside, when it opens, when it closes (UTC), and when it starts if that is later.
OPEN: dict[str, tuple[list[Window], str, str, str, str | None]] = {
    "office hours in winter": (
        [window(WORKDAYS, "07:30-19:00")],
        "11-23T12:00",
        "11-23T06:30",
        "11-23T18:00",
        None,
    ),
    "office hours in summer": (
        [window(WORKDAYS, "07:30-19:00")],
        "07-20T12:00",
        "07-20T05:30",
        "07-20T17:00",
        None,
    ),
    "a lead": (
        [window(WORKDAYS, "07:30-19:00", lead=5)],
        "11-23T06:27",
        "11-23T06:25",
        "11-23T18:00",
        "11-23T06:30",
    ),
    "a lead into the day before": (
        [window((MON,), "00:30-06:00", lead=90)],
        "11-22T22:30",
        "11-22T22:00",
        "11-23T05:00",
        "11-22T23:30",
    ),
    "a night belongs to the day it starts on": (
        [window((FRI,), "22:00-06:00")],
        "11-28T03:00",
        "11-27T21:00",
        "11-28T05:00",
        None,
    ),
    "a night over the week's end": (
        [window((SUN,), "22:00-06:00")],
        "11-23T01:00",
        "11-22T21:00",
        "11-23T05:00",
        None,
    ),
    "until midnight": ([window((MON,), "08:00-00:00")], "11-23T22:59", "11-23T07:00", "11-23T23:00", None),
    "a whole day": ([window((SAT,), "00:00-00:00")], "11-28T12:00", "11-27T23:00", "11-28T23:00", None),
    "a day from noon to noon": ([window((SAT,), "12:00-12:00")], "11-29T10:59", "11-28T11:00", "11-29T11:00", None),
    "a weekend of whole days": (
        [window((SAT, SUN), "00:00-00:00")],
        "11-29T12:00",
        "11-27T23:00",
        "11-29T23:00",
        None,
    ),
    "a local day that is another one in UTC": (
        [window((MON,), "07:00-12:00", "Pacific/Auckland")],
        "11-22T20:00",
        "11-22T18:00",
        "11-22T23:00",
        None,
    ),
    "a local day that ends on the next one in UTC": (
        [window((MON,), "16:00-20:00", "Pacific/Honolulu")],
        "11-24T05:00",
        "11-24T02:00",
        "11-24T06:00",
        None,
    ),
    "two that overlap": (
        [window((MON,), "08:00-12:00"), window((MON,), "11:00-17:00")],
        "11-23T08:00",
        "11-23T07:00",
        "11-23T16:00",
        None,
    ),
    "two that touch, later one first": (
        [window((MON,), "12:00-17:00"), window((MON,), "08:00-12:00")],
        "11-23T15:00",
        "11-23T07:00",
        "11-23T16:00",
        None,
    ),
    "one within another": (
        [window((MON,), "08:00-17:00"), window((MON,), "09:00-10:00")],
        "11-23T15:00",
        "11-23T07:00",
        "11-23T16:00",
        None,
    ),
    "one that touches only by its lead": (
        [window((MON,), "08:00-12:00"), window((MON,), "13:00-17:00", lead=60)],
        "11-23T15:00",
        "11-23T07:00",
        "11-23T16:00",
        None,
    ),
    "a minute apart they are two": (
        [window((MON,), "08:00-12:00"), window((MON,), "12:01-17:00")],
        "11-23T11:01",
        "11-23T11:01",
        "11-23T16:00",
        None,
    ),
    "a longer lead of a later start": (
        [window((MON,), "08:30-12:00"), window((MON,), "09:00-12:00", lead=60)],
        "11-23T07:10",
        "11-23T07:00",
        "11-23T11:00",
        "11-23T07:30",
    ),
    "two zones that hand over": (
        [window(WORKDAYS, "08:00-16:00", NEW_YORK), window(WORKDAYS, "08:00-16:00")],
        "11-23T08:00",
        "11-23T07:00",
        "11-23T21:00",
        None,
    ),
    "night after night with its days": (
        [window((MON, TUE), "20:00-08:00"), window((TUE,), "08:00-20:00")],
        "11-24T12:00",
        "11-23T19:00",
        "11-25T07:00",
        None,
    ),
    # Berlin: 02:00 becomes 03:00 at 01:00 UTC on 29 March, 03:00 becomes 02:00 at 01:00 UTC on 25 October.
    "from a time that is skipped": ([window((SUN,), "02:30-05:00")], "03-29T02:00", "03-29T01:00", "03-29T03:00", None),
    "to a time that is skipped": ([window((SUN,), "01:00-02:30")], "03-29T00:59", "03-29T00:00", "03-29T01:00", None),
    "from the skip's first minute": (
        [window((SUN,), "02:00-05:00")],
        "03-29T01:00",
        "03-29T01:00",
        "03-29T03:00",
        None,
    ),
    "from the skip's last minute": (
        [window((SUN,), "02:59-05:00")],
        "03-29T01:00",
        "03-29T01:00",
        "03-29T03:00",
        None,
    ),
    "from the minute after the skip": (
        [window((SUN,), "03:00-05:00")],
        "03-29T01:00",
        "03-29T01:00",
        "03-29T03:00",
        None,
    ),
    "a night of seven hours": ([window((SAT,), "22:00-06:00")], "03-29T03:59", "03-28T21:00", "03-29T04:00", None),
    "a lead over the skip": (
        [window((SUN,), "03:15-05:00", lead=30)],
        "03-29T00:45",
        "03-29T00:45",
        "03-29T03:00",
        "03-29T01:15",
    ),
    "from a time that is shown twice": (
        [window((SUN,), "02:30-05:00")],
        "10-25T00:30",
        "10-25T00:30",
        "10-25T04:00",
        None,
    ),
    "to a time that is shown twice": (
        [window((SUN,), "01:00-02:30")],
        "10-25T01:29",
        "10-24T23:00",
        "10-25T01:30",
        None,
    ),
    "both shown twice": ([window((SUN,), "02:10-02:40")], "10-25T01:00", "10-25T00:10", "10-25T01:40", None),
    "to the first minute shown twice": (
        [window((SUN,), "01:00-02:00")],
        "10-25T00:30",
        "10-24T23:00",
        "10-25T01:00",
        None,
    ),
    "to the minute after the repetition": (
        [window((SUN,), "01:00-03:00")],
        "10-25T01:59",
        "10-24T23:00",
        "10-25T02:00",
        None,
    ),
    "a night of nine hours": ([window((SAT,), "22:00-06:00")], "10-25T04:59", "10-24T20:00", "10-25T05:00", None),
    "a lead over the repetition": (
        [window((SUN,), "03:15-05:00", lead=30)],
        "10-25T01:45",
        "10-25T01:45",
        "10-25T04:00",
        "10-25T02:15",
    ),
    # New York: 02:00 becomes 03:00 at 07:00 UTC on 8 March, 02:00 becomes 01:00 at 06:00 UTC on 1 November.
    "skipped in New York": (
        [window((SUN,), "02:30-05:00", NEW_YORK)],
        "03-08T08:00",
        "03-08T07:00",
        "03-08T09:00",
        None,
    ),
    "a night in New York's spring": (
        [window((SAT,), "22:00-06:00", NEW_YORK)],
        "03-08T09:59",
        "03-08T03:00",
        "03-08T10:00",
        None,
    ),
    "from twice in New York": (
        [window((SUN,), "01:30-03:00", NEW_YORK)],
        "11-01T05:30",
        "11-01T05:30",
        "11-01T08:00",
        None,
    ),
    "to twice in New York": (
        [window((SUN,), "00:30-01:30", NEW_YORK)],
        "11-01T06:29",
        "11-01T04:30",
        "11-01T06:30",
        None,
    ),
    # Lord Howe: 02:00 becomes 02:30 at 15:30 UTC on 3 October, 02:00 becomes 01:30 at 15:00 UTC on 4 April.
    "skipped in Lord Howe's half-hour": (
        [window((SUN,), "02:15-04:00", LORD_HOWE)],
        "10-03T15:30",
        "10-03T15:30",
        "10-03T17:00",
        None,
    ),
    "to skipped in Lord Howe's half-hour": (
        [window((SUN,), "01:00-02:15", LORD_HOWE)],
        "10-03T15:29",
        "10-03T14:30",
        "10-03T15:30",
        None,
    ),
    "from twice on Lord Howe": (
        [window((SUN,), "01:45-03:00", LORD_HOWE)],
        "04-04T14:45",
        "04-04T14:45",
        "04-04T16:30",
        None,
    ),
    "to twice on Lord Howe": (
        [window((SUN,), "00:00-01:45", LORD_HOWE)],
        "04-04T15:14",
        "04-04T13:00",
        "04-04T15:15",
        None,
    ),
    # Apia had no 30 December 2011: the 31st followed the 29th at 10:00 UTC.
    "the last day before a skipped one": (
        [window((THU,), "09:00-17:00", APIA)],
        "2011-12-30T00:00",
        "2011-12-29T19:00",
        "2011-12-30T03:00",
        None,
    ),
    "a night into a skipped day": (
        [window((THU,), "22:00-06:00", APIA)],
        "2011-12-30T09:59",
        "2011-12-30T08:00",
        "2011-12-30T10:00",
        None,
    ),
    "a night of a skipped day": (
        [window((FRI,), "22:00-06:00", APIA)],
        "2011-12-30T10:00",
        "2011-12-30T10:00",
        "2011-12-30T16:00",
        None,
    ),
    "the first day after a skipped one": (
        [window((SAT,), "09:00-17:00", APIA)],
        "2011-12-30T20:00",
        "2011-12-30T19:00",
        "2011-12-31T03:00",
        None,
    ),
}  # fmt: skip - a case reads best as one or two lines

CLOSED: dict[str, tuple[list[Window], str, str]] = {
    "before its lead": ([window(WORKDAYS, "07:30-19:00", lead=5)], "11-23T06:24", "11-23T06:25"),
    "when it has ended": ([window(WORKDAYS, "07:30-19:00", lead=5)], "11-23T18:00", "11-24T06:25"),
    "over the weekend": ([window(WORKDAYS, "07:30-19:00")], "11-28T12:00", "11-30T06:30"),
    "the night before the night": ([window((FRI,), "22:00-06:00")], "11-27T03:00", "11-27T21:00"),
    "on another weekday": ([window((MON,), "08:00-12:00")], "11-24T09:00", "11-30T07:00"),
    "the same weekday, a minute late": ([window((MON,), "08:00-12:00")], "11-23T11:00", "11-30T07:00"),
    "between two": ([window((MON,), "08:00-10:00"), window((MON,), "14:00-16:00")], "11-23T11:00", "11-23T13:00"),
    "all of it is skipped": ([window((SUN,), "02:10-02:40", lead=30)], "03-29T00:45", "04-04T23:40"),
    "all of Lord Howe's is skipped": ([window((SUN,), "02:00-02:30", LORD_HOWE)], "10-03T15:30", "10-10T15:00"),
    "all of a day is skipped": ([window((FRI,), "09:00-17:00", APIA)], "2011-12-30T10:00", "2012-01-05T19:00"),
    "its next day is skipped": ([window((FRI,), "09:00-17:00", APIA)], "2011-12-24T12:00", "2012-01-05T19:00"),
}


@pytest.mark.parametrize(("windows", "at", "opens", "closes", "starts"), OPEN.values(), ids=OPEN)
def test_an_open_schedule_says_since_when_and_until_when(
    windows: list[Window], at: str, opens: str, closes: str, starts: str | None
) -> None:
    """Merged, lead included, by the clock of the window's own zone; its last moment is no part of it."""
    expected = Occurrence(moment(opens), moment(closes), moment(starts or opens))
    for written in (at, opens, (moment(closes) - MINUTE).isoformat().removesuffix("+00:00")):
        assert occurrence_at(tuple(windows), moment(written)) == expected
    assert occurrence_at(tuple(windows), moment(opens) - MINUTE) != expected
    assert occurrence_at(tuple(windows), moment(closes)) != expected
    assert next_opening(tuple(windows), moment(opens) - MINUTE) == moment(opens)


@pytest.mark.parametrize(("windows", "at", "opens"), CLOSED.values(), ids=CLOSED)
def test_a_closed_schedule_says_when_it_opens_next(windows: list[Window], at: str, opens: str) -> None:
    """A day that does not take place is passed over, up to the week after next."""
    assert occurrence_at(tuple(windows), moment(at)) is None
    assert next_opening(tuple(windows), moment(at)) == moment(opens)
    assert occurrence_at(tuple(windows), moment(opens)) is not None


def test_while_it_is_open_the_next_opening_is_the_one_after() -> None:
    """The moment of an opening is not after itself."""
    office = (window(WORKDAYS, "07:30-19:00"),)
    assert next_opening(office, moment("11-23T06:30")) == moment("11-24T06:30")
    assert next_opening(office, moment("11-27T12:00")) == moment("11-30T06:30")


def test_a_time_in_any_zone_is_understood() -> None:
    """23:30 in New York on a Sunday is Monday morning in Berlin, 03:30 in Auckland on a Tuesday is Monday afternoon."""
    at = datetime.fromisoformat("2026-11-22T23:30:00-05:00")
    early = (window((MON,), "05:00-06:00"),)
    assert occurrence_at(early, at) == Occurrence(moment("11-23T04:00"), moment("11-23T05:00"), moment("11-23T04:00"))
    late, tuesday = (window((MON,), "15:00-16:00"),), datetime.fromisoformat("2026-11-24T03:30:00+13:00")
    assert occurrence_at(late, tuesday) == Occurrence(
        moment("11-23T14:00"), moment("11-23T15:00"), moment("11-23T14:00")
    )
    assert next_opening(late, tuesday - timedelta(hours=1)) == moment("11-23T14:00")


def test_no_windows_are_never_open() -> None:
    """Whoever has none asks nothing: around the clock is the caller's word."""
    assert occurrence_at((), moment("11-23T12:00")) is None
    assert next_opening((), moment("11-23T12:00")) is None


ENDLESS: dict[str, list[Window]] = {
    "a whole day, daily": [window(DAILY, "00:00-00:00")],
    "halves of days": [window(DAILY, "08:00-20:00"), window(DAILY, "20:00-08:00")],
    "the last gap is filled by the lead": [window(DAILY, "00:30-00:00", lead=30)],
    "three zones": [window(DAILY, "08:00-18:00", zone) for zone in (BERLIN, "America/Los_Angeles", "Australia/Sydney")],
}


@pytest.mark.parametrize("windows", ENDLESS.values(), ids=ENDLESS)
def test_what_never_closes_has_neither_beginning_nor_end(windows: list[Window]) -> None:
    """So nothing moves from day to day, and a time to live can be added or taken away."""
    for at in ("11-22T12:00", "11-23T00:00", "03-29T01:30", "12-31T23:59"):
        assert occurrence_at(tuple(windows), moment(at)) == Occurrence(ALWAYS_SINCE, ALWAYS_UNTIL, ALWAYS_SINCE)
        assert next_opening(tuple(windows), moment(at)) is None
    assert ALWAYS_SINCE - timedelta(days=365) < moment("11-22T12:00") < ALWAYS_UNTIL + timedelta(days=365)


def test_a_week_with_one_hour_off_is_a_week_and_not_for_ever() -> None:
    """From Monday 01:00 to the next Monday 00:00, told the same at its first and at its last minute."""
    windows = (window((MON,), "01:00-00:00"), window((TUE, WED, THU, FRI, SAT, SUN), "00:00-00:00"))
    expected = Occurrence(moment("11-23T00:00"), moment("11-29T23:00"), moment("11-23T00:00"))
    for at in ("11-23T00:00", "11-26T12:00", "11-29T22:59"):
        assert occurrence_at(windows, moment(at)) == expected
    assert occurrence_at(windows, moment("11-29T23:30")) is None


def test_a_gap_that_spring_swallows_makes_it_open_for_two_weeks() -> None:
    """Beginning and end are told from eight days on, before that they are further than anybody looks."""
    windows = (
        window((MON, TUE, WED, THU, FRI, SAT), "00:00-00:00"),
        window((SUN,), "00:00-02:10"),
        window((SUN,), "02:40-00:00"),
    )
    opens, closes = moment("03-22T01:40"), moment("04-05T00:10")
    assert occurrence_at(windows, moment("03-29T12:00")) == Occurrence(opens, closes, opens)
    assert occurrence_at(windows, moment("03-23T12:00")) == Occurrence(opens, ALWAYS_UNTIL, opens)
    assert occurrence_at(windows, moment("04-04T12:00")) == Occurrence(ALWAYS_SINCE, closes, ALWAYS_SINCE)


def test_a_years_office_hours_are_told_the_same_whenever_asked() -> None:
    """Every opening is found from the one before, with twelve hours' daylight each, and there are 261."""
    office = (window(WORKDAYS, "07:00-19:00", lead=10),)
    openings, at = [], moment("01-01T00:00")
    while (opening := next_opening(office, at)) is not None and opening.year == 2026:
        openings.append(opening)
        at = opening
    assert len(openings) == 261
    assert {(later - earlier) // timedelta(hours=23) for earlier, later in pairwise(openings)} == {1, 3}
    for opening in openings:
        found = occurrence_at(office, opening)
        assert found is not None
        assert (found.opens_at, found.closes_at - found.starts_at) == (opening, timedelta(hours=12))
