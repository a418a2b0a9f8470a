"""What became of a warm call, and what it was billed or may have been."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.money import NOTHING, Amount

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.errors import WarmCallError
    from prompt_cache_warmer.rules.entry_result import EntryResult


@dataclass(frozen=True, slots=True)
class Called:
    """What became of a call.

    Attributes:
        result: for the report.
        started_at: when the last request started.
        latency_seconds: from its start to its answer.
        billed: what the answer's usage is billed at; of a stream that was closed early, with all the output it
            might have generated.
        unanswered: how many requests got no answer and may be billed at the worst case each.
        failure: why it failed, None where it was answered.
    """

    result: EntryResult
    started_at: datetime
    latency_seconds: float
    billed: Amount = NOTHING
    unanswered: int = 0
    failure: WarmCallError | None = None

    def spent(self, worst: Amount) -> Amount:
        """Say what it cost, or may have cost: the worst case for every request without an answer."""
        lost = Amount(worst.known_usd * self.unanswered, worst.tokens * self.unanswered)
        return self.billed + lost
