"""What an observer knows of each entry, and what it is still to tell the state of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import inf
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.forking import hold_at_fork
from prompt_cache_warmer.library.observing.records import ObserverCounts
from prompt_cache_warmer.rules.traffic import SLACK_SECONDS, TOUCH_SECONDS, Hit
from prompt_cache_warmer.values.observation import Sight, Sightings

if TYPE_CHECKING:
    from prompt_cache_warmer.values.state import EntryKey, Warmth

_COUNT_OF_SIGHT = {Sight.HIT: "hits", Sight.COLD_START: "cold_starts", Sight.DRIFT: "drifts", None: "unascribed"}
NOTHING_SEEN = Sightings()


@dataclass(slots=True)
class _Entry:
    """What is known of one entry.

    Attributes:
        seen: what the state was not told of.
        first_hit: its first request, where that was a hit; or the one that came a whole life after all others.
        told_seconds: when the state was told last, on the monotonic clock; None before the first time.
        is_urgent: whether it is due however lately the state was told: it could not be, or there is no later.
        warmth: what the last warm call proved that was heard of, None where there was none.
    """

    seen: Sightings = NOTHING_SEEN
    first_hit: Hit | None = None
    told_seconds: float | None = None
    is_urgent: bool = False
    warmth: Warmth | None = None

    def due_in_seconds(self, now_seconds: float) -> float:
        if self.is_urgent or self.told_seconds is None:
            return 0.0
        return max(0.0, self.told_seconds + TOUCH_SECONDS - now_seconds)


@dataclass(slots=True)
class Account:
    """Counts, and what is to be told. Safe to use from any thread, and over a fork."""

    _entries: dict[EntryKey, _Entry] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _failures: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        hold_at_fork(self._lock)

    def counts(self, *, lost: int = 0, waiting: int = 0) -> ObserverCounts:
        """Return how much was seen; ``lost`` was given up elsewhere, ``waiting`` is still to be looked at."""
        with self._lock:
            counted = dict(self._counts)
            counted["lost"] = counted.get("lost", 0) + lost
            return ObserverCounts(**counted, waiting=waiting, failures=MappingProxyType(dict(self._failures)))

    def count(self, what: str) -> None:
        """Count something that was seen."""
        with self._lock:
            self._counts[what] += 1

    def fail(self, what: str) -> int:
        """Count something that went wrong; returns how often it has by now."""
        with self._lock:
            self._failures[what] += 1
            return self._failures[what]

    def see(self, sight: Sight | None) -> None:
        """Count a request whose usage was read."""
        with self._lock:
            self._counts["requests"] += 1
            self._counts[_COUNT_OF_SIGHT[sight]] += 1

    def warmth(self, key: EntryKey, fingerprint: str) -> Warmth | None:
        """Return what the last warm call proved of an entry's prefix; None where that is not known."""
        with self._lock:
            entry = self._entries.get(key)
            known = None if entry is None else entry.warmth
            return known if known is not None and known.fingerprint == fingerprint else None

    def note(self, key: EntryKey, seen: Sightings, hit: Hit | None, now_seconds: float) -> bool:
        """Keep what was seen until the state is told of it; returns whether it is due now, or the first to wait."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            is_first, first_hit = entry.seen is NOTHING_SEEN, entry.first_hit
            if is_first:
                entry.first_hit = hit
            elif first_hit is not None and _is_before(seen, first_hit):
                # What comes later may live on what this one wrote.
                entry.first_hit = None if first_hit.previous_at is not None else hit
            elif hit is not None and _is_long_after(hit, entry.seen):
                # As where a sandbox stood still with what came before.
                entry.first_hit = replace(hit, previous_at=entry.seen.touched_at)
            entry.seen += seen
            return is_first or entry.due_in_seconds(now_seconds) == 0

    def due(self, now_seconds: float) -> list[EntryKey]:
        """List the entries the state is to be told of now, first whom it was tried for longest ago."""
        with self._lock:
            waiting = [
                (-inf if entry.told_seconds is None else entry.told_seconds, key)
                for key, entry in self._entries.items()
                if entry.seen is not NOTHING_SEEN and entry.due_in_seconds(now_seconds) == 0
            ]
        return [key for _, key in sorted(waiting)]

    def next_due_in_seconds(self, now_seconds: float) -> float:
        """Say in how many seconds the state is to be told of an entry; infinite where there is none."""
        with self._lock:
            waiting = [entry for entry in self._entries.values() if entry.seen is not NOTHING_SEEN]
            return min((entry.due_in_seconds(now_seconds) for entry in waiting), default=inf)

    def take(self, key: EntryKey, now_seconds: float) -> tuple[Sightings, Hit | None]:
        """Take what the state is to be told of an entry."""
        with self._lock:
            entry = self._entries[key]
            taken = entry.seen, entry.first_hit
            entry.seen, entry.first_hit, entry.told_seconds, entry.is_urgent = NOTHING_SEEN, None, now_seconds, False
            return taken

    def put_back(self, key: EntryKey, seen: Sightings, hit: Hit | None) -> None:
        """Keep what the state could not be told of; what came meanwhile may have been first after all."""
        with self._lock:
            entry = self._entries[key]
            is_alone = entry.seen is NOTHING_SEEN
            entry.seen = seen if is_alone else seen + entry.seen
            entry.first_hit = hit if is_alone else None
            entry.is_urgent = True

    def release(self) -> None:
        """Make all that waits due, because nobody comes back for it."""
        with self._lock:
            for entry in self._entries.values():
                entry.is_urgent = entry.is_urgent or entry.seen is not NOTHING_SEEN

    def learn(self, key: EntryKey, warmth: Warmth) -> None:
        """Remember what a warm call proved of an entry."""
        with self._lock:
            self._entries[key].warmth = warmth

    def forget(self) -> None:
        """Begin anew in a forked child: what was seen before the fork is its parent's to tell."""
        with self._lock:
            for key, entry in self._entries.items():
                self._entries[key] = replace(entry, seen=NOTHING_SEEN, first_hit=None, told_seconds=None)
            self._counts.clear()
            self._failures.clear()


def _is_before(seen: Sightings, hit: Hit) -> bool:
    """Whether a request that was answered later started before the first hit, and left its prefix in the cache."""
    return seen.touched_at is not None and seen.touched_at < hit.at


def _is_long_after(hit: Hit, seen: Sightings) -> bool:
    """Whether a hit came so long after all that was seen that none of it can have kept the entry."""
    if seen.touched_at is None:
        return False
    return hit.at - seen.touched_at >= timedelta(seconds=hit.longest_ttl_seconds + SLACK_SECONDS)
