"""What was seen of the application's own requests to one entry: counts and the last miss, never a text.

Every answered request that is ascribed to a target is exactly one of three: a *hit* read the target's prefix
from the cache, a *cold start* carried that prefix and did not read it, a *drift* was ascribed to the target
by name and carried another prefix. Warm calls are none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Sight(StrEnum):
    """What one real request was."""

    HIT = "hit"
    COLD_START = "cold-start"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Miss:
    """A real request that was no hit, and what may say why.

    Attributes:
        at: when it started.
        drifted: the tiers (``tools``, ``system``, ``messages``, ``settings``) that were not the target's, in the
            API's order; empty where it carried the target's prefix.
        read_tokens: what its usage says was read.
        written_tokens: what it says was written.
        uncached_tokens: what it says was neither.
        workspace_id: the workspace its credential resolved to, None where the API did not say.
        region: the AWS region that answered it, None where it did not go to Bedrock.
        marker_distance: how many lookback positions after the end of the target's prefix the request's next
            marker stands: 0 on its last block; None where there is no marker at or after it.
        fingerprint: the target's prefix as its observer knew it then, SHA-256 in hexadecimal; None where it did
            not say.
        is_keyed_apart: whether something behind the prefix changes the key of the prefix itself, so that the API
            looked for another entry.
    """

    at: datetime
    drifted: tuple[str, ...] = ()
    read_tokens: int = 0
    written_tokens: int = 0
    uncached_tokens: int = 0
    workspace_id: str | None = None
    region: str | None = None
    marker_distance: int | None = None
    fingerprint: str | None = None
    is_keyed_apart: bool = False


@dataclass(frozen=True, slots=True)
class Sightings:
    """What was seen of an entry's traffic over a while.

    Attributes:
        hits: requests that read the target's prefix.
        cold_starts: requests that carried it and did not.
        drifts: requests that were ascribed to the target and carried another one.
        touched_at: when the last one started that read or wrote the entry; None where none did.
        fingerprint: the target's prefix as the observer knows it, SHA-256 in hexadecimal.
        last_miss: the last request that was no hit, None where there was none.
        touched_ttl_seconds: what the marker of the request at ``touched_at`` asked for; None where that is not said.
    """

    hits: int = 0
    cold_starts: int = 0
    drifts: int = 0
    touched_at: datetime | None = None
    fingerprint: str | None = None
    last_miss: Miss | None = None
    touched_ttl_seconds: int | None = None

    @property
    def requests(self) -> int:
        """How many answered requests there were."""
        return self.hits + self.cold_starts + self.drifts

    def of_prefix(self, fingerprint: str) -> Sightings | None:
        """Return what of it says something about a prefix.

        Hits and cold starts of another prefix say nothing about this one. A drift says that the application left
        the prefix its observer knew of, so it outlives a change: the two are at odds until both know the same.
        """
        if self.fingerprint in (None, fingerprint):
            return self
        if self.last_miss is None or not self.last_miss.drifted:
            return None
        return replace(self, hits=0, cold_starts=0, touched_at=None, touched_ttl_seconds=None)

    def __add__(self, later: Sightings) -> Sightings:
        """Add what was seen later; what was seen of another prefix is not added to it, but forgotten."""
        if self.is_of_other_prefix(later):
            return later
        last = self if _is_later(self.touched_at, later.touched_at) else later
        return Sightings(
            hits=self.hits + later.hits,
            cold_starts=self.cold_starts + later.cold_starts,
            drifts=self.drifts + later.drifts,
            touched_at=last.touched_at,
            fingerprint=later.fingerprint or self.fingerprint,
            last_miss=max(
                (miss for miss in (self.last_miss, later.last_miss) if miss is not None),
                key=lambda miss: miss.at,
                default=None,
            ),
            touched_ttl_seconds=last.touched_ttl_seconds,
        )

    def is_of_other_prefix(self, later: Sightings) -> bool:
        """Whether the two are known to speak of different prefixes."""
        return None not in (self.fingerprint, later.fingerprint) and self.fingerprint != later.fingerprint


def _is_later(at: datetime | None, other: datetime | None) -> bool:
    return at is not None and (other is None or at > other)
