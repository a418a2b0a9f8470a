"""The dry run: what a warm call would cost, from the estimated size of the prefix. Nothing is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome

if TYPE_CHECKING:
    from decimal import Decimal

    from prompt_cache_warmer.rules.decision import Decision
    from prompt_cache_warmer.values.targets import Entry


def planned(entry: Entry, decision: Decision) -> EntryResult:
    """Say what warming an entry would cost: a refresh when it is alive, a write when it is cold."""
    costs = decision.costs
    refresh, write = (None, None) if costs is None else (costs.read_usd, costs.write_usd)
    prices = f"{_usd(refresh)} if it is alive, {_usd(write)} if it is cold"
    tokens = f"about {entry.target.prefix_tokens:,} tokens (estimate)"
    reason = f"would be warmed: {decision.reason.sentence}; {tokens}; {prices}"
    return EntryResult(entry, Outcome.PLANNED, reason, code=decision.reason.value, decision=decision)


def _usd(amount: Decimal | None) -> str:
    return "price unknown" if amount is None else f"{amount:.6f} USD"
