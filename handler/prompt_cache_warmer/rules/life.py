"""An entry's life: what a warm call changes in what is known of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.habit import IdleGap, begun, habit_after
from prompt_cache_warmer.rules.verdict import Verdict, granted_ttls, verdict_of
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.state import EntryState, Warmth

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.rules.entry_result import CallFacts
    from prompt_cache_warmer.values.pricing import PrefixCosts
    from prompt_cache_warmer.values.state import Habit
    from prompt_cache_warmer.values.usage import Usage


def habit_of(state: EntryState, costs: PrefixCosts, *, ttl_seconds: int, cold_start_value_usd: Decimal) -> Habit | None:
    """Return what an entry's idle gaps taught, the last one included; None where no traffic was reported.

    Args:
        state: what is known of the entry, in its present life.
        costs: what its prefix costs.
        ttl_seconds: the time to live its markers ask for.
        cold_start_value_usd: what one avoided cold start is worth.
    """
    traffic, warmth = state.traffic, state.warmth
    if traffic is None:
        return None
    if warmth is None or warmth.habit is None or warmth.idle_since is None:
        return begun(traffic.resumed_at or traffic.last_at, costs)
    if traffic.resumed_at is None or traffic.resumed_at <= warmth.idle_since:
        return warmth.habit
    alive_until = warmth.warmed_at + timedelta(seconds=warmth.ttl_seconds or ttl_seconds)
    gap = IdleGap(
        began_at=warmth.idle_since,
        ended_at=traffic.resumed_at,
        refreshes=warmth.idle_refreshes,
        was_alive=traffic.resumed_at <= alive_until,
    )
    return habit_after(warmth.habit, gap, costs, ttl_seconds=ttl_seconds, cold_start_value_usd=cold_start_value_usd)


def warmth_after(  # noqa: PLR0913 - the record has as many sources
    state: EntryState,
    usage: Usage,
    *,
    fingerprint: str,
    started_at: datetime,
    asked_ttl_seconds: int,
    latency_seconds: float,
    call: CallFacts | None,
    habit: Habit | None,
) -> Warmth:
    """Return what is known of an entry's warmth after an answered call.

    Args:
        state: what was known before it, in the entry's present life.
        usage: the call's tokens.
        fingerprint: the prefix it carried.
        started_at: when its request started; the time to live counts from there.
        asked_ttl_seconds: the shortest time to live its markers ask for.
        latency_seconds: from its start to its answer.
        call: what else is known of it, None where nothing is.
        habit: what the entry's idle gaps taught until now.
    """
    verdict = verdict_of(usage)
    granted = [TTL_SECONDS[ttl] for ttl in granted_ttls(usage)]
    is_inherited = not granted and _is_read_of_known(state, started_at, asked_ttl_seconds)
    alive_seconds = min(granted) if granted else _inherited_seconds(state, asked_ttl_seconds, is_known=is_inherited)
    return Warmth(
        fingerprint=fingerprint,
        asked_ttl_seconds=asked_ttl_seconds,
        warmed_at=started_at,
        ttl_seconds=None if verdict is Verdict.UNCACHED else alive_seconds,
        verdict=verdict.value,
        message_id=None if call is None else call.message_id,
        cached_tokens=usage.cached_tokens,
        other_tokens=usage.uncached_tokens + usage.output_tokens,
        latency_seconds=latency_seconds,
        idle_refreshes=state.idle_refreshes + 1,
        idle_since=None if state.traffic is None else state.traffic.last_at,
        habit=habit,
        workspace_id=None if call is None else call.workspace_id,
        region=None if call is None else call.region,
        is_ttl_granted=verdict is not Verdict.UNCACHED and (bool(granted) or is_inherited),
    )


def _is_read_of_known(state: EntryState, at: datetime, asked_ttl_seconds: int) -> bool:
    """Tell whether a call that wrote nothing read the entry whose time to live was granted before.

    It did not where that one had lapsed, and where the application wrote it anew and did not ask for as much.
    """
    warmth, traffic, seen = state.warmth, state.traffic, state.sightings
    if warmth is None or warmth.ttl_seconds is None or not warmth.is_ttl_granted:
        return False
    lapses_at = state.lapses_at(ttl_seconds=asked_ttl_seconds)
    if lapses_at is None or at >= lapses_at:
        return False
    if seen is None or not seen.cold_starts:
        return True
    asked_seconds = None if traffic is None else traffic.ttl_seconds
    return asked_seconds is not None and asked_seconds >= warmth.ttl_seconds


def _inherited_seconds(state: EntryState, asked_ttl_seconds: int, *, is_known: bool) -> int:
    """Return how long an entry lives that a call only read: as whoever wrote it had asked, as far as that is said."""
    known_seconds = (state.warmth.ttl_seconds if state.warmth is not None else None) or asked_ttl_seconds
    if is_known or state.traffic is None or state.traffic.ttl_seconds is None:
        return known_seconds
    return min(known_seconds, state.traffic.ttl_seconds)
