"""The amounts that callers hand to the budgets, read strictly: money is a ``Decimal``, tokens are whole."""

from __future__ import annotations

from decimal import Decimal

from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.values.problems import shown

# Far above any bill, and low enough that whole pico-USD stay exact: 24 digits of the 28 a Decimal
# keeps, and any sum of them within the 38 of a number in DynamoDB.
MOST_USD = Decimal(10**12)
MOST_TOKENS = 10**15  # a thousand times what the largest bill could buy; sums stay far within the same 38 digits


def token_count(argument: str, value: object) -> int:
    """Read a number of tokens.

    Raises:
        ArgumentTypeError: when it is not a whole number.
        ArgumentValueError: when it is negative, or above ``MOST_TOKENS``.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentTypeError(argument, f"{_named(value)} is not a whole number of tokens")
    if not 0 <= value <= MOST_TOKENS:
        raise ArgumentValueError(argument, f"{value} is not allowed; allowed: 0 to {MOST_TOKENS:,} tokens")
    return value


def usd(argument: str, value: object) -> Decimal:
    """Read an amount of money; a float is refused because it is not the amount that was written.

    Raises:
        ArgumentTypeError: when it is not a ``Decimal``, a whole number or a number as text.
        ArgumentValueError: when it is negative, above ``MOST_USD``, or text that is no number.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        advice = f'; write Decimal("{value}") or "{value}"' if isinstance(value, float) else ""
        raise ArgumentTypeError(
            argument, f"{_named(value)} is not a Decimal, a whole number or a number as text{advice}"
        )
    try:
        amount = Decimal(value)
    except ArithmeticError:
        raise ArgumentValueError(argument, f"{shown(value)} is not a number") from None
    if not amount.is_finite() or not 0 <= amount <= MOST_USD:
        raise ArgumentValueError(argument, f"{amount} is not allowed; allowed: 0 to {MOST_USD:,} USD")
    return amount


def _named(value: object) -> str:
    return str(value) if isinstance(value, bool | int | float | Decimal) else f"a value of type {type(value).__name__}"
