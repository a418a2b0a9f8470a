"""Arrivals: requests in order of time, whoever makes them."""

from __future__ import annotations

import pytest

from prompt_cache_warmer.errors import ArrivalsError
from prompt_cache_warmer.rules.replay.arrivals import Arrivals


def test_no_requests_are_refused() -> None:
    """An empty file is a mistake, not a free day."""
    with pytest.raises(ArrivalsError, match="there are no arrivals"):
        Arrivals([], [])


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
