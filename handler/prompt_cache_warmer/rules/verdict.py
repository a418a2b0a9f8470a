"""The verdict: what ``usage`` proves of a warm call. Nothing else counts as proof.

====== ======== ==========================================================================
read   written  meaning
====== ======== ==========================================================================
> 0    0        ``refreshed``: the entry was alive and lives on
0      > 0      ``written``: it was cold, a full write was paid
> 0    > 0      ``partial``: a shorter prefix was alive, the rest was written
0      0        ``uncached``: below the minimum, or a model that does not cache
====== ======== ==========================================================================
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.usage import Usage


class Verdict(StrEnum):
    """What a warm call proved, or that it failed."""

    REFRESHED = "refreshed"
    WRITTEN = "written"
    PARTIAL = "partial"
    UNCACHED = "uncached"
    FAILED = "failed"

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Verdict.REFRESHED: "the entry was alive and lives on",
    Verdict.WRITTEN: "it was cold: a full write was paid",
    Verdict.PARTIAL: "a shorter prefix was alive, the rest was written",
    Verdict.UNCACHED: "nothing is cached: the prefix is below the model's minimum, or the model does not cache",
    Verdict.FAILED: "the call failed",
}


def verdict_of(usage: Usage) -> Verdict:
    """Read the verdict off a warm call's usage."""
    if usage.read_tokens:
        return Verdict.PARTIAL if usage.written_tokens else Verdict.REFRESHED
    return Verdict.WRITTEN if usage.written_tokens else Verdict.UNCACHED


def granted_ttls(usage: Usage) -> tuple[Ttl, ...]:
    """List the times to live that were really granted to what was written.

    None where nothing was written, or where the API did not say which tokens live how long.
    """
    granted: list[Ttl] = []
    if not usage.is_split:
        return ()
    if usage.write_1h_tokens:
        granted.append("1h")
    if usage.write_5m_tokens:
        granted.append("5m")
    return tuple(granted)
