"""Traffic: to which target a real request belongs, and what its usage proves about that target's entry.

A request belongs to the target it was ascribed to by name, else to the one whose prefix it carries; of several,
to the one with the longest. Looking at it takes its blocks and hashes, never its text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from prompt_cache_warmer.rules.lookback import Reach, markers, reach
from prompt_cache_warmer.values.body import TTL_SECONDS, blocks
from prompt_cache_warmer.values.observation import Sight
from prompt_cache_warmer.values.prefix import Fingerprint, fingerprints
from prompt_cache_warmer.values.state import MAX_CLOCK_SKEW, EntryKey

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.values.body import Block, Ttl
    from prompt_cache_warmer.values.state import Warmth
    from prompt_cache_warmer.values.targets import TargetSummary
    from prompt_cache_warmer.values.usage import Usage

MODEL_DRIFT = "model"
_TIERS = ("tools", "system", "messages", "settings")  # the parts of a fingerprint, in the API's order

SETTINGS_DRIFT = ("settings",)

# State hears of an entry's traffic of one process at most this often, so that what it knows may be this old.
TOUCH_SECONDS = 30
# What could not be told is told again after as long.
RETRY_SECONDS = 60
# What a request may be older than it is known to be: it was told late, once in vain, and by another clock.
SLACK_SECONDS = TOUCH_SECONDS + RETRY_SECONDS + MAX_CLOCK_SKEW.total_seconds()
# A prefix's size is estimated within a third; half of it is more than a shorter prefix that matters.
_ESTIMATE_MARGIN = 2


class Hasher(Protocol):
    """Hashes several prefixes of a body, as ``values.prefix.fingerprints`` does."""

    def __call__(
        self, body: Mapping[str, Any], prefix: Sequence[Block], betas: Sequence[str], /, *, at: Collection[int]
    ) -> Iterable[Fingerprint]:
        """Hash them, the shortest first."""
        ...


@dataclass(frozen=True, slots=True)
class Match:
    """A request and a target it belongs to.

    Attributes:
        target: the target.
        drifted: the tiers that are not the target's, ``model`` where it is none of its; empty where it is warmed.
        reach: the request's marker from which the API finds the target's entry; None where there is none.
    """

    target: TargetSummary
    drifted: tuple[str, ...]
    reach: Reach | None

    @property
    def marker_distance(self) -> int | None:
        """Positions from the end of the target's prefix to that marker; None where there is none."""
        return None if self.reach is None else self.reach.distance

    @property
    def ttl(self) -> Ttl:
        """The time to live the request asks for, the target's where it asks for none."""
        return self.target.ttls[-1] if self.reach is None else self.reach.ttl


@dataclass(frozen=True, slots=True)
class Matches:
    """All targets a request has to do with.

    Attributes:
        own: the one it belongs to, None where it belongs to none that is known.
        others: those whose prefix it carries as well, so that it may keep their entries alive.
    """

    own: Match | None = None
    others: tuple[Match, ...] = ()


def match(
    body: Mapping[str, Any],
    betas: Sequence[str],
    model: str,
    targets: Sequence[TargetSummary],
    *,
    ascribed_to: str | None = None,
    hashed_by: Hasher = fingerprints,
) -> Matches:
    """Find the targets a request has to do with.

    It belongs to the target it was ascribed to, else to the one with the longest prefix that it carries, else to
    the longest whose prefix it carries under other settings.

    Args:
        body: the Messages API body that was sent.
        betas: the values of its ``anthropic-beta`` header.
        model: the model it asked.
        targets: the targets there are.
        ascribed_to: the target's name, where the application says it.
        hashed_by: hashes prefixes of a body; what remembers the last ones is faster.
    """
    candidates = [target for target in targets if model in target.models or target.name == ascribed_to]
    if not candidates:
        return Matches()
    found = list(blocks(body))
    ends = {target.name: target.prefix_end.index_in(found) for target in candidates}
    at = sorted({end for end in ends.values() if end is not None})
    hashed = dict(zip(at, hashed_by(body, found[: at[-1] + 1] if at else [], betas, at=frozenset(at)), strict=True))
    seen: list[Match] = []
    for target in sorted(candidates, key=lambda each: ends[each.name] or -1):
        end = ends[target.name]
        drifted = _drifted(target, None if end is None else hashed[end])
        if model not in target.models:
            drifted = (*drifted, MODEL_DRIFT)
        reached = None if end is None else reach(found, body.get("cache_control"), end)
        seen.append(Match(target, drifted, reached))
    carried = [each for each in seen if not each.drifted]
    if ascribed_to is not None:
        own = next((each for each in seen if each.target.name == ascribed_to), None)
    else:
        own = next(reversed(carried or [each for each in seen if each.drifted == SETTINGS_DRIFT]), None)
    return Matches(own, tuple(each for each in carried if each is not own))


def _drifted(target: TargetSummary, seen: Fingerprint | None) -> tuple[str, ...]:
    """Name the tiers that differ; a request with fewer blocks than the prefix has lost its last tier."""
    if seen is None:
        return (target.prefix_end.tier.name.lower(),)
    return tuple(tier for tier in _TIERS if getattr(seen, tier) != getattr(target.fingerprint, tier))


def sight_of(match: Match, usage: Usage, *, prefix_tokens: int | None) -> Sight:
    """Say what a request was to its target's entry, by what its usage proves.

    Other settings are a drift, unless the request read the whole prefix all the same: which settings key a tier
    depends on the model, and usage is right.

    Args:
        match: the request and its target.
        usage: what the API reported.
        prefix_tokens: how many tokens the prefix has by the last warm call's usage; None where it is not known.
    """
    if match.drifted and (match.drifted != SETTINGS_DRIFT or prefix_tokens is None):
        return Sight.DRIFT
    if _is_whole(match, usage, prefix_tokens):
        return Sight.HIT
    return Sight.DRIFT if match.drifted else Sight.COLD_START


def _is_whole(match: Match, usage: Usage, prefix_tokens: int | None) -> bool:
    """Whether the target's whole prefix was read; by the estimate of its size where nothing better is known."""
    if prefix_tokens is not None:
        return usage.read_tokens >= prefix_tokens
    if match.reach is None or not usage.read_tokens:
        return False  # what was read ends before the prefix does
    if match.reach.is_last and match.reach.distance == 0:
        return usage.written_tokens == 0  # the rest of the prefix would have been written, and nothing else
    return usage.read_tokens * _ESTIMATE_MARGIN >= match.target.prefix_tokens


def touches(match: Match, usage: Usage, sight: Sight) -> bool:
    """Whether a request restarted the life of the entry at the end of its target's prefix: it read it or wrote it."""
    return sight is Sight.HIT or (sight is Sight.COLD_START and usage.written_tokens > 0 and match.marker_distance == 0)


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit of which it is asked who kept the entry.

    Attributes:
        at: when it started.
        match: the request and its target.
        model: the model it asked.
        read_tokens: what it read.
        longest_ttl_seconds: the longest time to live its markers and the target's ask for: an entry of that long
            may have been written by requests like it.
        workspace_id: the workspace its credential resolved to, None where that is not known.
        region: the AWS region that answered, None where there is none.
        previous_at: when the last request before it started that is told together with it; None where there is none.
    """

    at: datetime
    match: Match
    model: str
    read_tokens: int
    longest_ttl_seconds: int
    workspace_id: str | None = None
    region: str | None = None
    previous_at: datetime | None = None


def kept_tokens(hit: Hit, *, previous_at: datetime | None, warmth: Warmth | None) -> int:
    """Count the tokens of a hit that no request that was reported can have kept in the cache, but a warm call did.

    Proven is it where the warm call left the whole prefix, and not longer ago than was granted; where the hit read
    all of it, in the same workspace and region; and where the last real request, to any target with that prefix,
    lay a whole time to live before the hit, with room for other clocks and for what was told late.

    Args:
        hit: the hit.
        previous_at: when the last real request before it started that may have touched the entry, as far as any
            observer reported it or this one knows.
        warmth: what the last answered warm call proved.
    """
    if previous_at is None or warmth is None or warmth.ttl_seconds is None or not warmth.cached_tokens:
        return 0
    if warmth.fingerprint != hit.match.target.prefix_digest or hit.read_tokens < warmth.cached_tokens:
        return 0
    if is_elsewhere(warmth, workspace_id=hit.workspace_id, region=hit.region):
        return 0
    age_seconds = (hit.at - warmth.warmed_at).total_seconds()
    if not previous_at < warmth.warmed_at or not 0 < age_seconds < warmth.ttl_seconds:
        return 0
    life_seconds = max(warmth.ttl_seconds, hit.longest_ttl_seconds)
    if (hit.at - previous_at).total_seconds() < life_seconds + SLACK_SECONDS:
        return 0
    return warmth.cached_tokens


def is_elsewhere(warmth: Warmth, *, workspace_id: str | None, region: str | None) -> bool:
    """Whether a request is known to have been answered by another cache than the warm call."""
    ours, theirs = (warmth.workspace_id, warmth.region), (workspace_id, region)
    return any(None not in (own, other) and own != other for own, other in zip(ours, theirs, strict=True))


def longest_ttl_seconds(body: Mapping[str, Any], target: TargetSummary) -> int:
    """Return the longest time to live that a request's markers and its target's ask for."""
    asked = [ttl for _, _, ttl in markers(list(blocks(body)), body.get("cache_control"))]
    return max(TTL_SECONDS[ttl] for ttl in (*asked, *target.ttls))


def entry_key(target: TargetSummary, model: str) -> EntryKey:
    """Name the entry a request belongs to."""
    return EntryKey(target.name, target.credential, model)
