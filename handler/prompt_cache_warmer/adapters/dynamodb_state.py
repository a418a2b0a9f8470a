"""State in one DynamoDB table, shared by every run of the stack.

Every change is one conditional write to one item, and a write that was refused brings the item along,
so that nothing has to be read before it is written. A write whose answer was lost on the way is sent
again by the SDK: each one that adds carries a mark by which the second try is known, so that money
is never counted twice.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from prompt_cache_warmer.adapters import state_items as items
from prompt_cache_warmer.adapters import state_writes as writes
from prompt_cache_warmer.adapters.counts import NO_CEILING, NOTHING, Ceiling, Count
from prompt_cache_warmer.adapters.state_batch import Batch, read_batch
from prompt_cache_warmer.adapters.state_items import ItemReader
from prompt_cache_warmer.adapters.state_leftovers import NOTHING_LEFT, Leftovers, leftovers
from prompt_cache_warmer.adapters.state_table import KEYS_PER_READ
from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.ports import ClaimAnswer
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.snapshot import Lease, Snapshot
from prompt_cache_warmer.values.state import UNKNOWN, Observed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from prompt_cache_warmer.adapters.state_items import Item
    from prompt_cache_warmer.adapters.state_table import StateTable
    from prompt_cache_warmer.ports import ClaimRequest, Commit
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.observation import Sightings
    from prompt_cache_warmer.values.snapshot import CredentialState, Pause
    from prompt_cache_warmer.values.state import EntryKey

WORKERS = 16  # hides DynamoDB's few milliseconds behind each other; as many connections as wiring allows

# Another lease may come between a try and the next, and there is room for it only as long as one of the
# concurrent runs has not had its own: twice as many tries as 32 runs can need.
LEASE_ATTEMPTS = 64

# The first write takes all that was seen for news, the second goes by what refused it; another observer may come
# between the two, once. What is still refused then only adds its counts: what is known is later than it.
OBSERVE_ATTEMPTS = 3

T = TypeVar("T")


class DynamoDbState:
    """A ``StateStore`` in a DynamoDB table.

    Args:
        table: where everything is.
        in_threads: whether calls to the table run beside each other. A process does not end before they do, so
            whoever must hold up nobody's exit calls them in a thread of its own instead.
    """

    def __init__(self, table: StateTable, *, in_threads: bool = True) -> None:
        self._table = table
        self._is_threaded = in_threads
        self._leftovers: dict[str, Leftovers] = {}
        self._workers = _workers()

    async def load(self, keys: Sequence[EntryKey], *, day: date) -> Snapshot:
        """Read the state of entries, their credentials, the spending of a UTC day and its month, and the pause.

        The pause is returned as it is stored, over or not: what time it is, the caller knows.
        """
        asked: dict[str, list[EntryKey]] = {}
        for key in keys:
            asked.setdefault(items.target_key(key.target), []).append(key)
        credentials = {key.credential: items.credential_key(key.credential) for key in keys}
        wanted = [items.STACK_KEY, items.PAUSE_KEY, *credentials.values(), *asked]
        batches = [wanted[start : start + KEYS_PER_READ] for start in range(0, len(wanted), KEYS_PER_READ)]
        read = Batch()
        for batch in await asyncio.gather(
            *(self._in_thread(partial(self._read, batch, asked, day)) for batch in batches)
        ):
            read.add(batch)

        reader = ItemReader(read.unreadable)
        stack = read.others[items.STACK_KEY]
        self._leftovers = {**read.leftovers, items.STACK_KEY: leftovers(stack, (), day=day)}
        known = {name: reader.credential(item) for name, key in credentials.items() if (item := read.others[key])}
        return Snapshot(
            entries=read.entries,
            spent_by_target=read.spent_by_target,
            spent_today=items.count_in(stack, items.day_of(day)).amount,
            spent_this_month=items.count_in(stack, items.month_of(day)).amount,
            credentials={name: state for name, state in known.items() if state is not None},
            pause=reader.pause(read.others[items.PAUSE_KEY]),
            unreadable=tuple(read.unreadable),
        )

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        """Claim an entry and reserve its call's worst case under its target's caps, both or neither."""
        return await self._in_thread(partial(self._claim, request))

    async def commit(self, commit: Commit) -> bool:
        """End a claim with what came of it; the money is committed even where the claim was lost meanwhile."""
        return await self._in_thread(partial(self._commit, commit))

    async def touch(self, key: EntryKey, *, at: datetime, fingerprint: str | None = None) -> bool:
        """Remember a real request of the application; an older one than the last known changes nothing."""
        return await self._in_thread(partial(self._touch, key, at, fingerprint))

    async def observe(self, key: EntryKey, seen: Sightings) -> Observed:
        """Add what was seen of an entry's traffic to what was seen since its last answered warm call."""
        return await self._in_thread(partial(self._observe, key, seen))

    async def lease(self, wanted: Amount, *, caps: Caps, day: date) -> Lease:
        """Take as much of what is wanted as the stack's caps of the day and the month still have room for."""
        return await self._in_thread(partial(self._lease, wanted, caps, day))

    async def settle(self, lease: Lease, *, spent: Amount) -> None:
        """Put what was spent in the place of what was leased."""
        await self._in_thread(partial(self._settle, lease, spent))

    async def save_credential(self, name: str, state: CredentialState) -> bool:
        """Remember a credential's breaker, if its sequence is one above the last known."""
        return await self._in_thread(partial(self._table.write, writes.saving_credential(name, state))) is None

    async def pause(self, pause: Pause) -> None:
        """Stop all warming until the pause ends; it takes the place of whatever stands there."""
        await self._in_thread(partial(self._table.write, writes.pausing(pause)))

    async def resume(self) -> bool:
        """End a pause, also one that cannot be read."""
        return await self._in_thread(partial(self._table.write, writes.resuming())) is None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if not self._is_threaded:
            return work()
        if self._workers[0] != os.getpid():  # a forked child has none of its parent's threads
            self._workers = _workers()
        try:
            waiting = asyncio.get_running_loop().run_in_executor(self._workers[1], work)
        except RuntimeError:  # the interpreter is ending and starts no more work in threads: what is left is done here
            return work()
        return await waiting

    def _read(self, keys: Sequence[str], asked: Mapping[str, Sequence[EntryKey]], day: date) -> Batch:
        return read_batch(self._table.read(keys), keys, asked, day=day)

    def _claim(self, request: ClaimRequest) -> ClaimAnswer:
        token = uuid4().hex
        for left in (self._leftovers.pop(items.target_key(request.key.target), NOTHING_LEFT), NOTHING_LEFT):
            item = self._table.write(writes.claiming(request, token, left))
            if item is None or writes.is_claimed(item, request, token):
                return ClaimAnswer.GRANTED
            if items.is_newer(item) or items.sequence_in(item, request.key) != request.sequence:
                return ClaimAnswer.TAKEN
            spent = items.count_in(item, items.day_of(request.day))
            if not Ceiling.of_day(request.caps).has_room(Count.of(request.amount), spent=spent):
                return ClaimAnswer.CAPPED
            # what was left over is in use again: once more without removing anything
        return ClaimAnswer.TAKEN

    def _commit(self, commit: Commit) -> bool:
        item = self._table.write(writes.committing(commit))
        if item is not None and writes.is_held(item, commit.request):
            item = self._table.write(writes.committing(commit, seen=item))
        if item is None or writes.is_committed(item, commit.request):
            return True
        self._table.write(writes.paying(commit))
        return False

    def _touch(self, key: EntryKey, at: datetime, fingerprint: str | None) -> bool:
        item = self._table.write(writes.touching(key, at, fingerprint, extends=True))
        if item is not None and writes.is_later(item, key, at):
            item = self._table.write(writes.touching(key, at, fingerprint, extends=False))
        return item is None

    def _observe(self, key: EntryKey, seen: Sightings) -> Observed:
        known: Item | None = None
        for attempt in range(OBSERVE_ATTEMPTS + 1):
            is_last = attempt == OBSERVE_ATTEMPTS
            is_written, item = self._table.exchange(writes.observing(key, seen, known=known, is_last=is_last))
            if items.is_newer(item):
                break
            if is_written:
                state = ItemReader().entry(item, key) or UNKNOWN
                is_later = seen.touched_at is not None and writes.is_later(item, key, seen.touched_at)
                return Observed(
                    previous_at=None if state.traffic is None else state.traffic.last_at,
                    is_news=is_later and not is_last,
                    warmth=state.warmth,
                )
            known = item
        return Observed()

    def _lease(self, wanted: Amount, caps: Caps, day: date) -> Lease:
        ceilings = {items.day_of(day): Ceiling.of_day(caps), items.month_of(day): Ceiling.of_month(caps)}
        if set(ceilings.values()) == {NO_CEILING}:
            return Lease(day, Amount())
        lease_id = uuid4().hex
        item: Item = {}
        for _ in range(LEASE_ATTEMPTS):
            granted = Count.of(wanted)
            for period, ceiling in ceilings.items():
                granted = ceiling.grant(granted, spent=items.count_in(item, period))
            if granted == NOTHING:
                return Lease(day, Amount())
            lease = Lease(day, granted.amount, lease_id)
            refused_by = self._table.write(writes.leasing(lease, granted, ceilings))
            if refused_by is None or items.lease_name(day, lease_id) in refused_by:
                return lease
            item = refused_by
        raise StateUnavailableError(
            f"the stack's allowance could not be leased in {LEASE_ATTEMPTS} attempts: too many runs at once"
        )

    def _settle(self, lease: Lease, spent: Amount) -> None:
        if lease.id or Count.of(spent) != NOTHING:
            self._table.write(
                writes.settling(lease, Count.of(spent), self._leftovers.pop(items.STACK_KEY, NOTHING_LEFT))
            )


def _workers() -> tuple[int, ThreadPoolExecutor]:
    """Return threads for the calls to the table, with the process they belong to."""
    return os.getpid(), ThreadPoolExecutor(WORKERS, thread_name_prefix="state")
