"""Where a target's markers stand, and the one that is added when its author wrote none.

Markers the author wrote are kept, ttl included. Top-level automatic ``cache_control`` would mark the
warm call's placeholder, which nobody shares, so it becomes an explicit marker on the last shared block.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.values.body import (
    DEFAULT_TTL,
    Block,
    Json,
    Tier,
    Ttl,
    blocks,
    marked_blocks,
    with_marker,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class MarkerOrigin(StrEnum):
    """Who put the last marker of a prefix where it stands."""

    AUTHOR = "author"
    AUTOMATIC = "automatic"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class MarkedBody:
    """A body whose shared prefix ends in a marker.

    Attributes:
        body: the body, without top-level automatic caching.
        end: the last marked block: the prefix runs up to and including it.
        origin: who put that marker there.
    """

    body: Json
    end: Block
    origin: MarkerOrigin

    @property
    def ttls(self) -> tuple[Ttl, ...]:
        """The time to live of every marker, in order."""
        return tuple(block.ttl or DEFAULT_TTL for block in marked_blocks(self.body))


def mark(body: Mapping[str, Any]) -> MarkedBody | None:
    """Make every prefix of a body end in an explicit marker.

    Returns:
        The marked body, or None when there is nothing a marker could stand on: no marker in the
        messages, no system block and no tool (a deferred tool is no part of the prefix).
    """
    automatic: Json | None = body.get("cache_control")
    plain = {field: value for field, value in body.items() if field != "cache_control"}
    marked = marked_blocks(plain)
    last_marked = marked[-1] if marked else None
    if last_marked is not None and automatic is None:
        return MarkedBody(plain, last_marked, MarkerOrigin.AUTHOR)
    shared = _last_shared_block(plain, last_marked)
    if shared is None:
        return None
    if shared.marker is not None:
        return MarkedBody(plain, shared, MarkerOrigin.AUTHOR)
    marker = automatic or {"type": "ephemeral"}
    remarked = with_marker(plain, shared, marker)
    end = marked_blocks(remarked)[-1]
    return MarkedBody(remarked, end, MarkerOrigin.ADDED if automatic is None else MarkerOrigin.AUTOMATIC)


def _last_shared_block(body: Mapping[str, Any], last_marked: Block | None) -> Block | None:
    """Find the last block that real traffic shares: a marked message block, else the last system block or tool."""
    if last_marked is not None and last_marked.tier is Tier.MESSAGES:
        return last_marked
    candidates = [block for block in blocks(body) if block.tier is not Tier.MESSAGES and block.is_markable]
    return candidates[-1] if candidates else None
