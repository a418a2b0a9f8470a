"""The diagnosis: why an entry's traffic missed although warm calls hold it, as far as usage proves it.

It looks at the last miss since the last answered warm call, and asks from the most to the least certain: what the
two requests carried and where they were answered is known; that the API dropped an entry is only what is left
when all else is ruled out. A miss of an entry that nothing proves to have been alive is a lapse and has no
diagnosis, unless its cause explains just that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.traffic import MODEL_DRIFT
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.limits import LOOKBACK_POSITIONS, minimum_prefix
from prompt_cache_warmer.values.state import MAX_CLOCK_SKEW

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from prompt_cache_warmer.values.observation import Miss
    from prompt_cache_warmer.values.state import EntryState, Warmth

# An entry can be read once its answer has begun; right after that the API was still seen to miss it, so that
# whoever wants a proof waits two seconds.
READABLE_AFTER_SECONDS = 2.0
# What was written lives at least as long, whatever was asked for.
SHORTEST_TTL_SECONDS = min(TTL_SECONDS.values())


class Cause(StrEnum):
    """Why traffic missed what warm calls hold; listed from the most to the least certain."""

    PREFIX_DRIFT = "prefix-drift"
    OTHER_REGION = "other-region"
    OTHER_WORKSPACE = "other-workspace"
    BELOW_MINIMUM = "below-minimum"
    LOOKBACK_EXCEEDED = "lookback-exceeded"
    TTL_DOWNGRADED = "ttl-downgraded"
    EVICTED_EARLY = "evicted-early"

    @property
    def meaning(self) -> str:
        """The cause in words."""
        return _MEANINGS[self]

    @property
    def needs_mending(self) -> bool:
        """Whether it stays until somebody corrects something; after an eviction the next call holds the entry again."""
        return self is not Cause.EVICTED_EARLY


_MEANINGS = {
    Cause.PREFIX_DRIFT: "the request carried another prefix than its target, by the fingerprints of its tiers",
    Cause.OTHER_REGION: "Bedrock answered it in another AWS region than the warm call; each has a cache of its own",
    Cause.OTHER_WORKSPACE: "its key belongs to another workspace than the warm call's; each has a cache of its own",
    Cause.BELOW_MINIMUM: "the API caches nothing of a prefix this short, for the warm call or for the request",
    Cause.LOOKBACK_EXCEEDED: "its markers stand too far behind the end of the prefix, or there is none",
    Cause.TTL_DOWNGRADED: "the API granted less time than was asked for, and it came after that",
    Cause.EVICTED_EARLY: "it wrote anew what the warm call proved to be alive, in the same workspace and region",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why an entry's last miss was one.

    Attributes:
        cause: why.
        sentence: what it means and what to do, in one line.
        evidence: the figures, ids, regions, tiers and times that prove it; never a text.
    """

    cause: Cause
    sentence: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as the report lists it; absent facts are left out."""
        evidence = {name: value for name, value in self.evidence.items() if value is not None}
        return {"cause": self.cause.value, "sentence": self.sentence, "evidence": evidence}


def diagnose(state: EntryState, *, fingerprint: str, model: str) -> Diagnosis | None:
    """Say why an entry's traffic missed since its last answered warm call.

    Args:
        state: what is remembered of the entry, in its present life.
        fingerprint: its target's prefix.
        model: the model's id.

    Returns:
        The diagnosis; None when there was no miss, or when nothing proves that it was more than a lapse.
    """
    sightings, warmth = state.sightings, state.warmth
    miss = None if sightings is None else sightings.last_miss
    if sightings is None or miss is None or (warmth is not None and miss.at < warmth.warmed_at):
        return None
    is_present = (miss.fingerprint or sightings.fingerprint) in (None, fingerprint)
    if miss.drifted == (MODEL_DRIFT,) or not (is_present or miss.drifted):
        return None  # a miss of another entry, or of another prefix
    found = (
        _drift(miss, is_present=is_present)
        or _elsewhere(miss, warmth)
        or _below_minimum(miss, warmth, model)
        or _out_of_reach(miss)
        or _downgraded(miss, state)
        or _evicted(miss, warmth)
    )
    if found is None:
        return None
    times = {
        "missed_at": _time(miss.at),
        "warmed_at": None if warmth is None else _time(warmth.warmed_at),
    }
    return Diagnosis(found.cause, found.sentence, {**times, **found.evidence})


def _drift(miss: Miss, *, is_present: bool) -> Diagnosis | None:
    """Find that the request carried another prefix than its observer's target."""
    if not miss.drifted:
        return None
    tiers = ", ".join(miss.drifted)
    sentence = (
        f"the application's request is not the target's in {tiers}: find the place with `prompt-cache-warmer diff`, "
        "then correct the application or capture the target anew"
    )
    if not is_present:
        sentence = (
            f"the application's request is not its observer's target in {tiers}, and the observer knows another "
            "version of the target than this one: let the application load its targets again"
        )
    return Diagnosis(
        Cause.PREFIX_DRIFT, sentence, {"tiers": list(miss.drifted), "is_present_version": is_present, **_tokens(miss)}
    )


def _elsewhere(miss: Miss, warmth: Warmth | None) -> Diagnosis | None:
    """Find that request and warm call were answered by caches that know nothing of each other."""
    if warmth is None:
        return None
    if None not in (miss.region, warmth.region) and miss.region != warmth.region:
        return Diagnosis(
            Cause.OTHER_REGION,
            f"the application's request was answered in {miss.region}, the warm call in {warmth.region}, and Bedrock "
            f"caches per region: warm it in {miss.region} as well, or send both to one region",
            {"request_region": miss.region, "warm_region": warmth.region, **_tokens(miss)},
        )
    is_bedrock = miss.region is not None or warmth.region is not None  # where workspaces share the cache
    is_known = None not in (miss.workspace_id, warmth.workspace_id)
    if is_known and not is_bedrock and miss.workspace_id != warmth.workspace_id:
        return Diagnosis(
            Cause.OTHER_WORKSPACE,
            f"the application's key is one of workspace {miss.workspace_id}, the warm call's of "
            f"{warmth.workspace_id}, and each has a cache of its own: give the target a key of the application's",
            {"request_workspace_id": miss.workspace_id, "warm_workspace_id": warmth.workspace_id, **_tokens(miss)},
        )
    return None


def _below_minimum(miss: Miss, warmth: Warmth | None, model: str) -> Diagnosis | None:
    """Find that nothing is cached of such a prefix: not by the warm call, or not by the request's own marker."""
    is_written = miss.marker_distance == 0 and miss.written_tokens > 0  # by the marker on the prefix's own end
    is_unwarmed = warmth is not None and warmth.verdict == Verdict.UNCACHED and not is_written
    is_unwritten = miss.marker_distance is not None and not miss.read_tokens and not miss.written_tokens
    if not is_unwarmed and not (warmth is None and is_unwritten):
        return None
    minimum = minimum_prefix(model)
    documented = "" if minimum is None else f" ({minimum.tokens:,} tokens are documented)"
    return Diagnosis(
        Cause.BELOW_MINIMUM,
        f"the API caches nothing of a prefix this short on {model}{documented}: make the prefix longer, or disable "
        "the target",
        {
            "verdict": warmth and warmth.verdict,
            "warm_tokens": warmth and warmth.other_tokens,
            "minimum_tokens": minimum and minimum.tokens,
            **_tokens(miss),
        },
    )


def _out_of_reach(miss: Miss) -> Diagnosis | None:
    """Find that from none of the request's markers the API comes to the entry."""
    distance = miss.marker_distance
    if distance is not None and distance < LOOKBACK_POSITIONS:
        return None
    if distance is None:
        sentence = (
            "the application's request has no marker at the end of the prefix or after it, so the API never looks "
            "for the entry: put cache_control on the prefix's last block"
        )
    else:
        sentence = (
            f"the request's next marker stands {distance} positions after the end of the prefix, and the API looks "
            f"{LOOKBACK_POSITIONS} back, the marker's own counted: put cache_control on the prefix's last block too"
        )
    return Diagnosis(
        Cause.LOOKBACK_EXCEEDED,
        sentence,
        {
            "has_marker": distance is not None,
            "marker_distance": distance,
            "lookback_positions": LOOKBACK_POSITIONS,
            **_tokens(miss),
        },
    )


def _downgraded(miss: Miss, state: EntryState) -> Diagnosis | None:
    """Find that the API let the entry go after less time than was asked for, because it had granted less."""
    warmth = state.warmth
    touched_at = _touched_before(miss, state)
    if warmth is None or warmth.ttl_seconds is None or not warmth.is_ttl_granted or touched_at is None:
        return None
    age = miss.at - touched_at
    if not timedelta(seconds=warmth.ttl_seconds) <= age < timedelta(seconds=warmth.asked_ttl_seconds):
        return None
    return Diagnosis(
        Cause.TTL_DOWNGRADED,
        f"the API granted {warmth.ttl_seconds} s where {warmth.asked_ttl_seconds} s were asked for, and the "
        "request came after that: ask for 5m, so that every tick keeps it, or use a provider that grants 1h",
        _lifetimes(miss, warmth, age),
    )


def _touched_before(miss: Miss, state: EntryState) -> datetime | None:
    """Say when the entry was touched last before a miss; None where that is not known.

    Of the traffic since the warm call the first and the last request are known, and how many there were.
    """
    warmed_at = None if state.warmth is None else state.warmth.warmed_at
    traffic, seen = state.traffic, state.sightings
    if warmed_at is None or seen is None or traffic is None:
        return warmed_at
    if traffic.last_at < miss.at:
        return max(warmed_at, traffic.last_at)
    if traffic.resumed_at is None or traffic.resumed_at >= miss.at:
        return warmed_at
    is_all_known = seen.hits + seen.cold_starts <= len((traffic.resumed_at, miss.at))
    return max(warmed_at, traffic.resumed_at) if is_all_known else None


def _evicted(miss: Miss, warmth: Warmth | None) -> Diagnosis | None:
    """Find that the API dropped the entry before the time was over that it had granted it."""
    if warmth is None or warmth.ttl_seconds is None or miss.is_keyed_apart:
        return None
    age = miss.at - warmth.warmed_at
    proven_seconds = warmth.ttl_seconds if warmth.is_ttl_granted else SHORTEST_TTL_SECONDS
    is_same_cache = (miss.workspace_id, miss.region) == (warmth.workspace_id, warmth.region)
    readable_after = timedelta(seconds=warmth.latency_seconds + READABLE_AFTER_SECONDS) + MAX_CLOCK_SKEW
    is_rewritten = miss.written_tokens > 0 and miss.read_tokens < warmth.cached_tokens
    is_alive = readable_after <= age < timedelta(seconds=proven_seconds)
    if not (is_alive and is_same_cache and is_rewritten):
        return None
    elsewhere = "" if miss.region is None else ", or a cross-region profile went on to another region"
    return Diagnosis(
        Cause.EVICTED_EARLY,
        f"the API dropped the entry before its time to live was over, as a best-effort cache may{elsewhere}: there is "
        "nothing to correct, the next warm call holds it again; if it goes on, tell the provider",
        {**_lifetimes(miss, warmth, age), "workspace_id": miss.workspace_id, "region": miss.region},
    )


def _lifetimes(miss: Miss, warmth: Warmth, age: timedelta) -> dict[str, int | None]:
    return {
        "age_seconds": int(age.total_seconds()),
        "granted_ttl_seconds": warmth.ttl_seconds if warmth.is_ttl_granted else None,
        "asked_ttl_seconds": warmth.asked_ttl_seconds,
        "cached_tokens": warmth.cached_tokens,
        **_tokens(miss),
    }


def _tokens(miss: Miss) -> dict[str, int]:
    return {
        "read_tokens": miss.read_tokens,
        "written_tokens": miss.written_tokens,
        "uncached_tokens": miss.uncached_tokens,
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
