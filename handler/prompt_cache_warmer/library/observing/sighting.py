"""What is told of a request: to the state by counts and figures, to the application's callback as a record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prompt_cache_warmer.library.observing.records import ObservedRequest
from prompt_cache_warmer.rules.keyed_apart import is_keyed_apart
from prompt_cache_warmer.rules.traffic import Hit, longest_ttl_seconds
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.observation import Miss, Sight, Sightings

if TYPE_CHECKING:
    from prompt_cache_warmer.library.observing.calls import AnsweredCall
    from prompt_cache_warmer.rules.traffic import Match
    from prompt_cache_warmer.values.usage import Usage


def sightings(
    call: AnsweredCall, found: Match, usage: Usage, sight: Sight, *, is_touch: bool, is_own: bool
) -> tuple[Sightings, Hit | None]:
    """Say what the state is told of a request; of one that belongs to another target only that it touched."""
    touched = Sightings(
        touched_at=call.at if is_touch else None,
        touched_ttl_seconds=TTL_SECONDS[found.ttl] if is_touch else None,
        fingerprint=found.target.prefix_digest,
    )
    if not is_own:
        return touched, None
    if sight is Sight.HIT:
        hit = Hit(
            at=call.at,
            match=found,
            model=call.model,
            read_tokens=usage.read_tokens,
            longest_ttl_seconds=longest_ttl_seconds(call.body, found.target),
            workspace_id=call.workspace_id,
            region=call.region,
        )
        return replace(touched, hits=1), hit
    miss = Miss(
        at=call.at,
        drifted=found.drifted,
        read_tokens=usage.read_tokens,
        written_tokens=usage.written_tokens,
        uncached_tokens=usage.uncached_tokens,
        workspace_id=call.workspace_id,
        region=call.region,
        marker_distance=found.marker_distance,
        fingerprint=found.target.prefix_digest,
        is_keyed_apart=is_keyed_apart(call.body, found.target.prefix_end),
    )
    is_drift = sight is Sight.DRIFT
    return replace(touched, cold_starts=int(not is_drift), drifts=int(is_drift), last_miss=miss), None


def observed(call: AnsweredCall, found: Match | None, sight: Sight | None, usage: Usage) -> ObservedRequest:
    """Return what the application's callback hears."""
    return ObservedRequest(
        at=call.at,
        model=call.model,
        usage=usage,
        target=None if found is None else found.target.name,
        sight=sight,
        drifted=() if found is None else found.drifted,
        is_streamed=call.is_streamed,
        first_token_ms=call.first_token_ms,
        duration_ms=call.duration_ms,
        workspace_id=call.workspace_id,
        region=call.region,
        request_id=call.request_id,
    )
