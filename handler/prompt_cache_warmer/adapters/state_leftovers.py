"""What of a target's item, or of the stack's, has outlived its use, and goes with the next write to it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.state_items import (
    EXPIRES_AT,
    KNOWN_NAMES,
    PARTITION_KEY,
    PARTS,
    RETENTION_DAYS,
    SCHEMA_NAME,
    SEQUENCE,
    TRAFFIC_AT,
    USED_AT,
    Item,
    day_of,
    entry_name,
    number_in,
    parts_by_name,
    tokens_name,
    usd_name,
)
from prompt_cache_warmer.adapters.state_records import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_cache_warmer.values.state import EntryKey

# Entries of an item that were not asked for and are kept all the same: twice the models a target may
# have, for runs that ask for a part of it, and few enough to stay far below DynamoDB's 400 KB.
OTHER_ENTRIES_KEPT = 32

_WORDS_OF_AN_ENTRY = 3
_SPENDING = frozenset({"usd", "tokens", "lease", "settled"})


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What may be removed from an item at its next write.

    Attributes:
        spending: attributes of days and months before yesterday's.
        entries: entries nobody asks for any more: the sequence's name, the sequence, all attributes.
    """

    spending: tuple[str, ...] = ()
    entries: tuple[tuple[str, int, tuple[str, ...]], ...] = ()


NOTHING_LEFT = Leftovers()


def leftovers(item: Item, asked: Iterable[EntryKey], *, day: date) -> Leftovers:
    """Find what of an item has outlived its use.

    Args:
        item: a target's item, or the stack's.
        asked: the entries that are in use.
        day: the day it is.
    """
    asked = tuple(asked)
    if item.keys() <= _names_in_use(tuple((key.credential, key.model) for key in asked), day):
        return NOTHING_LEFT  # nearly every item at nearly every tick
    yesterday = day_of(day - timedelta(days=1))
    spending = []
    entries: defaultdict[str, list[str]] = defaultdict(list)
    in_use = {entry_name(key, "") for key in asked}
    for name in item:
        words = name.split(" ")
        if len(words) == _WORDS_OF_AN_ENTRY and words[-1] in PARTS:
            entries[name.removesuffix(words[-1])].append(name)
        elif len(words) > 1 and words[0] in _SPENDING and words[1] < yesterday[: len(words[1])]:
            spending.append(name)
    oldest = milliseconds(datetime.combine(day - timedelta(days=RETENTION_DAYS), time(), UTC))
    used = {prefix: _last_use(item, prefix) for prefix in entries if prefix not in in_use}
    others = sorted(used, key=used.__getitem__, reverse=True)
    return Leftovers(
        tuple(spending),
        tuple(
            (prefix + SEQUENCE, number_in(item, prefix + SEQUENCE), tuple(entries[prefix]))
            for rank, prefix in enumerate(others)
            if rank >= OTHER_ENTRIES_KEPT or used[prefix] < oldest
        ),
    )


def _last_use(item: Item, prefix: str) -> int:
    return max(number_in(item, prefix + USED_AT), number_in(item, prefix + TRAFFIC_AT))


@lru_cache(maxsize=KNOWN_NAMES)
def _names_in_use(asked: tuple[tuple[str, str], ...], day: date) -> frozenset[str]:
    """Name what a target's item has no leftovers besides: its own, its entries', the spending of two days."""
    parts = (name for credential, model in asked for name in parts_by_name(credential, model))
    days = [day_of(one) for one in (day, day - timedelta(days=1))]
    return frozenset((PARTITION_KEY, SCHEMA_NAME, EXPIRES_AT, *parts, *map(usd_name, days), *map(tokens_name, days)))
