"""What stores count: whole pico-USD and tokens, what caps leave of them, and how much of that is granted.

Both stores decide by these, so that a cap means the same in memory and in the table. Money and tokens
are counted apart: one's cap never stands in for the other's. Of what is 0 or unknown nothing is
reserved, so no cap refuses it, not even one that is overspent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.money import Amount, pico_usd, usd_of

if TYPE_CHECKING:
    from prompt_cache_warmer.values.caps import Caps


@dataclass(frozen=True, slots=True)
class Count:
    """An amount in whole numbers, whose sums are exact everywhere.

    Attributes:
        pico: whole pico-USD; an unknown price counts none.
        tokens: all tokens.
    """

    pico: int = 0
    tokens: int = 0

    @staticmethod
    def of(amount: Amount) -> Count:
        """Count an amount; its money is rounded up."""
        return Count(pico_usd(amount.known_usd), amount.tokens)

    @property
    def amount(self) -> Amount:
        """The amount it stands for."""
        return Amount(usd_of(self.pico), self.tokens)

    def __add__(self, other: Count) -> Count:
        """Add both parts."""
        return Count(self.pico + other.pico, self.tokens + other.tokens)

    def __sub__(self, other: Count) -> Count:
        """Subtract both parts; may be negative."""
        return Count(self.pico - other.pico, self.tokens - other.tokens)


NOTHING = Count()


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that may be counted in one period; None is no cap.

    Attributes:
        pico: whole pico-USD, rounded down.
        tokens: all tokens.
    """

    pico: int | None
    tokens: int | None

    @staticmethod
    def of_day(caps: Caps) -> Ceiling:
        """Return the caps of the day."""
        return Ceiling(None if caps.usd_per_day is None else -pico_usd(-caps.usd_per_day), caps.tokens_per_day)

    @staticmethod
    def of_month(caps: Caps) -> Ceiling:
        """Return the caps of the month."""
        return Ceiling(None if caps.usd_per_month is None else -pico_usd(-caps.usd_per_month), caps.tokens_per_month)

    def has_room(self, wanted: Count, *, spent: Count) -> bool:
        """Whether something fits on top of what is spent."""
        return self.grant(wanted, spent=spent) == wanted

    def grant(self, wanted: Count, *, spent: Count) -> Count:
        """Return as much of what is wanted as fits on top of what is spent."""
        return Count(
            _within(wanted.pico, self.pico, spent.pico),
            _within(wanted.tokens, self.tokens, spent.tokens),
        )


NO_CEILING = Ceiling(None, None)


def _within(wanted: int, cap: int | None, spent: int) -> int:
    return wanted if cap is None else max(0, min(wanted, cap - spent))
