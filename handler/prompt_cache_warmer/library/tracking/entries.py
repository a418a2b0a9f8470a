"""What a tracker knows to be in the cache: prefixes that a call's usage proved, until their time to live is over.

Time runs from the start of the last call that read or wrote a prefix. Nothing else counts as known: a prefix
whose proving call was still under way, or which has lapsed, may be written again by anybody, and that is ordinary.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.library.tracking.records import Standing
from prompt_cache_warmer.values.body import TTL_SECONDS

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.library.tracking.requests import Proof, TrackedRequest
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.usage import Usage


@dataclass(frozen=True, slots=True)
class Entry:
    """One prefix that is known to be in the cache.

    Attributes:
        tokens: how many tokens it has, at least.
        ttl: how long it lives after each read or write.
        proved_at: when the first call that proved it had ended.
        lapses_at: when it lapses, unless it is read before.
        is_just_written: whether no call but the one that first wrote it has asked for it.
    """

    tokens: int
    ttl: Ttl
    proved_at: datetime
    lapses_at: datetime
    is_just_written: bool


class KnownEntries:
    """Every prefix that is known to be in the cache; those asked for longest ago go first when there are too many.

    Args:
        limit: how many are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._prompts: OrderedDict[str, None] = OrderedDict()

    def find(self, request: TrackedRequest, *, at: datetime) -> tuple[Standing, Entry | None]:
        """Find the longest prefix of a request that is known to be in the cache when it starts, and where it stands."""
        if not request.marks:
            return Standing.UNKNOWN, None
        known = map(self._entries.get, request.readable)
        entry = next((entry for entry in known if entry and entry.proved_at <= at < entry.lapses_at), None)
        if entry is not None:
            return Standing.WARM, entry
        return Standing.COLD if request.prefix_id in self._prompts else Standing.NEW, None

    def learn(self, request: TrackedRequest, usage: Usage, *, started_at: datetime, ended_at: datetime) -> None:
        """Learn from the usage of a call."""
        if not usage.is_reported:
            return
        self._prompts[request.prefix_id] = None
        self._prompts.move_to_end(request.prefix_id)
        if not usage.cached_tokens:  # what should have been there is not: neither read nor written again
            for digest in request.readable:
                self._entries.pop(digest, None)
        for proof in request.proofs(usage):
            self._prove(proof, usage, started_at=started_at, ended_at=ended_at)
        for kept in (self._entries, self._prompts):
            while len(kept) > self._limit:
                kept.popitem(last=False)

    def _prove(self, proof: Proof, usage: Usage, *, started_at: datetime, ended_at: datetime) -> None:
        known = self._entries.get(proof.digest)
        is_alive = known is not None and started_at < known.lapses_at
        asked = known.ttl if known is not None and is_alive else proof.ttl
        is_read = proof.tokens <= usage.read_tokens  # only what was written can have been granted less
        ttl = asked if is_read else _granted(proof.ttl, usage)
        lapses_at = started_at + timedelta(seconds=TTL_SECONDS[ttl])
        entry = Entry(proof.tokens, ttl, ended_at, lapses_at, is_just_written=not usage.read_tokens)
        if known is not None and is_alive:
            entry = replace(
                entry, proved_at=known.proved_at, lapses_at=max(lapses_at, known.lapses_at), is_just_written=False
            )
        self._entries[proof.digest] = entry
        self._entries.move_to_end(proof.digest)


def _granted(asked: Ttl, usage: Usage) -> Ttl:
    """Tell how long what was written lives; the API may grant 5 minutes for an hour, and says so."""
    is_refused = usage.is_split and bool(usage.written_tokens) and not usage.write_1h_tokens
    return "5m" if is_refused else asked
