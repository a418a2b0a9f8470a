"""The verification: whether a real request read what a warm call left in the cache, and if not, why.

Proof is a real request's ``usage`` that reads at least the tokens the warm call read or wrote, in the
same workspace. What the API's diagnostics say compares two requests and proves nothing: it only names the reason where
the usage falls short. ``messages_changed`` is what it says when all is well, because the message differs.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.entry_result import money_json
from prompt_cache_warmer.values.divergence import Divergence
from prompt_cache_warmer.values.money import MONEY
from prompt_cache_warmer.values.problems import ProblemCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.values.state import EntryKey
    from prompt_cache_warmer.values.targets import Entry, TargetSummary
    from prompt_cache_warmer.values.usage import Usage


MAX_VERIFIED = 200  # as many as a report lists of entries


class Finding(StrEnum):
    """What a verification found; the first is the proof, all others say why there is none."""

    READ = "read"
    WARM_CALL_FAILED = "warm-call-failed"
    WARM_CALL_NOT_MADE = "warm-call-not-made"
    REQUEST_FAILED = "request-failed"
    REQUEST_NOT_MADE = "request-not-made"
    NO_USAGE = "no-usage"
    BELOW_MINIMUM = "below-minimum"
    OTHER_WORKSPACE = "other-workspace"
    MODEL_CHANGED = "model-changed"
    TOOLS_CHANGED = "tools-changed"
    SYSTEM_CHANGED = "system-changed"
    NO_MARKER = "no-marker"
    READ_NOTHING = "read-nothing"
    READ_PART = "read-part"

    @property
    def sentence(self) -> str:
        """The finding in words."""
        return _SENTENCES[self]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found of one entry.

    Attributes:
        entry: the entry.
        finding: whether it is proven, or why not.
        warmed: what became of the warm call.
        asked: what became of the real request; None where none was called for.
        shared_with: the target whose calls speak for this entry too, None where it had its own.
    """

    entry: Entry
    finding: Finding
    warmed: EntryResult
    asked: EntryResult | None = None
    shared_with: str | None = None

    @property
    def is_proven(self) -> bool:
        """Whether a real request read all that was warmed."""
        return self.finding is Finding.READ

    @property
    def sentence(self) -> str:
        """The finding in words, with where a marker is missing, or why a call failed or was not made."""
        cause = self._cause
        if self.finding is Finding.NO_MARKER:
            return ": ".join((self.finding.sentence, *_unmarked_places(self.entry.target)))
        return self.finding.sentence if cause is None else f"{self.finding.sentence}: {cause.reason}"

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth knowing beside the finding, in words."""
        own = self.asked.notices if self.asked is not None else ()
        return tuple(dict.fromkeys((*self.warmed.notices, *own, *self._own_notices())))

    def _own_notices(self) -> Iterator[str]:
        for warning in self.entry.target.warnings:
            is_said = self.finding is Finding.NO_MARKER and warning.code is ProblemCode.MARKER_ADDED
            if warning.code in _MARKER_CODES and not is_said:
                yield f"{warning.code.value}: {warning.message}"
        if Divergence.REFUSED in _divergences(self.warmed, self.asked):
            yield "the API takes no diagnostics here, so its usage alone decided"

    @property
    def _cause(self) -> EntryResult | None:
        """The call that failed or was not made, None where both were answered or none was called for."""
        if self.finding in (Finding.WARM_CALL_FAILED, Finding.WARM_CALL_NOT_MADE):
            return self.warmed
        return self.asked if self.finding in (Finding.REQUEST_FAILED, Finding.REQUEST_NOT_MADE) else None

    def as_json(self) -> dict[str, Any]:
        """Return it as the report lists it; absent facts are left out."""
        cause = self._cause
        line = {
            "target": self.entry.target.name,
            "model": self.entry.model,
            "credential": self.entry.credential,
            "is_proven": self.is_proven,
            "reason": self.finding.value,
            "sentence": self.sentence,
            "code": cause and cause.code,
            "advice": cause and cause.advice,
            "shared_with": self.shared_with,
            "evidence": self._evidence(),
            "notices": list(self.notices) or None,
        }
        if self.shared_with is None:
            line |= {
                "warm_cost_usd": money_json(self.warmed.cost_usd),
                "request_cost_usd": money_json(_cost_usd(self.asked)),
                "cost_usd": money_json(self.cost_usd),
            }
        return {name: value for name, value in line.items() if value is not None}

    @property
    def cost_usd(self) -> Decimal | None:
        """What both calls cost; None where one was billed at an unknown price, or none was made."""
        billed = [call for call in (self.warmed, self.asked) if call is not None and call.usage is not None]
        costs = [call.cost_usd for call in billed if call.cost_usd is not None]
        return MONEY.add(costs[0], sum(costs[1:])) if costs and len(costs) == len(billed) else None

    def _evidence(self) -> dict[str, Any]:
        """Return the figures, and the ids by which the API's own support finds the calls."""
        warm, ask = self.warmed.call, self.asked.call if self.asked is not None else None
        was, read = self.warmed.usage, self.asked.usage if self.asked is not None else None
        found = {
            "expected_tokens": was and was.cached_tokens,
            "read_tokens": read and read.read_tokens,
            "written_tokens": read and read.written_tokens,
            "uncached_tokens": read and read.uncached_tokens,
            "verdict": self.warmed.verdict and self.warmed.verdict.value,
            "divergence": ask and ask.divergence and ask.divergence.value,
            "missed_tokens": ask and ask.missed_tokens,
            "asked_ttls": list(dict.fromkeys(self.entry.target.ttls)),
            "granted_ttls": list(self.warmed.granted_ttls) or None,
            "warm_workspace_id": warm and warm.workspace_id,
            "request_workspace_id": ask and ask.workspace_id,
            "warm_message_id": warm and warm.message_id,
            "request_message_id": ask and ask.message_id,
            "warm_request_id": warm and warm.request_id,
            "request_request_id": ask and ask.request_id,
        }
        return {name: value for name, value in found.items() if value is not None}


def calls_for_request(warmed: EntryResult) -> bool:
    """Whether a warm call left something in the cache that a real request could read."""
    return warmed.usage is not None and warmed.usage.is_reported and warmed.usage.cached_tokens > 0


def foreign_markers(target: TargetSummary) -> frozenset[ProblemCode]:
    """Return which of a target's markers are not its author's, so that a real request differs from its warm call."""
    return frozenset(warning.code for warning in target.warnings) & _MARKER_CODES


def judge(warmed: EntryResult, asked: EntryResult | None) -> Verification:
    """Judge one entry.

    Args:
        warmed: what became of its own warm call.
        asked: what became of the real request behind it; None where the warm call does not call for one.
    """
    return Verification(warmed.entry, _finding(warmed, asked), warmed, asked)


def verifications_json(verifications: Sequence[Verification], *, asked: Sequence[str]) -> dict[str, Any]:
    """Return what a report says of its verifications: those not proven first, as many as it lists.

    Args:
        verifications: what was found of every entry.
        asked: the names that were asked for; one of which there is no entry is not proven.
    """
    ordered = sorted(verifications, key=lambda one: (one.is_proven, one.entry.key))
    known = {one.entry.target.name for one in verifications}
    return {
        "is_proven": known >= set(asked) and all(one.is_proven for one in verifications),
        "entries_verified": len(verifications),
        "entries_proven": sum(one.is_proven for one in verifications),
        "verification_cost_usd": money_json(_known_usd(verifications)),
        "verified": [one.as_json() for one in ordered[:MAX_VERIFIED]],
        "verified_truncated": max(0, len(ordered) - MAX_VERIFIED),
    }


def requests_usd(verifications: Iterable[Verification]) -> dict[EntryKey, Decimal]:
    """Say what the real request behind each entry's warm call cost, where it was made for it and has a known price."""
    return {
        one.entry.key: one.asked.cost_usd
        for one in verifications
        if one.shared_with is None and one.asked is not None and one.asked.cost_usd is not None
    }


def _known_usd(verifications: Sequence[Verification]) -> Decimal:
    """Add up what the calls cost whose price is known; those of a shared one are another's."""
    own = [one.cost_usd for one in verifications if one.shared_with is None and one.cost_usd is not None]
    return sum(own, Decimal(0))


def _finding(warmed: EntryResult, asked: EntryResult | None) -> Finding:
    if warmed.usage is None:
        return Finding.WARM_CALL_FAILED if _was_sent(warmed) else Finding.WARM_CALL_NOT_MADE
    if not warmed.usage.is_reported:
        return Finding.NO_USAGE
    if not calls_for_request(warmed):
        return Finding.BELOW_MINIMUM
    if asked is None or asked.usage is None:
        is_failure = asked is not None and _was_sent(asked)
        return Finding.REQUEST_FAILED if is_failure else Finding.REQUEST_NOT_MADE
    if _are_apart(warmed, asked):  # whatever it read there, no call of ours had warmed it
        return Finding.OTHER_WORKSPACE
    divergence = None if asked.call is None else asked.call.divergence
    found = _compared(warmed.usage, asked.usage, divergence)
    is_unread = found not in _ANSWERS and not asked.usage.read_tokens
    return Finding.NO_MARKER if is_unread and _unmarked_places(warmed.entry.target) else found


def _unmarked_places(target: TargetSummary) -> list[str]:
    """Return where a target lacks a marker of its own."""
    return [warning.path for warning in target.warnings if warning.code is ProblemCode.MARKER_ADDED]


def _compared(was: Usage, read: Usage, divergence: Divergence | None) -> Finding:
    """Compare what was left in the cache with what was read from it."""
    if not read.is_reported:
        return Finding.NO_USAGE
    if read.read_tokens >= was.cached_tokens:
        return Finding.READ
    short = Finding.READ_PART if read.read_tokens else Finding.READ_NOTHING
    return short if divergence is None else _CHANGES.get(divergence, short)


def _was_sent(result: EntryResult) -> bool:
    """Whether a call that was not answered was sent, for this entry or for one of the same bytes."""
    return result.call is not None or result.shared_with is not None


def _are_apart(warmed: EntryResult, asked: EntryResult) -> bool:
    """Whether two calls went to different workspaces, where the API says which."""
    ids = {call.workspace_id for call in (warmed.call, asked.call) if call is not None}
    return len(ids - {None}) > 1


def _divergences(*calls: EntryResult | None) -> set[Divergence | None]:
    return {result.call.divergence for result in calls if result is not None and result.call is not None}


def _cost_usd(result: EntryResult | None) -> Decimal | None:
    return None if result is None else result.cost_usd


_ANSWERS = frozenset({Finding.READ, Finding.NO_USAGE})
_CHANGES = {
    Divergence.MODEL_CHANGED: Finding.MODEL_CHANGED,
    Divergence.TOOLS_CHANGED: Finding.TOOLS_CHANGED,
    Divergence.SYSTEM_CHANGED: Finding.SYSTEM_CHANGED,
}
# A warm call has a marker where the target's own request has none, or has it at the top level.
_MARKER_CODES = frozenset({ProblemCode.MARKER_ADDED, ProblemCode.AUTOMATIC_CACHING})
_SENTENCES = {
    Finding.READ: "a real request read all that the warm call left in the cache",
    Finding.WARM_CALL_FAILED: "the warm call failed",
    Finding.WARM_CALL_NOT_MADE: "the warm call was not made",
    Finding.REQUEST_FAILED: "the real request failed",
    Finding.REQUEST_NOT_MADE: "the real request was not made",
    Finding.NO_USAGE: "a call was answered without a usage, so nothing is proved",
    Finding.BELOW_MINIMUM: "nothing is cached: the prefix is below the model's minimum, or the model does not cache",
    Finding.OTHER_WORKSPACE: "the warm call and the real request went to different workspaces, which share no cache",
    Finding.MODEL_CHANGED: "the real request arrived with another model than the warm call",
    Finding.TOOLS_CHANGED: "the real request arrived with other tools than the warm call",
    Finding.SYSTEM_CHANGED: "the real request arrived with another system prompt than the warm call",
    Finding.NO_MARKER: "the application's request has no marker, so it reads nothing: put "
    '"cache_control": {"type": "ephemeral"} on the last block it shares, in the application and in the target',
    Finding.READ_NOTHING: "nothing was read and no difference is known: the entry was evicted, or not readable yet",
    Finding.READ_PART: "only a part of what the warm call left in the cache was read",
}
