"""Arrivals from a table: what is read, and every refusal names the row, the value and what is allowed."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.rules.replay.arrivals import Arrivals, ArrivalsError, read_arrivals


def test_rows_become_microseconds_and_tokens() -> None:
    """A row without its own size has the one that was given; equal times are in order."""
    rows = [(2, "0", "500"), (3, "1.5", None), (4, "1.5", " "), (5, "1e2", "7")]
    found = read_arrivals(rows, prefix_tokens=100)
    assert (list(found.times_us), list(found.tokens)) == ([0, 1_500_000, 1_500_000, 100_000_000], [500, 100, 100, 7])
    assert len(found) == 4


@pytest.mark.parametrize(
    ("time", "tokens", "message"),
    [
        (None, "5", "row 7: t_s is empty; a number of seconds is needed"),
        (" ", "5", "row 7: t_s is empty; a number of seconds is needed"),
        ("soon", "5", "row 7: t_s='soon' is not a number of seconds"),
        ("nan", "5", "row 7: t_s='nan' is not allowed; allowed: 0 to 3,162,240,000 seconds"),
        ("inf", "5", "row 7: t_s='inf' is not allowed; allowed: 0 to 3,162,240,000 seconds"),
        ("-1", "5", "row 7: t_s='-1' is not allowed; allowed: 0 to 3,162,240,000 seconds"),
        ("1732285200000", "5", "row 7: t_s='1732285200000' is not allowed; allowed: 0 to 3,162,240,000 seconds"),
        ("9.5", "5", "row 7: t_s='9.5' is before the row above (10); sort the rows"),
        ("11", "", "row 7: input_tokens is empty, and no prefix size was given"),
        ("11", "many", "row 7: input_tokens='many' is not a whole number"),
        ("11", "1.5", "row 7: input_tokens='1.5' is not a whole number"),
        ("11", "0", "row 7: input_tokens='0' is not allowed; allowed: 1 to 100,000,000"),
        ("11", "-4", "row 7: input_tokens='-4' is not allowed; allowed: 1 to 100,000,000"),
        ("11", "100000001", "row 7: input_tokens='100000001' is not allowed; allowed: 1 to 100,000,000"),
    ],
)
def test_a_bad_row_is_named(time: str | None, tokens: str, message: str) -> None:
    """The first row is good, the second is not."""
    with pytest.raises(ArrivalsError) as caught:
        read_arrivals([(6, "10", "5"), (7, time, tokens)], prefix_tokens=None)
    assert str(caught.value) == message


def test_no_rows_are_refused() -> None:
    """An empty table is a mistake, not a free day."""
    with pytest.raises(ArrivalsError, match="there are no arrivals"):
        read_arrivals([], prefix_tokens=1)


def test_unequal_lists_are_refused() -> None:
    """Each time has its size."""
    with pytest.raises(ArrivalsError, match="2 times but 1 token counts"):
        Arrivals([0, 1], [5])


def test_falling_times_are_refused() -> None:
    """Whoever builds them without a table is held to the order as well."""
    with pytest.raises(ArrivalsError, match="not in order"):
        Arrivals([0, 2, 1], [5, 5, 5])


def test_the_first_day_ends_before_its_last_moment() -> None:
    """It is counted from the first arrival, not from 0."""
    day = 86_400_000_000
    found = Arrivals([5, day + 4, day + 5, day + 6], [1, 2, 3, 4]).first(86_400)
    assert (list(found.times_us), list(found.tokens)) == ([5, day + 4], [1, 2])
