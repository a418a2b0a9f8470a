"""An entry's life: what a warm call changes in what is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.verdict import Verdict, granted_ttls, verdict_of
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.state import EntryState, Warmth

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.values.usage import Usage


def warmth_after(
    state: EntryState,
    usage: Usage,
    *,
    fingerprint: str,
    started_at: datetime,
    asked_ttl_seconds: int,
    latency_seconds: float,
    message_id: str | None,
) -> Warmth:
    """Return what is known of an entry's warmth after an answered call.

    Args:
        state: what was known before it, in the entry's present life.
        usage: the call's tokens.
        fingerprint: the prefix it carried.
        started_at: when its request started; the time to live counts from there.
        asked_ttl_seconds: the shortest time to live its markers ask for.
        latency_seconds: from its start to its answer.
        message_id: the answer's id.
    """
    verdict = verdict_of(usage)
    granted = [TTL_SECONDS[ttl] for ttl in granted_ttls(usage)]
    known = state.warmth.ttl_seconds if state.warmth is not None else None
    alive_seconds = min(granted) if granted else known or asked_ttl_seconds
    return Warmth(
        fingerprint=fingerprint,
        asked_ttl_seconds=asked_ttl_seconds,
        warmed_at=started_at,
        ttl_seconds=None if verdict is Verdict.UNCACHED else alive_seconds,
        verdict=verdict.value,
        message_id=message_id,
        cached_tokens=usage.cached_tokens,
        other_tokens=usage.uncached_tokens + usage.output_tokens,
        latency_seconds=latency_seconds,
        idle_refreshes=state.idle_refreshes + 1,
        idle_since=None if state.traffic is None else state.traffic.last_at,
    )
