"""Arguments of the library's callers, read strictly: money is a ``Decimal``, tokens and counts are whole."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite

from prompt_cache_warmer.adapters.callables import is_async_callable
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.values.problems import shown

# Far above any bill, and low enough that whole pico-USD stay exact: 24 digits of the 28 a Decimal
# keeps, and any sum of them within the 38 of a number in DynamoDB.
MOST_USD = Decimal(10**12)
MOST_TOKENS = 10**15  # a thousand times what the largest bill could buy; sums stay far within the same 38 digits


def checked_moment(argument: str, value: object, *, latest: datetime) -> datetime:
    """Return a moment in UTC, up to the latest that is allowed.

    Raises:
        ArgumentTypeError: for anything but a ``datetime``.
        ArgumentValueError: for one without a time zone, or in the future.
    """
    if not isinstance(value, datetime):
        raise ArgumentTypeError(argument, f"{_shown(value)} is not a datetime")
    if value.tzinfo is None:
        raise ArgumentValueError(argument, f"{value} has no time zone")
    if value > latest:
        raise ArgumentValueError(argument, f"{value} is in the future; allowed: up to now")
    return value.astimezone(UTC)


def checked_callback(argument: str, value: object) -> None:
    """Check a callback, which is called and not awaited; None is allowed.

    Raises:
        ArgumentTypeError: for what cannot be called, and for a coroutine function.
    """
    if value is None:
        return
    if not callable(value):
        raise ArgumentTypeError(argument, f"{_shown(value)} cannot be called")
    if is_async_callable(value):
        raise ArgumentTypeError(argument, "is a coroutine function, which nobody would await; pass a plain function")


def checked_seconds(argument: str, value: object, *, at_least: float = 0.0, at_most: float) -> float:
    """Return a duration in seconds, above ``at_least`` and up to ``at_most``.

    Raises:
        ArgumentTypeError: for anything but a number.
        ArgumentValueError: for one that is not allowed.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentTypeError(argument, f"{_shown(value)} is not a number of seconds")
    if not isfinite(value) or not at_least < value <= at_most:
        raise ArgumentValueError(
            argument, f"{value} is not allowed; allowed: more than {at_least:g} and at most {at_most:g} seconds"
        )
    return float(value)


def checked_count(argument: str, value: object, *, at_least: int, at_most: int) -> int:
    """Return a whole number in a range.

    Raises:
        ArgumentTypeError: for anything but a whole number.
        ArgumentValueError: for one that is not allowed.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentTypeError(argument, f"{_shown(value)} is not a whole number")
    if not at_least <= value <= at_most:
        raise ArgumentValueError(argument, f"{value} is not allowed; allowed: {at_least:,} to {at_most:,}")
    return value


def _shown(value: object) -> str:
    return f"a value of type {type(value).__name__}"


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
