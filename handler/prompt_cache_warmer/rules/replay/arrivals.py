"""Arrivals: when an application's requests start, and how large the prefix of each is."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import CacheWarmerError
from prompt_cache_warmer.values.problems import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MICROSECONDS = 1_000_000
# A century; later times are taken for a mistake in the unit, and dates behind them would not exist.
MAX_TIME_SECONDS = 100 * 366 * 86_400
# More input than any model takes; beyond it the sums would leave 64 bits.
MAX_TOKENS = 100_000_000


class ArrivalsError(CacheWarmerError):
    """Recorded arrivals are not usable: the message names the row, the value and what is allowed."""


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


def read_arrivals(rows: Iterable[tuple[int, str | None, str | None]], *, prefix_tokens: int | None) -> Arrivals:
    """Read arrivals from the cells of a table.

    Args:
        rows: for each row its number, the text of ``t_s`` and that of ``input_tokens``; None where there is no cell.
        prefix_tokens: what a row without ``input_tokens`` has; None where every row must have its own.

    Raises:
        ArrivalsError: naming the row, the value and what is allowed.
    """
    times_us, tokens = array("q"), array("q")
    last_us = 0
    for row, time_text, tokens_text in rows:
        time_us = _time_us(row, time_text)
        if time_us < last_us:
            raise ArrivalsError(
                f"row {row}: t_s={shown(time_text)} is before the row above ({last_us / MICROSECONDS:g}); sort the rows"
            )
        last_us = time_us
        times_us.append(time_us)
        tokens.append(_tokens(row, tokens_text, prefix_tokens))
    return Arrivals(times_us, tokens)


def _time_us(row: int, text: str | None) -> int:
    if text is None or not text.strip():
        raise ArrivalsError(f"row {row}: t_s is empty; a number of seconds is needed")
    try:
        seconds = float(text)
    except ValueError:
        raise ArrivalsError(f"row {row}: t_s={shown(text)} is not a number of seconds") from None
    if not 0 <= seconds <= MAX_TIME_SECONDS:  # which no NaN is
        raise ArrivalsError(f"row {row}: t_s={shown(text)} is not allowed; allowed: 0 to {MAX_TIME_SECONDS:,} seconds")
    return round(seconds * MICROSECONDS)


def _tokens(row: int, text: str | None, prefix_tokens: int | None) -> int:
    if text is None or not text.strip():
        if prefix_tokens is None:
            raise ArrivalsError(f"row {row}: input_tokens is empty, and no prefix size was given")
        return prefix_tokens
    try:
        count = int(text)
    except ValueError:
        raise ArrivalsError(f"row {row}: input_tokens={shown(text)} is not a whole number") from None
    if not 1 <= count <= MAX_TOKENS:
        raise ArrivalsError(f"row {row}: input_tokens={shown(text)} is not allowed; allowed: 1 to {MAX_TOKENS:,}")
    return count
