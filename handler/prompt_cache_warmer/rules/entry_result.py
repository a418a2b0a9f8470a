"""What became of one entry in one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.errors import WarmCallError
    from prompt_cache_warmer.rules.decision import Decision
    from prompt_cache_warmer.rules.diagnosis import Diagnosis
    from prompt_cache_warmer.rules.verdict import Verdict
    from prompt_cache_warmer.values.divergence import Divergence
    from prompt_cache_warmer.values.observation import Sightings
    from prompt_cache_warmer.values.targets import Entry
    from prompt_cache_warmer.values.usage import Usage


class Outcome(StrEnum):
    """What became of an entry in a run; listed in the order a report shows them."""

    FAILED = "failed"
    DEFERRED = "deferred"
    WARMED = "warmed"
    SENT = "sent"
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
        region: the AWS region that answered, None where it did not go to Bedrock.
        http_status: the status of an error answer.
        divergence: where the request differs from the one it named, if it named one.
        missed_tokens: the API's estimate of what was missed for it.
    """

    form: str
    form_reason: str
    attempts: int
    latency_ms: int
    message_id: str | None = None
    request_id: str | None = None
    workspace_id: str | None = None
    region: str | None = None
    http_status: int | None = None
    divergence: Divergence | None = None
    missed_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class EntryResult:
    """What became of one entry in one run.

    Attributes:
        entry: the entry.
        outcome: failed, deferred, warmed, sent to the workers, planned or skipped.
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
        decision: what was decided of it, and by what.
        warm_until: until when it is warm if nothing touches it, by what its call proved.
        traffic: what was seen of its traffic before this run, None where nothing was since its last warm call.
        diagnosis: why that traffic missed, None where it did not or where it was a lapse.
        raw: what the client itself returned; only the library's callers see it.
        error: why the call failed, for the library's callers.
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
    decision: Decision | None = None
    warm_until: datetime | None = None
    traffic: Sightings | None = None
    diagnosis: Diagnosis | None = None
    raw: object = field(default=None, repr=False, compare=False)
    error: WarmCallError | None = field(default=None, repr=False, compare=False)

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
            line |= usage_json(self.usage)
        line |= {
            "cost_usd": money_json(self.cost_usd),
            "estimated_savings_usd": money_json(self.estimated_savings_usd),
            "granted_ttls": list(self.granted_ttls) or None,
            "notices": list(self.notices) or None,
        }
        if self.decision is not None:
            line |= _decision_json(self.decision)
        line["warm_until"] = time_json(self.warm_until)
        if self.call is not None:
            line |= {name: getattr(self.call, name) for name in CallFacts.__slots__}
        line |= {
            "traffic": self.traffic and _traffic_json(self.traffic),
            "diagnosis": self.diagnosis and self.diagnosis.as_json(),
        }
        return {name: value for name, value in line.items() if value is not None}


def _decision_json(decision: Decision) -> dict[str, Any]:
    return {
        "decision": decision.reason.value,
        "touched_by": decision.touched_by and decision.touched_by.value,
        "lapses_at": time_json(decision.lapses_at),
        "due_at": time_json(decision.due_at) if not decision.is_due else None,
        "idle_refreshes": decision.idle_refreshes or None,
        "idle_refreshes_allowed": decision.bound,
        "is_lapse": decision.is_lapse or None,
        "is_trial": decision.is_trial or None,
    }


def _traffic_json(traffic: Sightings) -> dict[str, int]:
    return {
        "requests": traffic.requests,
        "hits": traffic.hits,
        "cold_starts": traffic.cold_starts,
        "drifts": traffic.drifts,
    }


def usage_json(usage: Usage) -> dict[str, int]:
    """Return token counts as a report writes them."""
    return {
        "read_tokens": usage.read_tokens,
        "write_5m_tokens": usage.write_5m_tokens,
        "write_1h_tokens": usage.write_1h_tokens,
        "uncached_tokens": usage.uncached_tokens,
        "output_tokens": usage.output_tokens,
    }


def time_json(at: datetime | None) -> str | None:
    """Write a time to the second, as ISO 8601."""
    return None if at is None else at.isoformat(timespec="seconds")


def money_json(amount: Decimal | None) -> str | None:
    """Write an amount without an exponent, so that it reads as money everywhere."""
    return None if amount is None else f"{amount:f}"
