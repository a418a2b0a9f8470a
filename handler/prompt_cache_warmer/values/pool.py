"""What a budget pool counts: amounts, the caps over them, and what is held for calls that are not over.

Everything is a whole number, money in pico-USD, so that sums are exact in every store. A cap refuses
only what adds to what it caps, and a cap of 0 allows nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from prompt_cache_warmer.errors import PoolExhaustedError
from prompt_cache_warmer.values.money import MONEY, usd_of

if TYPE_CHECKING:
    from datetime import datetime

CapName = Literal["max_input_tokens", "max_output_tokens", "max_total_tokens", "max_usd"]


@dataclass(frozen=True, slots=True)
class PoolAmount:
    """Tokens and money, exact.

    Attributes:
        input_tokens: all input, cached or not.
        output_tokens: output.
        pico_usd: money in whole pico-USD, a millionth of a millionth of a dollar.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    pico_usd: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    @property
    def usd(self) -> Decimal:
        """The money in USD."""
        return plain_usd(self.pico_usd)

    def __add__(self, other: PoolAmount) -> PoolAmount:
        """Add each part."""
        return PoolAmount(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.pico_usd + other.pico_usd,
        )

    def __sub__(self, other: PoolAmount) -> PoolAmount:
        """Subtract each part; may be negative."""
        return PoolAmount(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.pico_usd - other.pico_usd,
        )

    def under(self, cap: CapName) -> int:
        """Return the part that a cap is about, money in pico-USD."""
        return {
            "max_input_tokens": self.input_tokens,
            "max_output_tokens": self.output_tokens,
            "max_total_tokens": self.total_tokens,
            "max_usd": self.pico_usd,
        }[cap]


# How long a commit may be tried again, because a store remembers for as long what it has counted: as long as a
# usual reservation lasts. Longer would fill a store with what processes leave that are started all the time.
RETRY = timedelta(minutes=15)

NOTHING = PoolAmount()
PoolCaps = dict[CapName, int]
"""The caps there are, money in pico-USD; one that is missing is no cap."""


@dataclass(frozen=True, slots=True)
class PoolHold:
    """An amount that is held for a call.

    Attributes:
        id: names it; no two have the same.
        generation: the pool's, when it was made.
        amount: what is held.
        until: when it ends by itself.
    """

    id: str
    generation: int
    amount: PoolAmount
    until: datetime


@dataclass(frozen=True, slots=True)
class PoolState:
    """What a store knows of a pool.

    Attributes:
        generation: how often it was reset.
        taken: what is used and held.
        held: what is held for calls that are not over.
    """

    generation: int = 0
    taken: PoolAmount = NOTHING
    held: PoolAmount = NOTHING


def exhausted(caps: PoolCaps, *, taken: PoolAmount, wanted: PoolAmount) -> PoolExhaustedError | None:
    """Name the first cap that has no room for what is wanted on top of what is taken, or None when all have."""
    for cap, limit in caps.items():
        added, before = wanted.under(cap), taken.under(cap)
        if added and before + added > limit:
            return PoolExhaustedError(
                cap=cap, limit=in_unit(cap, limit), taken=in_unit(cap, before), wanted=in_unit(cap, added)
            )
    return None


def in_unit(cap: CapName, count: int) -> Decimal | int:
    """Return a count in the unit of its cap: USD or tokens."""
    return plain_usd(count) if cap == "max_usd" else count


def plain_usd(pico: int) -> Decimal:
    """Return the USD of whole pico-USD without zeros at the end, so that 10 is written 10 and not 1E+1."""
    usd = usd_of(pico)
    whole = usd.to_integral_value()
    return Decimal(int(whole)) if usd == whole else usd.normalize(MONEY)
