"""State in this process's memory: for the library, for replays, and for a function without a table.

It is lost with the process, which costs at most one warm call per entry; caps then hold per process.
Any number of event loops and threads may use it: every change is made under one lock.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from prompt_cache_warmer.adapters.counts import NO_CEILING, NOTHING, Ceiling, Count
from prompt_cache_warmer.adapters.forking import hold_at_fork
from prompt_cache_warmer.adapters.state_items import day_of, month_of
from prompt_cache_warmer.adapters.state_records import milliseconds, time_of
from prompt_cache_warmer.ports import ClaimAnswer
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.observation import Miss, Sightings
from prompt_cache_warmer.values.snapshot import CredentialState, Lease, Pause, Snapshot
from prompt_cache_warmer.values.state import (
    UNKNOWN,
    Breaker,
    Claim,
    EntryKey,
    EntryState,
    Habit,
    Observed,
    Traffic,
    Warmth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from prompt_cache_warmer.ports import ClaimRequest, Commit
    from prompt_cache_warmer.values.caps import Caps

# A run that began before midnight commits after it; nothing older is ever asked for.
_DAYS_KEPT = timedelta(days=1)

_UNKNOWN_CREDENTIAL = CredentialState()
_NOTHING_SEEN = Sightings()

R = TypeVar("R", Warmth, Breaker, Claim, Pause, Habit, Miss)


@dataclass(slots=True)
class _Target:
    """What one target spent or reserved, by day, and the claims whose money was counted after they were lost."""

    days: dict[date, Count] = field(default_factory=dict)
    settled: set[ClaimRequest] = field(default_factory=set)

    def forget_before(self, day: date) -> None:
        self.days = {each: count for each, count in self.days.items() if each >= day}
        self.settled = {request for request in self.settled if request.day >= day}


class MemoryState:
    """A ``StateStore`` in memory."""

    def __init__(self) -> None:
        self._lock = Lock()
        hold_at_fork(self._lock)
        self._pid = os.getpid()
        self._entries: dict[EntryKey, EntryState] = {}
        self._targets: defaultdict[str, _Target] = defaultdict(_Target)
        self._stack: dict[str, Count] = {}
        self._committed: dict[EntryKey, int] = {}
        self._leases: set[str] = set()
        self._credentials: dict[str, CredentialState] = {}
        self._pause: Pause | None = None

    async def load(self, keys: Sequence[EntryKey], *, day: date) -> Snapshot:
        """Read the state of entries, their credentials, the spending of a UTC day and its month, and the pause."""
        with self._lock:
            self._drop_claims_of_a_parent()
            return Snapshot(
                entries={key: _seen(self._entries[key]) for key in keys if key in self._entries},
                spent_by_target={key.target: self._targets[key.target].days.get(day, NOTHING).amount for key in keys},
                spent_today=self._stack.get(day_of(day), NOTHING).amount,
                spent_this_month=self._stack.get(month_of(day), NOTHING).amount,
                credentials={
                    key.credential: self._credentials[key.credential]
                    for key in keys
                    if key.credential in self._credentials
                },
                pause=self._pause,
            )

    def _drop_claims_of_a_parent(self) -> None:
        """Forget the claims that were under way when this process was forked: nobody here will end them."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._entries = {key: replace(state, claim=None) for key, state in self._entries.items()}

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Claim an entry and reserve its call's worst case under its target's caps, both or neither."""
        wanted = Count.of(request.amount)
        with self._lock:
            state = self._entries.get(request.key, UNKNOWN)
            if state.sequence != request.sequence:
                return ClaimAnswer.TAKEN
            target = self._targets[request.key.target]
            spent = target.days.get(request.day, NOTHING)
            if not Ceiling.of_day(request.caps).has_room(wanted, spent=spent):
                return ClaimAnswer.CAPPED
            target.forget_before(request.day - _DAYS_KEPT)
            target.days[request.day] = spent + wanted
            self._entries[request.key] = replace(
                state, sequence=state.sequence + 1, claim=_kept(Claim(request.owner, request.until))
            )
            return ClaimAnswer.GRANTED

    async def commit(self, commit: Commit) -> bool:
        """End a claim with what came of it; the money is committed even where the claim was lost meanwhile."""
        request = commit.request
        with self._lock:
            state = self._entries.get(request.key, UNKNOWN)
            is_held = state.sequence == request.sequence + 1
            if self._committed.get(request.key) == request.sequence + 1:
                return True
            target = self._targets[request.key.target]
            if is_held or request not in target.settled:
                reserved = Count.of(request.amount)
                known = target.days.get(request.day, reserved)
                target.days[request.day] = known + Count.of(commit.spent) - reserved
            if not is_held:
                target.settled.add(request)
                return False
            self._committed[request.key] = state.sequence
            warmth, traffic, sightings = state.warmth, state.traffic, state.sightings
            if commit.warmth is not None:
                warmth, sightings = _kept(commit.warmth), None
                traffic = None if traffic is None else traffic.since(warmth.warmed_at)
            self._entries[request.key] = replace(
                state, warmth=warmth, traffic=traffic, breaker=_kept(commit.breaker), claim=None, sightings=sightings
            )
            return True

    async def touch(self, key: EntryKey, *, at: datetime, fingerprint: str | None = None) -> bool:
        """Remember a real request of the application; an older one than the last known changes nothing."""
        with self._lock:
            return self._touch(key, at, fingerprint, None)

    def _touch(self, key: EntryKey, at: datetime, fingerprint: str | None, ttl_seconds: int | None) -> bool:
        at = time_of(milliseconds(at))
        state = self._entries.get(key, UNKNOWN)
        known = state.traffic
        if known is not None and known.last_at >= at:
            return False
        resumed_at = known.resumed_at if known is not None else None
        self._entries[key] = replace(state, traffic=Traffic(at, fingerprint, resumed_at or at, ttl_seconds))
        return True

    async def observe(self, key: EntryKey, seen: Sightings) -> Observed:
        """Add what was seen of an entry's traffic to what was seen since its last answered warm call."""
        with self._lock:
            before = self._entries.get(key, UNKNOWN)
            at, asked_seconds = seen.touched_at, seen.touched_ttl_seconds
            is_news = at is not None and self._touch(key, at, seen.fingerprint, asked_seconds)
            miss = None if seen.last_miss is None else _kept(seen.last_miss)
            total = (before.sightings or _NOTHING_SEEN) + replace(
                seen, touched_at=None, touched_ttl_seconds=None, last_miss=miss
            )
            self._entries[key] = replace(
                self._entries.get(key, UNKNOWN), sightings=None if total == _NOTHING_SEEN else total
            )
            previous_at = None if before.traffic is None else before.traffic.last_at
            return Observed(previous_at, is_news, before.warmth)

    async def lease(self, wanted: Amount, *, caps: Caps, day: date) -> Lease:
        """Take as much of what is wanted as the stack's caps of the day and the month still have room for."""
        ceilings = {day_of(day): Ceiling.of_day(caps), month_of(day): Ceiling.of_month(caps)}
        if set(ceilings.values()) == {NO_CEILING}:
            return Lease(day, Amount())
        with self._lock:
            granted = Count.of(wanted)
            for period, ceiling in ceilings.items():
                granted = ceiling.grant(granted, spent=self._stack.get(period, NOTHING))
            if granted == NOTHING:
                return Lease(day, Amount())
            lease = Lease(day, granted.amount, uuid4().hex)
            self._leases.add(lease.id)
            self._count(day, granted)
            return lease

    async def settle(self, lease: Lease, *, spent: Amount) -> None:
        """Put what was spent in the place of what was leased."""
        with self._lock:
            if lease.id and lease.id not in self._leases:
                return  # settled before
            self._leases.discard(lease.id)
            leased = Count.of(lease.amount)
            self._count(lease.day, Count.of(spent) - leased, otherwise=leased)

    async def save_credential(self, name: str, state: CredentialState) -> bool:
        """Remember a credential's breaker, if its sequence is one above the last known."""
        with self._lock:
            known = self._credentials.get(name, _UNKNOWN_CREDENTIAL)
            if state.sequence != known.sequence + 1:
                return False
            resumed_at = known.resumed_at if state.resumed_at is None else time_of(milliseconds(state.resumed_at))
            self._credentials[name] = replace(state, breaker=_kept(state.breaker), resumed_at=resumed_at)
            return True

    async def pause(self, pause: Pause) -> None:
        """Stop all warming until the pause ends."""
        with self._lock:
            self._pause = _kept(pause)

    async def resume(self) -> bool:
        """End a pause."""
        with self._lock:
            was_paused = self._pause is not None
            self._pause = None
            return was_paused

    def _count(self, day: date, change: Count, *, otherwise: Count = NOTHING) -> None:
        """Count a change to a day and its month, and forget the days and months before yesterday's."""
        yesterday = day - _DAYS_KEPT
        for period in (day_of(day), month_of(day)):
            self._stack[period] = self._stack.get(period, otherwise) + change
        self._stack = {
            period: count for period, count in self._stack.items() if period >= yesterday.isoformat()[: len(period)]
        }


def _seen(state: EntryState) -> EntryState:
    """Return an entry as a reader sees it: a request that was reported late does not count as one after it."""
    if state.traffic is None or state.warmth is None:
        return state
    return replace(state, traffic=state.traffic.since(state.warmth.warmed_at))


def _kept(record: R) -> R:
    """Return a record as every store keeps it: its times are cut to the millisecond."""
    kept: dict[str, Any] = {each.name: _cut(getattr(record, each.name)) for each in fields(record)}
    return type(record)(**kept)


def _cut(value: object) -> object:
    if isinstance(value, datetime):
        return time_of(milliseconds(value))
    return _kept(value) if isinstance(value, Habit) else value
