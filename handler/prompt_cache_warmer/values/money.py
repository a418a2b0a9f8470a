"""Amounts of money and tokens, for reservations, caps and spending. Money is ``Decimal`` USD.

Stores that add concurrently count whole pico-USD (a millionth of a millionth of a dollar): the
cheapest token there is costs thousands of them, sums of whole numbers are exact everywhere, and a
reservation is rounded up so that a cap is never passed by a rounding.

Money is computed in the context ``MONEY``, whatever precision and traps a caller's thread has set for
numbers of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

# Python's own default, spelled out because a program can change that too; whole pico-USD of any bill fit in.
MONEY = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

_PICO = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Amount:
    """What a call may cost, or did cost.

    Attributes:
        usd: the money; None where the price is not known, which is never the same as 0.
        tokens: all tokens, input and output.
    """

    usd: Decimal | None = Decimal(0)
    tokens: int = 0

    @property
    def known_usd(self) -> Decimal:
        """The money that is known of."""
        return Decimal(0) if self.usd is None else self.usd

    def __add__(self, other: Amount) -> Amount:
        """Add the known money and the tokens."""
        return Amount(MONEY.add(self.known_usd, other.known_usd), self.tokens + other.tokens)

    def __sub__(self, other: Amount) -> Amount:
        """Subtract the known money and the tokens; may be negative."""
        return Amount(MONEY.subtract(self.known_usd, other.known_usd), self.tokens - other.tokens)


NOTHING = Amount()


def pico_usd(usd: Decimal) -> int:
    """Count whole pico-USD, rounded up."""
    return int(MONEY.divide(usd, _PICO).to_integral_value(rounding=ROUND_CEILING))


def usd_of(pico: int) -> Decimal:
    """Return the USD of whole pico-USD."""
    return MONEY.multiply(pico, _PICO)
