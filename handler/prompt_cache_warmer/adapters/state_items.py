"""The items of the state table: their keys, their attributes' names, and what is read out of them.

One item per target holds its spending (``usd 2026-11-22``, ``tokens 2026-11-22``) and, under
``<credential> <model> <what>``, what is remembered of each of its entries; neither name can hold a
blank. ``stack`` holds the whole stack's spending, by day and by month, and the leases that were not
settled yet; ``credential/<name>`` and ``control/pause`` hold one record each.

Every item carries the ``schema`` of its records. Records of a newer schema, or that cannot be read,
count as unknown and are never written over; only a pause nobody can read counts as one without end,
because a pause is the operator's order. Spending has the same names and units in every schema, so
that versions that run side by side during a deployment never lose sight of each other's money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar

from prompt_cache_warmer.adapters.counts import Count
from prompt_cache_warmer.adapters.state_records import (
    UnreadableValueError,
    Value,
    read_breaker,
    read_claim,
    read_count,
    read_miss,
    read_pause,
    read_text,
    read_time,
    read_warmth,
    time_of,
)
from prompt_cache_warmer.values.observation import Sightings
from prompt_cache_warmer.values.snapshot import CredentialState, Pause
from prompt_cache_warmer.values.state import CLOSED, EntryKey, EntryState, Traffic

Item = Mapping[str, Value]

PARTITION_KEY = "pk"
EXPIRES_AT = "expires_at"
SCHEMA_NAME = "schema"
SCHEMA = 1

STACK_KEY = "stack"
PAUSE_KEY = "control/pause"
PAUSE = "pause"

# What is remembered of an entry; a credential has the first two, and RESUMED_AT.
SEQUENCE = "sequence"
BREAKER = "breaker"
CLAIM = "claim"
WARMTH = "warmth"
TRAFFIC_AT = "traffic_at"
TRAFFIC_FINGERPRINT = "traffic_fingerprint"
TRAFFIC_TTL = "traffic_ttl"
RESUMED_AT = "resumed_at"
USED_AT = "used_at"
COMMITTED = "committed"  # the claim, by its sequence, that was committed last
# What was seen of its traffic since the last answered warm call.
HITS = "hits"
COLD_STARTS = "cold_starts"
DRIFTS = "drifts"
LAST_MISS = "last_miss"
MISSED_AT = "missed_at"  # the last miss's time once more, because a condition compares numbers
SIGHTED_FINGERPRINT = "sighted_fingerprint"

# Longer than any month a budget runs over, so that no spending is forgotten while it counts.
RETENTION_DAYS = 40

SIGHTED = (HITS, COLD_STARTS, DRIFTS, LAST_MISS, MISSED_AT, SIGHTED_FINGERPRINT)
_TRAFFIC = (TRAFFIC_AT, TRAFFIC_FINGERPRINT, TRAFFIC_TTL, RESUMED_AT)
PARTS = (SEQUENCE, BREAKER, CLAIM, WARMTH, *_TRAFFIC, USED_AT, COMMITTED, *SIGHTED)
_DAY = len("2026-11-22")
_MONTH = len("2026-11")
_FOREVER = datetime.max.replace(tzinfo=UTC)
# Credentials with the models they call: a deployment has a few dozens at most.
KNOWN_NAMES = 1_024

T = TypeVar("T")


def target_key(name: str) -> str:
    """Return the key of a target's item."""
    return f"target/{name}"


def credential_key(name: str) -> str:
    """Return the key of a credential's item."""
    return f"credential/{name}"


def entry_name(key: EntryKey, what: str) -> str:
    """Name an attribute of an entry."""
    return f"{key.credential} {key.model} {what}"


def day_of(day: date) -> str:
    """Name a day."""
    return day.isoformat()


def month_of(day: date) -> str:
    """Name a day's month."""
    return day.isoformat()[:_MONTH]


def usd_name(period: str) -> str:
    """Name the money of a day or a month, in whole pico-USD."""
    return f"usd {period}"


def tokens_name(period: str) -> str:
    """Name the tokens of a day or a month."""
    return f"tokens {period}"


def lease_name(day: date, lease_id: str) -> str:
    """Name a lease that was not settled yet."""
    return f"lease {day_of(day)} {lease_id}"


def settled_name(day: date, key: EntryKey, owner: str, sequence: int) -> str:
    """Name the mark that the money of a lost claim was counted."""
    return f"settled {day_of(day)} {key.credential} {key.model} {sequence} {owner}"


def expires_at(day: date) -> int:
    """Return when an item written on a day may go: a whole day later than it must be kept, in seconds."""
    end = datetime.combine(day + timedelta(days=RETENTION_DAYS + 1), time(), UTC)
    return int(end.timestamp())


def is_newer(item: Item) -> bool:
    """Whether its records are of a schema this version does not know."""
    try:
        return SCHEMA_NAME in item and read_count(item[SCHEMA_NAME]) > SCHEMA
    except UnreadableValueError:
        return True


def number_in(item: Item, name: str) -> int:
    """Read a number; one that is absent or unreadable counts as 0."""
    try:
        return read_count(item[name]) if name in item else 0
    except UnreadableValueError:
        return 0


def count_in(item: Item, period: str) -> Count:
    """Read what was spent or reserved in a day or a month."""
    return Count(number_in(item, usd_name(period)), number_in(item, tokens_name(period)))


def sequence_in(item: Item, key: EntryKey) -> int:
    """Read how many claims an entry has seen."""
    return number_in(item, entry_name(key, SEQUENCE))


@dataclass(slots=True)
class ItemReader:
    """Reads records, and notes in words what it cannot read.

    Attributes:
        unreadable: what counts as unknown.
    """

    unreadable: list[str] = field(default_factory=list)

    def is_readable(self, key: str, item: Item) -> bool:
        """Whether this version may know an item's records."""
        if not is_newer(item):
            return True
        self.unreadable.append(
            f"item {key!r} is of schema {'/'.join(item[SCHEMA_NAME].values())}, this version knows {SCHEMA}: "
            "deploy the newer version again, or delete the item, which costs one warm call per entry"
        )
        return False

    def entry(self, item: Item, key: EntryKey) -> EntryState | None:
        """Read an entry; None where nothing is known of it."""
        stored = {part: item[name] for name, part in parts_by_name(key.credential, key.model).items() if name in item}
        if not stored:
            return None
        place = f"item {target_key(key.target)!r}, {key.credential} {key.model}"
        warmth = self._part(place, stored, WARMTH, read_warmth, None)
        last_at = self._part(place, stored, TRAFFIC_AT, read_time, None)
        traffic = None
        if last_at is not None:
            traffic = Traffic(
                last_at,
                self._part(place, stored, TRAFFIC_FINGERPRINT, read_text, None),
                self._part(place, stored, RESUMED_AT, read_time, None),
                self._part(place, stored, TRAFFIC_TTL, read_count, None),
            )
        return EntryState(
            sequence=self._part(place, stored, SEQUENCE, read_count, 0),
            warmth=warmth,
            traffic=traffic if warmth is None or traffic is None else traffic.since(warmth.warmed_at),
            breaker=self._part(place, stored, BREAKER, read_breaker, CLOSED),
            claim=self._part(place, stored, CLAIM, read_claim, None),
            sightings=self._sightings(place, stored),
        )

    def _sightings(self, place: str, stored: Item) -> Sightings | None:
        if not any(part in stored for part in SIGHTED):
            return None
        return Sightings(
            hits=self._part(place, stored, HITS, read_count, 0),
            cold_starts=self._part(place, stored, COLD_STARTS, read_count, 0),
            drifts=self._part(place, stored, DRIFTS, read_count, 0),
            fingerprint=self._part(place, stored, SIGHTED_FINGERPRINT, read_text, None),
            last_miss=self._part(place, stored, LAST_MISS, read_miss, None),
        )

    def credential(self, item: Item) -> CredentialState | None:
        """Read a credential; None where nothing is known of it."""
        place = f"item {item[PARTITION_KEY]['S']!r}"
        if SEQUENCE not in item or not self.is_readable(item[PARTITION_KEY]["S"], item):
            return None
        return CredentialState(
            self._part(place, item, SEQUENCE, read_count, 0),
            self._part(place, item, BREAKER, read_breaker, CLOSED),
            self._part(place, item, RESUMED_AT, read_time, None),
        )

    def pause(self, item: Item) -> Pause | None:
        """Read the pause; None where there is none. One that cannot be read has no end."""
        if PAUSE not in item:
            return None
        endless = Pause("a pause that this version cannot read", since=time_of(0), until=_FOREVER)
        if not self.is_readable(PAUSE_KEY, item):
            return endless
        return self._part(f"item {PAUSE_KEY!r}", item, PAUSE, read_pause, endless)

    def _part(self, place: str, stored: Item, part: str, reader: Callable[[Value], T], otherwise: T) -> T:
        if part not in stored:
            return otherwise
        try:
            return reader(stored[part])
        except UnreadableValueError as error:
            self.unreadable.append(f"{place}: {part} is not what this version writes ({error})")
            return otherwise


@lru_cache(maxsize=KNOWN_NAMES)
def parts_by_name(credential: str, model: str) -> Mapping[str, str]:
    """Name the attributes of an entry of any target: what each holds, by its name."""
    key = EntryKey("", credential, model)
    return {entry_name(key, part): part for part in PARTS}
