"""The status of an entry: whether it is warm now, whether it should be, and what its decision makes of that.

Nothing is decided here: the decision is the engine's own, made at this moment as at a tick. What is warm
is what is proven and has not lapsed; that an entry is warm is never claimed of one nobody called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.decision import proven_lapse
from prompt_cache_warmer.rules.entry_result import time_json
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.windows import occurrence_at

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.rules.decision import Decision
    from prompt_cache_warmer.values.state import EntryState
    from prompt_cache_warmer.values.targets import Entry


class Warm(StrEnum):
    """Whether an entry is warm now, by what is remembered of it.

    ``warm``: it is alive by what its last call or its traffic proved. ``lapsed``: its time to live is over. ``never``:
    nothing proves that this prefix was ever cached. ``unknown``: what is remembered cannot be read, or is hearsay.
    """

    WARM = "warm"
    LAPSED = "lapsed"
    NEVER = "never"
    UNKNOWN = "unknown"


# What keeps a due entry from being called: it lapses if nobody does anything.
HELD_BACK = frozenset(
    {Reason.BREAKER_OPEN, Reason.CREDENTIAL_STOPPED, Reason.CREDENTIAL_ON_TRIAL, Reason.NO_BREAK_EVEN}
    | {reason for reason in Reason if reason.is_capped}
)


@dataclass(frozen=True, slots=True)
class EntryStatus:
    """How one entry stands now.

    Attributes:
        entry: the entry.
        warm: whether it is warm now.
        state: what is remembered of its present life.
        decision: what a tick at this moment would do.
        needed: the same if nothing were paused.
        ttl_seconds: how long it lives when it is touched: as it was granted, else as its markers ask.
        lapses_at: when it lapses or lapsed, None where nothing proves that it was alive.
        due_since: since when it has been due and cold, and nothing kept it back; None where that is not so, or where
            nobody knows.
    """

    entry: Entry
    warm: Warm
    state: EntryState
    decision: Decision
    needed: Decision
    ttl_seconds: int
    lapses_at: datetime | None
    due_since: datetime | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether it should be warm and is not, or is due and kept back; a pause is no excuse."""
        if self.needed.reason in HELD_BACK:
            return True
        return self.warm is not Warm.WARM and (self.needed.reason.is_due or self.needed.is_lapse)

    @property
    def is_idle(self) -> bool:
        """Whether nothing keeps it warm for want of reported traffic, which may be meant or forgotten."""
        return self.needed.reason is Reason.NO_TRAFFIC

    @property
    def called_at(self) -> datetime | None:
        """When its last call was made, answered or failed; None where there was none."""
        times = (None if self.state.warmth is None else self.state.warmth.warmed_at, self.state.breaker.failed_at)
        return max((at for at in times if at is not None), default=None)

    @property
    def traffic_at(self) -> datetime | None:
        """When the application's last request that was reported started."""
        return None if self.state.traffic is None else self.state.traffic.last_at

    @property
    def next_at(self) -> datetime | None:
        """When it may be called next if nothing happens; None where only an event changes that."""
        return self.decision.due_at

    def remaining_seconds(self, now: datetime) -> float | None:
        """Return how long it stays warm if nothing touches it; None where it is not warm."""
        if self.warm is not Warm.WARM or self.lapses_at is None:
            return None
        return (self.lapses_at - now).total_seconds()

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Return the entry's line of ``status --json``; what is not known is null."""
        warmth, breaker, remaining = self.state.warmth, self.state.breaker, self.remaining_seconds(now)
        return {
            "target": self.entry.target.name,
            "model": self.entry.model,
            "credential": self.entry.credential,
            "keep": self.entry.target.keep,
            "state": self.warm.value,
            "is_wrong": self.is_wrong,
            "remaining_seconds": None if remaining is None else round(remaining),
            "lapses_at": time_json(self.lapses_at),
            "ttl_seconds": self.ttl_seconds,
            "verdict": None if warmth is None else warmth.verdict,
            "verdict_at": None if warmth is None else time_json(warmth.warmed_at),
            "failed_at": time_json(breaker.failed_at),
            "traffic_at": time_json(self.traffic_at),
            "decision": self.decision.reason.value,
            "reason": self.decision.reason.sentence,
            "detail": self.decision.detail or None,
            "due_at": time_json(self.next_at),
            "due_since": time_json(self.due_since),
            "breaker": breaker.reason,
            "breaker_open_until": time_json(breaker.open_until),
        }


def entry_status(
    entry: Entry,
    state: EntryState,
    decision: Decision,
    *,
    needed: Decision,
    asked_ttl_seconds: int,
    is_readable: bool,
) -> EntryStatus:
    """Say how an entry stands at the moment of a decision.

    Args:
        entry: the entry.
        state: what is remembered of its present life.
        decision: what was decided of it, now.
        needed: what would be if nothing were paused.
        asked_ttl_seconds: the shortest time to live its markers ask for.
        is_readable: whether what is stored of it could be read.
    """
    now = decision.tick.now
    believed = state.as_of(now)
    lapses_at = proven_lapse(believed, keep=entry.target.keep, ttl_seconds=asked_ttl_seconds)
    granted = None if believed.warmth is None else believed.warmth.ttl_seconds
    if lapses_at is not None:
        warm = Warm.WARM if now < lapses_at else Warm.LAPSED
    else:
        is_hearsay = believed.warmth is None and believed.traffic is not None
        warm = Warm.UNKNOWN if is_hearsay or not is_readable else Warm.NEVER
    return EntryStatus(entry, warm, believed, decision, needed, granted or asked_ttl_seconds, lapses_at)


def since_due(status: EntryStatus, *, modified_at: datetime | None, free_since: datetime | None) -> EntryStatus:
    """Say since when an entry has waited for a call; of one that was never called, its document's age is the proof.

    Args:
        status: how it stands.
        modified_at: when its document, or what that refers to, was put last; None where nobody knows.
        free_since: since when no pause, no cap and no stopped credential may have kept it back; None where none did.
    """
    now, windows = status.decision.tick.now, status.entry.target.windows
    known = [at for at in (status.lapses_at, status.called_at, modified_at) if at is not None]
    if not status.decision.is_due or status.warm is Warm.WARM or not known:
        return status
    occurrence = occurrence_at(windows, now)
    opens_at = None if occurrence is None else occurrence.opens_at
    known += [at for at in (opens_at, free_since, status.state.breaker.open_until) if at is not None]
    return replace(status, due_since=max(known))


def rank(status: EntryStatus) -> tuple[bool, bool, bool, str, str]:
    """Order entries as they are listed: what should be warm and is not comes first."""
    return (
        not status.is_wrong,
        status.warm is Warm.WARM,
        not status.is_idle,
        status.entry.target.name,
        status.entry.model,
    )
