"""Arrivals: when an application's requests start, and how large the prefix of each is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import ArrivalsError

if TYPE_CHECKING:
    from collections.abc import Sequence

MICROSECONDS = 1_000_000
DAY_SECONDS = 86_400
# A century; later times are taken for a mistake in the unit, and dates behind them would not exist.
MAX_TIME_SECONDS = 100 * 366 * DAY_SECONDS
# More input than any model takes; beyond it the sums would leave 64 bits.
MAX_TOKENS = 100_000_000


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests in order of time.

    Attributes:
        times_us: when each starts, in whole microseconds, never falling.
        tokens: how many tokens the prefix of each has.
    """

    times_us: Sequence[int]
    tokens: Sequence[int]

    def __post_init__(self) -> None:
        """Refuse what cannot be replayed.

        Raises:
            ArrivalsError: when there are none, the two do not match, or a time falls.
        """
        if not self.times_us:
            raise ArrivalsError("there are no arrivals; at least one is needed")
        if len(self.times_us) != len(self.tokens):
            raise ArrivalsError(f"there are {len(self.times_us)} times but {len(self.tokens)} token counts")
        if any(later < earlier for earlier, later in pairwise(self.times_us)):
            raise ArrivalsError("the times are not in order")

    def __len__(self) -> int:
        return len(self.times_us)

    def first(self, seconds: float) -> Arrivals:
        """Return those that start less than some seconds after the first."""
        end_us = self.times_us[0] + round(seconds * MICROSECONDS)
        count = sum(1 for time_us in self.times_us if time_us < end_us)
        return Arrivals(self.times_us[:count], self.tokens[:count])
