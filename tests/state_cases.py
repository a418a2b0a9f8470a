"""Claims, commits and amounts for tests of the state stores."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.ports import ClaimRequest, Commit
from prompt_cache_warmer.values.caps import NO_CAPS, Caps
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.state import UNKNOWN, Breaker, EntryKey, EntryState, Habit, Warmth

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.values.snapshot import Snapshot

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = EntryKey("support", "default", "claude-sonnet-4-6")
PICO = Decimal("1e-12")
NOTHING = Amount()


def at(seconds: float) -> datetime:
    """Return a time some seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def model(name: str, key: EntryKey = KEY) -> EntryKey:
    """Return another model's entry of the same target."""
    return EntryKey(key.target, key.credential, name)


def amount(usd: str | Decimal | None = "1", tokens: int = 1000) -> Amount:
    """Return an amount."""
    return Amount(None if usd is None else Decimal(usd), tokens)


def asking(
    key: EntryKey = KEY,
    *,
    owner: str = "run-1",
    sequence: int = 0,
    worst: Amount | None = None,
    caps: Caps = NO_CAPS,
    day: date = DAY,
) -> ClaimRequest:
    """Return a claim; it ends a minute after noon."""
    reserved = amount() if worst is None else worst
    return ClaimRequest(key, owner, sequence, until=at(60), day=day, amount=reserved, caps=caps)


def proof(
    *, warmed_at: datetime = NOON, fingerprint: str = "f-1", used_since: datetime = NOON - timedelta(hours=9)
) -> Warmth:
    """Return what a call proved, with a value of its own in every field."""
    return Warmth(
        fingerprint=fingerprint,
        asked_ttl_seconds=300,
        warmed_at=warmed_at,
        ttl_seconds=3600,
        verdict="refreshed",
        message_id="msg_1",
        cached_tokens=5000,
        other_tokens=7,
        latency_seconds=0.25,
        idle_refreshes=3,
        idle_since=at(-600),
        habit=Habit(used_since=used_since, credit_usd=Decimal("0.0123")),
        workspace_id="wrkspc_1",
        region="eu-central-1",
        is_ttl_granted=True,
    )


def outcome(
    request: ClaimRequest, spent: Amount, *, warmth: Warmth | None = None, breaker: Breaker | None = None
) -> Commit:
    """Return what came of a claim."""
    return Commit(request, spent=spent, warmth=warmth, breaker=breaker or Breaker(version="v-1"))


async def known(store: StateStore, key: EntryKey = KEY) -> EntryState:
    """Return what a store knows of an entry."""
    return (await store.load([key], day=DAY)).entries.get(key, UNKNOWN)


async def snapshot(store: StateStore, *, day: date = DAY) -> Snapshot:
    """Return what a store knows."""
    return await store.load([KEY], day=day)


async def spent(store: StateStore, *, day: date = DAY) -> Amount:
    """Return what a store says the target spent or reserved on a day."""
    return (await store.load([KEY], day=day)).spent_by_target[KEY.target]
