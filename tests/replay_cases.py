"""Arrivals and prices for the tests of the replay, in figures one can add up by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS, Arrivals
from prompt_cache_warmer.rules.replay.priced import PricedArrivals, Tariff, priced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.values.body import Ttl

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# Sonnet 4.6: plain input 3, 5-minute writes 3.75, 1-hour writes 6, reads 0.30 USD a million tokens.
SONNET = Tariff("claude-sonnet-4-6", AT)
# One model for each multiple that reads have of plain input: a tenth, a twentieth, a fortieth; and one with tiers.
MODELS = ("claude-sonnet-4-6", "claude-opus-5-5", "claude-fable-5-1", "claude-haiku-5-5")
# 100,000 tokens of Sonnet 4.6: plain 0.30, written 0.375 or 0.60, read 0.03 USD.
TOKENS = 100_000


def arrivals(*seconds: float, tokens: Sequence[int] | None = None) -> Arrivals:
    """Return requests at some seconds, each with a prefix of 100,000 tokens unless said otherwise."""
    return Arrivals([round(second * MICROSECONDS) for second in seconds], tokens or [TOKENS] * len(seconds))


def after_gaps(*seconds: float) -> Arrivals:
    """Return requests with some seconds between them; one more than there are gaps."""
    times = [0.0]
    for gap in seconds:
        times.append(times[-1] + gap)
    return arrivals(*times)


def priced_at(model: str, requests: Arrivals, ttl: Ttl, *, cold_start_value_usd: str = "0") -> PricedArrivals:
    """Price requests on a model."""
    return priced(requests, Tariff(model, AT, Decimal(cold_start_value_usd)), ttl)
