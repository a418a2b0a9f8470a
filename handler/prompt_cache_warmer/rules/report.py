"""The run report: what a run found, decided, called and proved. The handler returns it as JSON.

A Lambda answer may have 6 MB, so at most 200 entries and 200 problems are listed, failures first;
what is left out is counted. Totals always cover everything.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.problems import Problem, Severity
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.values.targets import Entry

MAX_LISTED = 200


class Outcome(StrEnum):
    """What became of an entry in a run; listed in the order a report shows them."""

    FAILED = "failed"
    DEFERRED = "deferred"
    WARMED = "warmed"
    PLANNED = "planned"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of the call that was made for an entry.

    Attributes:
        form: how it was sent.
        form_reason: why in that form.
        attempts: how many requests were sent.
        latency_ms: from the start of the last request to its answer.
        message_id: the answer's id.
        request_id: the API's id of the request.
        workspace_id: the workspace the credential resolved to.
        http_status: the status of an error answer.
    """

    form: str
    form_reason: str
    attempts: int
    latency_ms: int
    message_id: str | None = None
    request_id: str | None = None
    workspace_id: str | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What became of one entry in one run.

    Attributes:
        entry: the entry.
        outcome: warmed, failed, deferred, planned or skipped.
        reason: why, in words.
        verdict: what the call proved; None where none was made.
        code: the stable word for a failure or a deferral, None where there was none.
        advice: what the operator should do, None where nothing is to be done.
        usage: the call's tokens, None where no call was billed to this entry.
        cost_usd: what the call cost; None where it is unknown or nothing was called.
        estimated_savings_usd: what the warm entry saves over the target's expected requests, less the cost.
        granted_ttls: the times to live that were really granted to what was written.
        notices: what is worth knowing about this call, in words.
        call: the call's facts, None where none was made.
        shared_with: the target whose call also warmed this entry, None where it had its own.
    """

    entry: Entry
    outcome: Outcome
    reason: str
    verdict: Verdict | None = None
    code: str | None = None
    advice: str | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    estimated_savings_usd: Decimal | None = None
    granted_ttls: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    call: CallFacts | None = None
    shared_with: str | None = None

    @property
    def is_unpriced(self) -> bool:
        """Whether a call was billed whose price is not known."""
        return self.usage is not None and self.cost_usd is None

    def as_json(self) -> dict[str, Any]:
        """Return the entry's line of the report; absent facts are left out."""
        line: dict[str, Any] = {
            "target": self.entry.target.name,
            "model": self.entry.model,
            "credential": self.entry.credential,
            "outcome": self.outcome.value,
            "verdict": self.verdict and self.verdict.value,
            "reason": self.reason,
            "code": self.code,
            "advice": self.advice,
            "shared_with": self.shared_with,
        }
        if self.usage is not None:
            line |= _usage_json(self.usage)
        line |= {
            "cost_usd": _money(self.cost_usd),
            "estimated_savings_usd": _money(self.estimated_savings_usd),
            "granted_ttls": list(self.granted_ttls) or None,
            "notices": list(self.notices) or None,
        }
        if self.call is not None:
            line |= {name: getattr(self.call, name) for name in CallFacts.__slots__}
        return {name: value for name, value in line.items() if value is not None}


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run found, decided, called and proved.

    Attributes:
        order: what the run was asked to do.
        started_at: when it started.
        duration_ms: how long it took.
        targets_loaded: valid targets there are, asked for or not.
        targets_invalid: documents that are not a valid target.
        results: what became of every entry.
        problems: errors and warnings of documents.
    """

    order: Order
    started_at: datetime
    duration_ms: int
    targets_loaded: int
    targets_invalid: int
    results: tuple[EntryResult, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def usage(self) -> Usage:
        """The tokens of all calls together."""
        billed = [result.usage for result in self.results if result.usage is not None]
        return Usage(
            uncached_tokens=sum(usage.uncached_tokens for usage in billed),
            read_tokens=sum(usage.read_tokens for usage in billed),
            write_5m_tokens=sum(usage.write_5m_tokens for usage in billed),
            write_1h_tokens=sum(usage.write_1h_tokens for usage in billed),
            output_tokens=sum(usage.output_tokens for usage in billed),
        )

    @property
    def cost_usd(self) -> Decimal:
        """What all calls with a known price cost together."""
        return sum((result.cost_usd for result in self.results if result.cost_usd is not None), Decimal(0))

    @property
    def entries_due(self) -> int:
        """How many entries the run decided to warm."""
        return len(self.results) - self.count(Outcome.SKIPPED)

    @property
    def entries_unpriced(self) -> int:
        """How many entries' calls were billed at an unknown price."""
        return sum(result.is_unpriced for result in self.results)

    def count(self, outcome: Outcome) -> int:
        """Count the entries with an outcome."""
        return sum(result.outcome is outcome for result in self.results)

    def totals(self) -> dict[str, Any]:
        """Return the totals over everything, listed or not."""
        verdicts = Counter(result.verdict for result in self.results if result.verdict is not None)
        return {
            "targets_loaded": self.targets_loaded,
            "targets_invalid": self.targets_invalid,
            "entries": len(self.results),
            "entries_due": self.entries_due,
            **{f"entries_{outcome.value}": self.count(outcome) for outcome in Outcome},
            **{verdict.value: verdicts[verdict] for verdict in Verdict},
            **_usage_json(self.usage),
            "cost_usd": _money(self.cost_usd),
            "entries_unpriced": self.entries_unpriced,
        }

    def as_json(self) -> dict[str, Any]:
        """Return the report as the handler answers it."""
        ranks = {outcome: rank for rank, outcome in enumerate(Outcome)}
        ordered = sorted(self.results, key=lambda result: (ranks[result.outcome], result.entry.target.name))
        problems = sorted(self.problems, key=lambda problem: problem.severity is not Severity.ERROR)
        return {
            "execution_id": self.order.execution_id,
            "scheduled_time": self.order.scheduled_time,
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "duration_ms": self.duration_ms,
            "dry_run": self.order.dry_run,
            "totals": self.totals(),
            "problems": [problem.as_json() for problem in problems[:MAX_LISTED]],
            "problems_truncated": max(0, len(problems) - MAX_LISTED),
            "entries": [result.as_json() for result in ordered[:MAX_LISTED]],
            "truncated": max(0, len(ordered) - MAX_LISTED),
        }


def _usage_json(usage: Usage) -> dict[str, int]:
    return {
        "read_tokens": usage.read_tokens,
        "write_5m_tokens": usage.write_5m_tokens,
        "write_1h_tokens": usage.write_1h_tokens,
        "uncached_tokens": usage.uncached_tokens,
        "output_tokens": usage.output_tokens,
    }


def _money(amount: Decimal | None) -> str | None:
    """Write an amount without an exponent, so that it reads as money everywhere."""
    return None if amount is None else f"{amount:f}"
