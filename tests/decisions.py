"""Rules, states, ticks and standings for the tests of decisions, with figures that are easy to add up by hand.

Now is Monday, 23 November 2026, 12:00 UTC. A write costs 0.20 USD and a read 0.01, so 19 refreshes pay
for a cold start. A tick of 4 minutes, a minute of jitter and a call of 2 seconds reach 302 seconds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.budget import Allowance
from prompt_cache_warmer.rules.situation import Rule, Standing, Tick
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.pricing import PrefixCosts
from prompt_cache_warmer.values.state import Breaker, EntryState, Habit, Traffic, Warmth
from prompt_cache_warmer.values.windows import Window

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.reasons import Reason
    from prompt_cache_warmer.values.document import Keep

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TICK_SECONDS = 240.0
LATENCY_SECONDS = 2.0
FIVE_MINUTES, HOUR = 300, 3600
PREFIX = "a" * 64
COSTS = PrefixCosts(write_usd=Decimal("0.20"), read_usd=Decimal("0.01"), plain_usd=Decimal("0.10"))

# By UTC's clock in November: open from 06:25, started at 06:30, closed at 18:00.
OFFICE_HOURS = Window(frozenset(range(5)), time(7, 30), time(19), "Europe/Berlin", 5)
# Open from 12:00 to 12:10 every day.
TEN_MINUTES = Window(frozenset(range(7)), time(12), time(12, 10), "UTC", 0)


def ago(minutes: float = 0, *, seconds: float = 0) -> datetime:
    """Return a moment before now; a negative one comes after it."""
    return NOW - timedelta(minutes=minutes, seconds=seconds)


def rule(keep: Keep = "always", ttl_seconds: int = HOUR, **changes: Any) -> Rule:
    """Return what an owner asks for: an hour, at any time, unless told otherwise."""
    return Rule(keep=keep, ttl_seconds=ttl_seconds, **changes)


def tick(now: datetime = NOW, **changes: Any) -> Tick:
    """Return a tick of four minutes."""
    return replace(Tick(now=now, interval_seconds=TICK_SECONDS), **changes)


def warmed(at: datetime, ttl_seconds: int | None = HOUR, **changes: Any) -> Warmth:
    """Return what a warm call at a time proved: a refresh of 20,000 tokens, unless told otherwise."""
    known = Warmth(
        fingerprint=PREFIX,
        asked_ttl_seconds=HOUR,
        warmed_at=at,
        ttl_seconds=ttl_seconds,
        verdict="refreshed",
        cached_tokens=20_000,
        latency_seconds=LATENCY_SECONDS,
    )
    return replace(known, **changes)


def habit(used: datetime | None) -> Habit | None:
    """Return the habit of an entry that was in use for 30 hours, so that it is kept until break-even."""
    return None if used is None else Habit(used_since=used - timedelta(hours=30), credit_usd=Decimal(0))


def known(
    *,
    called: datetime | None = None,
    used: datetime | None = None,
    idle: int = 0,
    ttl: int | None = HOUR,
    **changes: Any,
) -> EntryState:
    """Return the state of an entry that was last called and last used at some time, that many refreshes ago."""
    return EntryState(
        warmth=None if called is None else warmed(called, ttl, idle_refreshes=idle, idle_since=used, habit=habit(used)),
        traffic=None if used is None else Traffic(used, PREFIX),
        **changes,
    )


OPEN = Breaker(failures=5, reason="overloaded", opened_at=ago(4), open_until=ago(-6))
HALF_OPEN = Breaker(failures=5, reason="overloaded", opened_at=ago(14), open_until=ago(4))
WORST = Amount(Decimal("0.20"), 20_001)
LAPSING = known(called=ago(56))
"""It lapses in 4 minutes, which is before the next tick can reach it."""


def utc(written: str) -> datetime:
    """Read a time in UTC."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def capped(reason: Reason, *, usd: str | None = None, tokens: int | None = None) -> Standing:
    """Return a standing with one cap that has so much left, and a call that costs up to 0.20 USD."""
    left = None if usd is None else Decimal(usd)
    return Standing(allowances=(Allowance(reason, left, tokens),), worst=WORST)
