"""What is reported of entries that were not called, failed, or were warmed by another entry's call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome
from prompt_cache_warmer.rules.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.rules.reasons import Reason
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.warm.docket import Case


def skipped(case: Case, reason: Reason, *, worst: Amount | None = None) -> EntryResult:
    """Report an entry that is not called."""
    words = reason.sentence
    if case.decision.detail:
        words += f": {case.decision.detail}"
    if reason.is_capped and worst is not None:
        words += f": up to {amount_in_words(worst)}"
    return EntryResult(case.entry, Outcome.SKIPPED, words, code=reason.value, decision=case.decision)


def sent(case: Case) -> EntryResult:
    """Report an entry that a worker is to call."""
    reason = case.decision.reason
    words = f"sent to the workers: {reason.sentence}"
    return EntryResult(case.entry, Outcome.SENT, words, code=reason.value, decision=case.decision)


def shared(case: Case, result: EntryResult) -> EntryResult:
    """Give a twin the leader's verdict; the call and its cost stay the leader's."""
    return EntryResult(
        case.entry,
        result.outcome,
        result.reason,
        verdict=result.verdict,
        code=result.code,
        advice=result.advice,
        shared_with=result.entry.target.name,
        decision=case.decision,
    )


def failed(cases: Sequence[Case], code: str, reason: str, advice: str) -> list[EntryResult]:
    """Report entries that could not be warmed."""
    return [
        EntryResult(
            case.entry,
            Outcome.FAILED,
            reason,
            verdict=Verdict.FAILED,
            code=code,
            advice=advice,
            decision=case.decision,
        )
        for case in cases
    ]


def amount_in_words(amount: Amount) -> str:
    """Write what a call costs or may cost."""
    price = "an unknown price" if amount.usd is None else f"{amount.usd:.6f} USD"
    return f"{price} for {amount.tokens:,} tokens"
