"""The dry run: what a warm call would cost, from the estimated size of the prefix. Nothing is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.report import EntryResult, Outcome
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.values.targets import Entry


def planned(entry: Entry, *, at: datetime) -> EntryResult:
    """Say what warming an entry would cost: a refresh when it is alive, a write when it is cold."""
    tokens = entry.target.prefix_tokens
    is_1h = bool(entry.target.ttls) and entry.target.ttls[-1] == "1h"
    refresh = cost_usd(entry.model, Usage(read_tokens=tokens), at=at)
    write = cost_usd(entry.model, Usage(write_1h_tokens=tokens) if is_1h else Usage(write_5m_tokens=tokens), at=at)
    prices = f"{_usd(refresh)} if it is alive, {_usd(write)} if it is cold"
    reason = f"would be warmed: about {tokens:,} tokens (estimate); {prices}"
    return EntryResult(entry, Outcome.PLANNED, reason)


def _usd(amount: Decimal | None) -> str:
    return "price unknown" if amount is None else f"{amount:.6f} USD"
