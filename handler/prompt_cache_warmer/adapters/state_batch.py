"""A batch of state items, read as soon as it comes.

An item as DynamoDB writes it takes ten times the memory of what it says, so that no run holds all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.state_items import Item, ItemReader, count_in, day_of
from prompt_cache_warmer.adapters.state_leftovers import NOTHING_LEFT, Leftovers, leftovers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.state import EntryKey, EntryState


@dataclass(slots=True)
class Batch:
    """What some items of the table say.

    Attributes:
        entries: the state of the entries that were asked for, as far as anything is known of them.
        spent_by_target: what each target spent or reserved on the day, by name.
        leftovers: what may be removed from items, by their keys; those of which nothing may are missing.
        unreadable: what counts as unknown, because this version cannot read it; one sentence each.
        others: the items that are no target's, as they are; empty where there is none.
    """

    entries: dict[EntryKey, EntryState] = field(default_factory=dict)
    spent_by_target: dict[str, Amount] = field(default_factory=dict)
    leftovers: dict[str, Leftovers] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    others: dict[str, Item] = field(default_factory=dict)

    def add(self, other: Batch) -> None:
        """Add what other items say."""
        self.entries |= other.entries
        self.spent_by_target |= other.spent_by_target
        self.leftovers |= other.leftovers
        self.unreadable += other.unreadable
        self.others |= other.others


def read_batch(
    found: Mapping[str, Item], keys: Iterable[str], asked: Mapping[str, Sequence[EntryKey]], *, day: date
) -> Batch:
    """Read items.

    Args:
        found: the items there are, by their keys.
        keys: the keys of all that were asked for, in order.
        asked: the entries that were asked for, by the keys of their targets' items.
        day: the day it is.
    """
    batch, period = Batch(), day_of(day)
    reader = ItemReader(batch.unreadable)
    for name in keys:
        item, entries = found.get(name, {}), asked.get(name)
        if entries is None:
            batch.others[name] = item
            continue
        batch.spent_by_target[entries[0].target] = count_in(item, period).amount
        if reader.is_readable(name, item):
            left = leftovers(item, entries, day=day)
            if left is not NOTHING_LEFT:
                batch.leftovers[name] = left
            for key in entries:
                state = reader.entry(item, key)
                if state is not None:
                    batch.entries[key] = state
    return batch
