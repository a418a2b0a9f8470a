"""The habit: what an idle gap teaches, and how far the bound goes by it, in hand-made prices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.rules.habit import IdleGap, begun, habit_after, idle_bound
from prompt_cache_warmer.values.pricing import PrefixCosts
from prompt_cache_warmer.values.state import Habit

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
# A write for 20, a read for 1: break-even is at 19 refreshes.
COSTS = PrefixCosts(write_usd=Decimal(20), read_usd=Decimal(1), plain_usd=Decimal(10))
NOTHING = Decimal(0)


def after(habit: Habit, hours: float, refreshes: int, *, alive: bool) -> Habit:
    """Return the habit after a gap that began a day after the start."""
    gap = IdleGap(START + 24 * HOUR, START + (24 + hours) * HOUR, refreshes, alive)
    return habit_after(habit, gap, COSTS, ttl_seconds=3_600, cold_start_value_usd=NOTHING)


def bound(credit: int, used_hours: float, costs: PrefixCosts = COSTS) -> int:
    """Return the bound of an entry with some credit after some hours of use."""
    habit = Habit(START, Decimal(credit))
    last = START + used_hours * HOUR
    return idle_bound(habit, costs, last_traffic_at=last, ttl_seconds=3_600, cold_start_value_usd=NOTHING)


def test_a_new_entry_has_its_write_for_credit() -> None:
    """Everybody had to pay it, so twice that less that is left."""
    assert begun(START, COSTS) == Habit(START, Decimal(20))


@pytest.mark.parametrize(
    ("hours", "refreshes", "alive", "credit"),
    [
        (0.9, 1, True, 20 + 2 * 1 - 2),  # a tick too early: one refresh that nobody needed
        (1, 0, True, 20 + 2 * 1 - 1),
        (1.5, 1, True, 20 + 2 * 2 - 2),
        (1.5, 0, False, 20 + 2 * 2 - 20),
        (4.5, 3, False, 20 + 2 * 5 - 23),
        (20, 19, True, 20 + 2 * 20 - 20),
        (50, 19, False, 20 + 2 * 20 - 39),  # the clairvoyant lets it lapse at once
    ],
)
def test_a_gap_moves_the_credit(hours: float, refreshes: int, alive: bool, credit: int) -> None:  # noqa: FBT001 - a column of the table
    """Twice the clairvoyant's price, less what was paid."""
    assert after(begun(START, COSTS), hours, refreshes, alive=alive).credit_usd == credit


@pytest.mark.parametrize(("hours", "since"), [(20, 0), (20.001, 44.001)])
def test_use_begins_anew_behind_a_gap_beyond_break_even(hours: float, since: float) -> None:
    """19 refreshes span 20 hours."""
    assert after(begun(START, COSTS), hours, 3, alive=False).used_since == START + since * HOUR


@pytest.mark.parametrize(
    ("credit", "used_hours", "expected"),
    [
        (100, 0, 3),  # a fifth of 19
        (100, 0.99, 3),
        (100, 1, 4),
        (100, 15.5, 18),
        (100, 16, 19),
        (100, 500, 19),
        (13, 0, 3),  # 13 + 2 x 5 - 23 = 0: the worst gap just leaves nothing
        (12, 0, 4),  # 12 + 2 x 6 - 24 = 0
        (0, 0, 16),  # 0 + 2 x 18 - 36 = 0
        (-9, 0, 19),  # nothing below break-even survives it
    ],
)
def test_the_bound_is_time_in_use_and_a_fifth_unless_credit_is_short(
    credit: int, used_hours: float, expected: int
) -> None:
    """It is raised until the credit survives a gap that ends just after the lapse."""
    assert bound(credit, used_hours) == expected


@pytest.mark.parametrize(("write", "expected"), [(1, 0), (2, 1), (5, 1), (11, 2)])
def test_what_is_worth_a_refresh_gets_one(write: int, expected: int) -> None:
    """Without a single refresh no gap would ever be learned from."""
    costs = PrefixCosts(write_usd=Decimal(write), read_usd=Decimal(1), plain_usd=Decimal(1))
    assert bound(1_000, 0, costs) == expected


@given(
    write=st.integers(min_value=0, max_value=400),
    read=st.integers(min_value=1, max_value=30),
    credit=st.integers(min_value=-500, max_value=500),
    hours=st.integers(min_value=0, max_value=60),
    value=st.integers(min_value=0, max_value=900),
)
def test_the_bound_is_the_first_that_the_credit_survives(
    write: int, read: int, credit: int, hours: int, value: int
) -> None:
    """Trying every bound up to break-even, one by one, finds the same."""
    costs = PrefixCosts(write_usd=Decimal(write), read_usd=Decimal(read), plain_usd=Decimal(1))
    miss = write + value
    limit = max(0, (miss - read) // read)
    first = min(limit, max(1, limit // 5) + hours)
    safe = (each for each in range(first, limit) if credit + 2 * min((each + 2) * read, miss) - each * read - miss >= 0)
    found = idle_bound(
        Habit(START, Decimal(credit)),
        costs,
        last_traffic_at=START + hours * HOUR,
        ttl_seconds=3_600,
        cold_start_value_usd=Decimal(value),
    )
    assert found == next(safe, limit)


def test_a_cold_start_that_is_worth_a_fortune_is_bounded_at_once() -> None:
    """Break-even is then millions of refreshes away, and nobody counts up to it."""
    found = idle_bound(
        Habit(START, Decimal(0)),
        COSTS,
        last_traffic_at=START,
        ttl_seconds=3_600,
        cold_start_value_usd=Decimal(10**9),
    )
    assert found == 10**9 + 19 - 3
