"""Traffic: to which target a real request belongs, and what its usage proves about that target's entry.

A request belongs to the target it was ascribed to by name, else to the one whose prefix it carries; of several,
to the one with the longest. Looking at it takes its blocks and hashes, never its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from prompt_cache_warmer.rules.lookback import marker_distance
from prompt_cache_warmer.values.body import TTL_SECONDS, blocks
from prompt_cache_warmer.values.observation import Sight
from prompt_cache_warmer.values.prefix import Fingerprint, fingerprints
from prompt_cache_warmer.values.state import EntryKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.values.body import Block
    from prompt_cache_warmer.values.state import Warmth
    from prompt_cache_warmer.values.targets import TargetSummary
    from prompt_cache_warmer.values.usage import Usage

MODEL_DRIFT = "model"
_TIERS = ("tools", "system", "messages", "settings")  # the parts of a fingerprint, in the API's order

# State hears of an entry's traffic of one process at most this often, so that what it knows may be this old.
TOUCH_SECONDS = 30


class Hasher(Protocol):
    """Hashes several prefixes of a body, as ``values.prefix.fingerprints`` does."""

    def __call__(
        self, body: Mapping[str, Any], prefix: Sequence[Block], betas: Sequence[str], /, *, at: Collection[int]
    ) -> Iterable[Fingerprint]:
        """Hash them, the shortest first."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """A request and the target it belongs to.

    Attributes:
        target: the target.
        drifted: the tiers that are not the target's, ``model`` where it is none of its; empty where it is warmed.
        marker_distance: positions from the end of the target's prefix to the next marker; None where there is none.
    """

    target: TargetSummary
    drifted: tuple[str, ...]
    marker_distance: int | None


def match(
    body: Mapping[str, Any],
    betas: Sequence[str],
    model: str,
    targets: Sequence[TargetSummary],
    *,
    ascribed_to: str | None = None,
    hashed_by: Hasher = fingerprints,
) -> Match | None:
    """Find the target a request belongs to.

    Args:
        body: the Messages API body that was sent.
        betas: the values of its ``anthropic-beta`` header.
        model: the model it asked.
        targets: the targets there are.
        ascribed_to: the target's name, where the application says it.
        hashed_by: hashes prefixes of a body; what remembers the last ones is faster.

    Returns:
        The match, or None when it belongs to none that is known.
    """
    if ascribed_to is not None:
        candidates = [target for target in targets if target.name == ascribed_to]
    else:
        candidates = [target for target in targets if model in target.models]
    if not candidates:
        return None
    found = list(blocks(body))
    ends = {target.name: target.prefix_end.index_in(found) for target in candidates}
    at = sorted({end for end in ends.values() if end is not None})
    hashed = dict(zip(at, hashed_by(body, found[: at[-1] + 1] if at else [], betas, at=frozenset(at)), strict=True))
    best: Match | None = None
    for target in sorted(candidates, key=lambda each: ends[each.name] or -1):
        end = ends[target.name]
        drifted = _drifted(target, None if end is None else hashed[end])
        if model not in target.models:
            drifted = (*drifted, MODEL_DRIFT)
        if ascribed_to is not None or not drifted:
            distance = None if end is None else marker_distance(found, body.get("cache_control"), end)
            best = Match(target, drifted, distance)
    return best


def _drifted(target: TargetSummary, seen: Fingerprint | None) -> tuple[str, ...]:
    """Name the tiers that differ; a request with fewer blocks than the prefix has lost its last tier."""
    if seen is None:
        return (target.prefix_end.tier.name.lower(),)
    return tuple(tier for tier in _TIERS if getattr(seen, tier) != getattr(target.fingerprint, tier))


def sight_of(match: Match, usage: Usage, *, prefix_tokens: int | None) -> Sight:
    """Say what a request was to its target's entry, by what its usage proves.

    Args:
        match: the request and its target.
        usage: what the API reported.
        prefix_tokens: how many tokens the prefix has by the last warm call's usage; None where it is not known,
            so that any read counts as one of the prefix.
    """
    if match.drifted:
        return Sight.DRIFT
    return Sight.HIT if usage.read_tokens >= max(prefix_tokens or 0, 1) else Sight.COLD_START


def touches(match: Match, usage: Usage) -> bool:
    """Whether a request restarted the life of the entry at the end of its target's prefix: it read it or wrote it."""
    if match.drifted:
        return False
    return usage.read_tokens > 0 or (usage.written_tokens > 0 and match.marker_distance == 0)


def kept_tokens(
    *, read_tokens: int, at: datetime, previous_at: datetime | None, warmth: Warmth | None, target: TargetSummary
) -> int:
    """Count the tokens of a hit that nothing but a warm call can have kept in the cache; 0 where that is not proven.

    Proven is it where the entry's last real request lay a whole time to live before the hit, with room for what
    other processes had not reported yet, and a warm call that left the same prefix in the cache came in between.

    Args:
        read_tokens: what the hit read.
        at: when it started.
        previous_at: when the last real request before it started, by what was reported.
        warmth: what the last answered warm call proved.
        target: the target.
    """
    if previous_at is None or warmth is None or warmth.ttl_seconds is None:
        return 0
    if warmth.fingerprint != target.prefix_digest or not previous_at < warmth.warmed_at < at:
        return 0
    life_seconds = max(warmth.ttl_seconds, TTL_SECONDS[target.ttls[-1]])
    if (at - previous_at).total_seconds() < life_seconds + TOUCH_SECONDS:
        return 0
    return min(read_tokens, warmth.cached_tokens)


def entry_key(target: TargetSummary, model: str) -> EntryKey:
    """Name the entry a request belongs to; one of a model that is not warmed is told to the target's first."""
    return EntryKey(target.name, target.credential, model if model in target.models else target.models[0])
