"""Caps: the most that may be spent, of one target or of the whole stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that may be spent; None is no cap, 0 is nothing at all.

    A target has no caps of the month; days and months are UTC's.

    Attributes:
        usd_per_day: money in a day.
        usd_per_month: money in a calendar month.
        usd_per_call: money for one warm call, by its worst case.
        tokens_per_day: tokens in a day, input and output; they hold where a price is not known.
        tokens_per_month: tokens in a calendar month.
        tokens_per_call: tokens of one warm call, by its worst case.
    """

    usd_per_day: Decimal | None = None
    usd_per_month: Decimal | None = None
    usd_per_call: Decimal | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    tokens_per_call: int | None = None


NO_CAPS = Caps()
