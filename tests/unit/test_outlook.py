"""The outlook of a prefix: idle weeks as decide has them, windows, bounds, and when warming starts to pay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal
from math import exp

import pytest

from prompt_cache_warmer.rules.advice import NO_CACHING, Choice, forecast
from prompt_cache_warmer.rules.idle_week import IdleCalls, OpenHours, idle_calls, monday_before, open_hours
from prompt_cache_warmer.rules.outlook import TTLS, UNCACHED, PaysFrom, Terms, Way, at_most, expected, pays_from
from prompt_cache_warmer.values.pricing import PrefixCosts
from prompt_cache_warmer.values.windows import Window

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
# Multiples of plain input on most models.
SHORT = PrefixCosts(write_usd=Decimal("1.25"), read_usd=Decimal("0.1"), plain_usd=Decimal(1))
LONG = replace(SHORT, write_usd=Decimal(2))
NOTHING = Decimal(0)
WORKDAYS = frozenset(range(5))
# Ten hours and no lead: 50 hours a week.
OFFICE = (Window(WORKDAYS, time(8), time(18), "UTC", lead_minutes=0),)
HALF_PAST = (Window(frozenset({0}), time(8), time(8, 30), "UTC", lead_minutes=0),)
CLOCK = Terms(SHORT, LONG, (), NOTHING, tick_seconds=240.0, monday=MONDAY)
OFFICE_TERMS = replace(CLOCK, windows=OFFICE)


def idle(keep: str, ttl: str, windows: tuple[Window, ...] = (), tick: float = 240.0) -> IdleCalls:
    """Count the calls of an idle week."""
    return idle_calls(keep, ttl, windows, tick_seconds=tick, monday=MONDAY)


@pytest.mark.parametrize(
    ("tick", "ttl", "calls"),
    [
        (240.0, "5m", IdleCalls(360.0, 0.0)),  # at every tick
        (240.0, "1h", IdleCalls(86_400 / 3_360, 0.0)),  # due from 55 minutes on, which the tick at 56 reaches
        (60.0, "5m", IdleCalls(86_400 / 180, 0.0)),  # due from 3 minutes on
        (60.0, "1h", IdleCalls(86_400 / 3_480, 0.0)),
        (1_200.0, "1h", IdleCalls(86_400 / 2_400, 0.0)),  # due from 39 minutes on
        (300.0, "5m", IdleCalls(0.0, 288.0)),  # lapsed at every tick
    ],
)
def test_around_the_clock_calls_come_as_often_as_decide_says(tick: float, ttl: str, calls: IdleCalls) -> None:
    """By the due rule: the time to live less the interval and a minute of jitter, at the next tick."""
    found = idle("always", ttl, tick=tick)
    assert (found.refreshes, found.writes) == pytest.approx((calls.refreshes, calls.writes))


@pytest.mark.parametrize(
    ("keep", "ttl", "windows", "a_week"),
    [
        ("once", "1h", (), (0, 0)),
        ("once", "5m", OFFICE, (0, 5)),
        # Ten hours: written at eight, refreshed at every tick from 8:04 to 17:56; that one outlives the window.
        ("always", "5m", OFFICE, (5 * 149, 5)),
        # Written at eight, refreshed every 56 minutes up to 17:20, which outlives the window.
        ("always", "1h", OFFICE, (5 * 10, 5)),
        ("always", "1h", HALF_PAST, (0, 1)),  # the write outlives the window
    ],
)
def test_windows_open_with_a_write_and_end_with_what_outlives_them(
    keep: str, ttl: str, windows: tuple[Window, ...], a_week: tuple[int, int]
) -> None:
    """Counted by hand from the windows."""
    found = idle(keep, ttl, windows)
    assert (found.refreshes * 7, found.writes * 7) == pytest.approx(a_week)


def test_hours_are_averaged_over_the_week() -> None:
    """Fifty of 168 hours, five openings; a lead opens earlier; around the clock nothing opens."""
    assert open_hours(OFFICE, monday=MONDAY) == OpenHours(share=50 / 168, openings=5)
    assert open_hours(OFFICE, monday=MONDAY).hours_per_day == pytest.approx(50 / 7)
    early = (replace(OFFICE[0], lead_minutes=60),)
    assert open_hours(early, monday=MONDAY) == OpenHours(share=55 / 168, openings=5)
    assert open_hours((), monday=MONDAY) == OpenHours(share=1.0, openings=0)


def test_a_window_over_the_weeks_edge_counts_on_both_sides_and_opens_once() -> None:
    """Sunday 22:00 to Monday 02:00: four hours of every week, one opening."""
    nights = (Window(frozenset({6}), time(22), time(2), "UTC", lead_minutes=0),)
    assert open_hours(nights, monday=MONDAY) == OpenHours(share=4 / 168, openings=1)


def test_windows_that_never_close_are_around_the_clock() -> None:
    """All days from midnight to midnight."""
    daily = (Window(frozenset(range(7)), time(), time(), "UTC", lead_minutes=0),)
    assert open_hours(daily, monday=MONDAY) == OpenHours(share=1.0, openings=0)


def test_the_week_begins_on_monday_in_utc() -> None:
    """Sunday noon belongs to the Monday before it."""
    assert monday_before(datetime(2026, 11, 22, 12, tzinfo=UTC)) == MONDAY
    assert monday_before(MONDAY) == MONDAY


def test_at_most_the_warm_calls_of_an_idle_day() -> None:
    """36.0 prefix-prices with 5 minutes, 2.57 with an hour; once makes no call around the clock."""
    costs = {way: float(forecast.cost_usd) for way, forecast in at_most(CLOCK).items()}
    assert costs == pytest.approx(
        {
            Way("5m", "always"): 36.0,
            Way("5m", "while-used"): 36.0,
            Way("5m", "once"): 0.0,
            Way("5m", "never"): 0.0,
            Way("1h", "always"): 0.1 * 86_400 / 3_360,
            Way("1h", "while-used"): 0.1 * 86_400 / 3_360,
            Way("1h", "once"): 0.0,
            Way("1h", "never"): 0.0,
        }
    )


def test_at_most_in_windows_counts_the_openings_writes() -> None:
    """A week of ten refreshes and a write a day, by five days; while-used leaves the write to traffic."""
    found = at_most(OFFICE_TERMS)
    assert float(found[Way("1h", "always")].cost_usd) * 7 == pytest.approx(5 * (10 * 0.1 + 2))
    assert float(found[Way("1h", "while-used")].cost_usd) * 7 == pytest.approx(5 * 10 * 0.1)
    assert float(found[Way("5m", "once")].cost_usd) * 7 == pytest.approx(5 * 1.25)
    assert found[Way("1h", "always")].warm_calls * 7 == pytest.approx(55)


@pytest.mark.parametrize("rate", [0.5, 3.0, 35.0, 1_000.0])
def test_around_the_clock_the_figures_are_those_of_the_advice(rate: float) -> None:
    """The same seven choices at the same costs; once is not warming."""
    advised = forecast(rate, {"5m": SHORT, "1h": LONG}, tick_seconds=240.0)
    found = expected(CLOCK, rate)
    pairs = {UNCACHED: NO_CACHING}
    for ttl in TTLS:
        pairs |= {Way(ttl, keep): Choice(ttl, keep) for keep in ("always", "while-used", "never")}
        pairs[Way(ttl, "once")] = Choice(ttl, "never")
    assert found.keys() == pairs.keys()
    for way, choice in pairs.items():
        assert float(found[way].cost_usd) == pytest.approx(float(advised[choice].cost_usd))
        assert found[way].warm_calls == pytest.approx(advised[choice].warm_calls)
        assert found[way].cold_starts == pytest.approx(advised[choice].cold_starts)


def test_without_traffic_the_expected_is_the_most() -> None:
    """One request in three years: always costs what it costs at most, in windows too."""
    for terms in (CLOCK, OFFICE_TERMS):
        for ttl in TTLS:
            rare, most = expected(terms, 0.001)[Way(ttl, "always")], at_most(terms)[Way(ttl, "always")]
            assert float(rare.cost_usd) == pytest.approx(float(most.cost_usd), rel=1e-3)


def test_in_windows_requests_come_while_they_are_open() -> None:
    """35 a day are 117.6 for each day's length of open time; every request is a hit when it is kept always."""
    inside = 35 * 168 / 50
    due, tick, spacing = 3_300, 240, 3_360
    rate = inside / 86_400
    reached = exp(-rate * due) * (1 - exp(-rate * tick)) / (rate * tick)
    saved = reached / (1 - exp(-rate * spacing)) * inside / (86_400 / spacing)
    found = expected(OFFICE_TERMS, 35)[Way("1h", "always")]
    assert float(found.cost_usd) == pytest.approx(35 * 0.1 + (50 * saved * 0.1 + 5 * 2) / 7)
    assert (found.warm_calls, found.cold_starts) == pytest.approx(((50 * saved + 5) / 7, 0.0))


def test_unwarmed_windows_open_with_a_cold_request() -> None:
    """Five first requests a week miss, if any comes, beyond those that a random gap of an hour misses."""
    inside = 35 * 168 / 50
    missed = exp(-inside / 24)
    comes = 1 - exp(-inside * 10 / 24)
    cold = 35 * missed + 5 / 7 * comes * (1 - missed)
    found = expected(OFFICE_TERMS, 35)
    never, once = found[Way("1h", "never")], found[Way("1h", "once")]
    assert never.cold_starts == pytest.approx(cold)
    assert float(never.cost_usd) == pytest.approx(35 * 0.1 + cold * 1.9)
    assert (once.cold_starts, once.warm_calls) == pytest.approx((35 * missed, 5 / 7))
    assert float(once.cost_usd) == pytest.approx(35 * 0.1 + 35 * missed * 1.9 + 5 / 7 * 2)
    used = found[Way("1h", "while-used")]
    assert used.cold_starts == pytest.approx(5 / 7 * comes * (1 - missed), rel=1e-3)


def test_a_cold_start_counts_at_its_value_there_too() -> None:
    """Half a prefix-price for each."""
    worth = expected(replace(OFFICE_TERMS, cold_start_value_usd=Decimal("0.5")), 35)
    found = expected(OFFICE_TERMS, 35)
    for way in (UNCACHED, Way("1h", "never"), Way("5m", "never")):
        more = float(worth[way].cost_usd - found[way].cost_usd)
        assert more == pytest.approx(found[way].cold_starts * 0.5)


def test_ticks_too_far_apart_hold_nothing() -> None:
    """Every five minutes is too late for five minutes; an hour is held. Nothing is said of what cannot be."""
    slow = replace(CLOCK, tick_seconds=300.0)
    for found in (at_most(slow), expected(slow, 35)):
        assert Way("5m", "always") not in found
        assert Way("5m", "while-used") not in found
        assert Way("5m", "never") in found
        assert Way("1h", "always") in found
    assert pays_from(slow, "5m") == PaysFrom(None, None, None)


def test_windows_that_never_open_have_no_figures() -> None:
    """A week in which the clock jumps over them: nothing is expected."""
    sunday = datetime(2027, 3, 22, tzinfo=UTC)  # the week that ends with Europe's spring
    skipped = (Window(frozenset({6}), time(2, 15), time(2, 45), "Europe/Berlin", lead_minutes=0),)
    terms = replace(CLOCK, windows=skipped, monday=sunday)
    assert expected(terms, 35) == {}
    assert pays_from(terms, "1h") == PaysFrom(None, None, None)


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
@pytest.mark.parametrize("ttl", TTLS)
@pytest.mark.parametrize("terms", [CLOCK, OFFICE_TERMS])
def test_at_the_break_even_both_cost_the_same(ttl: str, terms: Terms) -> None:
    """A little more traffic and always is the cheaper one; beyond the end it is not any more."""
    found = pays_from(terms, ttl)  # type: ignore[arg-type] # a column of the table
    always, never = Way(ttl, "always"), Way(ttl, "never")  # type: ignore[arg-type] # as above

    def saved(rate: float, than: Way) -> Decimal:
        costs = expected(terms, rate)
        return costs[than].cost_usd - costs[always].cost_usd

    assert found.than_not_warming is not None
    assert found.than_not_caching is not None
    assert saved(found.than_not_warming * 0.99, never) < 0 < saved(found.than_not_warming * 1.01, never)
    assert saved(found.than_not_caching * 0.99, UNCACHED) < 0 < saved(found.than_not_caching * 1.01, UNCACHED)
    if found.until is not None:
        assert saved(found.until * 0.99, never) > 0 > saved(found.until * 1.01, never)


def test_break_evens_by_hand() -> None:
    """Not caching: 36 prefix-prices of pings against 0.9 saved a request, 40 less what traffic saves of them."""
    found = pays_from(CLOCK, "5m")
    assert found.than_not_caching == pytest.approx(40.0, abs=0.1)
    # Not warming: N(1.15 e^(-N/288)) = 36.0, all but exactly.
    assert found.than_not_warming == pytest.approx(35.4, abs=0.1)


def test_break_evens_do_not_depend_on_the_prefixes_size() -> None:
    """They are ratios of one model's prices."""
    tenfold = [
        replace(costs, **{name: getattr(costs, name) * 10 for name in costs.__slots__}) for costs in (SHORT, LONG)
    ]
    assert pays_from(replace(CLOCK, short=tenfold[0], long=tenfold[1]), "1h") == pays_from(CLOCK, "1h")


def test_a_cold_start_that_is_dear_pays_from_the_first_request_on() -> None:
    """A hundred prefix-prices for each: one request a week is enough."""
    found = pays_from(replace(CLOCK, cold_start_value_usd=Decimal(1_000)), "1h")
    assert found.than_not_warming == 0.0
    assert found.than_not_caching == 0.0
