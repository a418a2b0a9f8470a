"""The writes of the state table, one function each, and how a refused one is understood.

A write of records is refused by an item of a newer schema. A write of spending never is: money is
added, not written over, and an attribute that is gone counts as what was reserved in it.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters import state_items as items
from prompt_cache_warmer.adapters.counts import Ceiling, Count
from prompt_cache_warmer.adapters.state_items import Item, ItemReader, entry_name
from prompt_cache_warmer.adapters.state_records import milliseconds, number, record, text, time
from prompt_cache_warmer.adapters.state_update import Update
from prompt_cache_warmer.values.state import UNKNOWN, Claim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from prompt_cache_warmer.adapters.state_leftovers import Leftovers
    from prompt_cache_warmer.ports import ClaimRequest, Commit
    from prompt_cache_warmer.values.observation import Miss, Sightings
    from prompt_cache_warmer.values.snapshot import CredentialState, Lease, Pause
    from prompt_cache_warmer.values.state import EntryKey

# As many entries as one edit of a target can put out of use; an expression holds 4 KB.
ENTRIES_REMOVED_PER_WRITE = 16
# Spending of days gone by, with the marks of dead runs and lost claims; the rest goes with a later write.
SPENDING_REMOVED_PER_WRITE = 30


def claiming(request: ClaimRequest, token: str, left: Leftovers) -> Update:
    """Claim an entry and reserve its money, and remove what is out of use.

    Args:
        request: the claim.
        token: names this write, so that it knows itself when it is sent again.
        left: what is out of use.
    """
    key = request.key
    claim = {**record(Claim(request.owner, request.until))["M"], "token": text(token)}
    update = _of_records(items.target_key(key.target))
    update.put(items.EXPIRES_AT, number(items.expires_at(request.day)))
    update.require_number(entry_name(key, items.SEQUENCE), request.sequence)
    update.put(entry_name(key, items.SEQUENCE), number(request.sequence + 1))
    update.put(entry_name(key, items.CLAIM), {"M": claim})
    update.put(entry_name(key, items.USED_AT), time(request.until))
    _reserve(update, items.day_of(request.day), Count.of(request.amount), Ceiling.of_day(request.caps))
    update.remove(*left.spending[:SPENDING_REMOVED_PER_WRITE])
    for name, sequence, names in left.entries[:ENTRIES_REMOVED_PER_WRITE]:
        update.require_number(name, sequence)
        update.remove(*names)
    return update


def is_claimed(item: Item, request: ClaimRequest, token: str) -> bool:
    """Whether the write of a claim was refused because it had been made already."""
    claim = item.get(entry_name(request.key, items.CLAIM), {}).get("M", {})
    return bool(claim.get("token") == text(token))


def committing(commit: Commit, *, seen: Item | None = None) -> Update:
    """End a claim and put what was spent in the place of what was reserved.

    Args:
        commit: what came of it.
        seen: the item as it was when this write was refused because of a request that came during the
            call; without it any such request refuses the write.
    """
    request, key = commit.request, commit.request.key
    update = _of_records(items.target_key(key.target))
    update.put(items.EXPIRES_AT, number(items.expires_at(request.day)))
    update.require_number(entry_name(key, items.SEQUENCE), request.sequence + 1)
    update.require_present(entry_name(key, items.CLAIM))
    update.remove(entry_name(key, items.CLAIM))
    update.put(entry_name(key, items.COMMITTED), number(request.sequence + 1))
    update.put(entry_name(key, items.BREAKER), record(commit.breaker))
    _replace(update, items.day_of(request.day), Count.of(request.amount), Count.of(commit.spent))
    if commit.warmth is not None:
        update.put(entry_name(key, items.WARMTH), record(commit.warmth))
        update.remove(*(entry_name(key, part) for part in items.SIGHTED))
        resumed_at = None
        if seen is None:
            update.require_at_most(entry_name(key, items.TRAFFIC_AT), milliseconds(commit.warmth.warmed_at))
        else:
            resumed_at = _resumed_at(seen, key, commit.warmth.warmed_at)
        if resumed_at is None:
            update.remove(entry_name(key, items.RESUMED_AT))
        else:
            update.put(entry_name(key, items.RESUMED_AT), time(resumed_at))
    return update


def is_held(item: Item, request: ClaimRequest) -> bool:
    """Whether a claim is still there."""
    is_last = not items.is_newer(item) and items.sequence_in(item, request.key) == request.sequence + 1
    return is_last and entry_name(request.key, items.CLAIM) in item


def is_committed(item: Item, request: ClaimRequest) -> bool:
    """Whether the commit of a claim was refused because it had been made already."""
    last = items.number_in(item, entry_name(request.key, items.COMMITTED))
    return not items.is_newer(item) and last == request.sequence + 1


def paying(commit: Commit) -> Update:
    """Put what was spent in the place of what was reserved, once, for a claim that was lost."""
    request = commit.request
    update = _of_spending(items.target_key(request.key.target), day=request.day)
    mark = items.settled_name(request.day, request.key, request.owner, request.sequence)
    update.require_absent(mark)
    update.put(mark, number(1))
    _replace(update, items.day_of(request.day), Count.of(request.amount), Count.of(commit.spent))
    return update


def touching(
    key: EntryKey, at: datetime, fingerprint: str | None, *, extends: bool, ttl_seconds: int | None = None
) -> Update:
    """Remember a request of the application.

    Args:
        key: the entry.
        at: when it started.
        fingerprint: the prefix it carried.
        extends: whether the item is kept for longer; refused where it is kept for even longer, so that
            an old request that is reported late never lets an item end early.
        ttl_seconds: what its marker asked for.
    """
    update = _of_records(items.target_key(key.target))
    update.require_below(entry_name(key, items.TRAFFIC_AT), milliseconds(at))
    update.put(entry_name(key, items.TRAFFIC_AT), time(at))
    update.put_if_absent(entry_name(key, items.RESUMED_AT), time(at))
    if fingerprint is None:
        update.remove(entry_name(key, items.TRAFFIC_FINGERPRINT))
    else:
        update.put(entry_name(key, items.TRAFFIC_FINGERPRINT), text(fingerprint))
    if ttl_seconds is None:
        update.remove(entry_name(key, items.TRAFFIC_TTL))
    else:
        update.put(entry_name(key, items.TRAFFIC_TTL), number(ttl_seconds))
    if extends:
        end = items.expires_at(at.astimezone(UTC).date())
        update.require_at_most(items.EXPIRES_AT, end)
        update.put(items.EXPIRES_AT, number(end))
    return update


def is_later(item: Item, key: EntryKey, at: datetime) -> bool:
    """Whether a request is later than any the item knows of."""
    known = items.number_in(item, entry_name(key, items.TRAFFIC_AT))
    return not items.is_newer(item) and known < milliseconds(at)


def observing(key: EntryKey, seen: Sightings, *, known: Item | None = None, is_last: bool = False) -> Update:
    """Add what was seen of an entry's traffic, or put it in the place of what was seen of another prefix.

    Args:
        key: the entry.
        seen: what was seen.
        known: the item as it was when this write was refused; without it all of it is taken for news.
        is_last: whether only the counts are written, which only a newer schema can refuse.
    """
    touched_at, miss = seen.touched_at, seen.last_miss
    is_touch = touched_at is not None and not is_last and (known is None or is_later(known, key, touched_at))
    if touched_at is not None and is_touch:
        end = items.expires_at(touched_at.astimezone(UTC).date())
        extends = known is None or items.number_in(known, items.EXPIRES_AT) <= end
        update = touching(key, touched_at, seen.fingerprint, extends=extends, ttl_seconds=seen.touched_ttl_seconds)
    else:
        update = _of_records(items.target_key(key.target))
        seen_at = touched_at or (None if miss is None else miss.at)
        if seen_at is not None:
            update.put_if_absent(items.EXPIRES_AT, number(items.expires_at(seen_at.astimezone(UTC).date())))
    before = None if known is None else (ItemReader().entry(known, key) or UNKNOWN).sightings
    is_anew = before is not None and before.is_of_other_prefix(seen)
    if is_anew:
        update.remove(*(entry_name(key, part) for part in items.SIGHTED))
    for part, count in ((items.HITS, seen.hits), (items.COLD_STARTS, seen.cold_starts), (items.DRIFTS, seen.drifts)):
        if count:
            _count_sights(update, entry_name(key, part), count, is_anew=is_anew)
    if seen.fingerprint is not None:
        sighted = entry_name(key, items.SIGHTED_FINGERPRINT)
        update.put(sighted, text(seen.fingerprint))
        if not is_last:
            update.require_text(sighted, (before and before.fingerprint) or seen.fingerprint)
    if miss is not None and not is_last:
        _keep_miss(update, key, miss, known=None if is_anew else known, is_anew=is_anew)
    return update


def leasing(lease: Lease, granted: Count, ceilings: Mapping[str, Ceiling]) -> Update:
    """Reserve a part of the stack's allowance under the caps of each period."""
    update = _of_spending(items.STACK_KEY, day=lease.day)
    name = items.lease_name(lease.day, lease.id)
    update.require_absent(name)
    update.put(name, number(1))
    for period, ceiling in ceilings.items():
        _reserve(update, period, granted, ceiling)
    return update


def settling(lease: Lease, spent: Count, left: Leftovers) -> Update:
    """Put what was spent in the place of what was leased, and remove what is out of use."""
    update = _of_spending(items.STACK_KEY, day=lease.day)
    if lease.id:
        name = items.lease_name(lease.day, lease.id)
        update.require_present(name)
        update.remove(name)
    for period in (items.day_of(lease.day), items.month_of(lease.day)):
        _replace(update, period, Count.of(lease.amount), spent)
    update.remove(*left.spending[:SPENDING_REMOVED_PER_WRITE])
    return update


def saving_credential(name: str, state: CredentialState) -> Update:
    """Remember a credential; its item never ends, because no time is known here and there are few."""
    update = _of_records(items.credential_key(name))
    update.require_number(items.SEQUENCE, state.sequence - 1)
    update.put(items.SEQUENCE, number(state.sequence))
    update.put(items.BREAKER, record(state.breaker))
    if state.resumed_at is not None:
        update.put(items.RESUMED_AT, time(state.resumed_at))
    return update


def pausing(pause: Pause) -> Update:
    """Remember a pause in the place of any other: it is the operator's last word."""
    update = Update(items.PAUSE_KEY)
    update.put(items.SCHEMA_NAME, number(items.SCHEMA))
    update.put(items.PAUSE, record(pause))
    return update


def resuming() -> Update:
    """Forget the pause."""
    update = Update(items.PAUSE_KEY)
    update.put(items.SCHEMA_NAME, number(items.SCHEMA))
    update.require_present(items.PAUSE)
    update.remove(items.PAUSE)
    return update


def _count_sights(update: Update, name: str, count: int, *, is_anew: bool) -> None:
    if is_anew:
        update.put(name, number(count))
    else:
        update.count(name, count)


def _keep_miss(update: Update, key: EntryKey, miss: Miss, *, known: Item | None, is_anew: bool) -> None:
    missed_at = entry_name(key, items.MISSED_AT)
    if known is None or items.number_in(known, missed_at) < milliseconds(miss.at):
        if not is_anew:
            update.require_below(missed_at, milliseconds(miss.at))
        update.put(missed_at, time(miss.at))
        update.put(entry_name(key, items.LAST_MISS), record(miss))


def _resumed_at(seen: Item, key: EntryKey, warmed_at: datetime) -> datetime | None:
    """Read when the first request since a call started came, as far as an item knows."""
    state = ItemReader().entry(seen, key)
    return None if state is None or state.traffic is None else state.traffic.since(warmed_at).resumed_at


def _of_records(key: str) -> Update:
    update = Update(key)
    update.require_at_most(items.SCHEMA_NAME, items.SCHEMA)
    update.put(items.SCHEMA_NAME, number(items.SCHEMA))
    return update


def _of_spending(key: str, *, day: date) -> Update:
    update = Update(key)
    update.put_if_absent(items.SCHEMA_NAME, number(items.SCHEMA))
    update.put(items.EXPIRES_AT, number(items.expires_at(day)))
    return update


def _reserve(update: Update, period: str, wanted: Count, ceiling: Ceiling) -> None:
    for name, amount, cap in (
        (items.usd_name(period), wanted.pico, ceiling.pico),
        (items.tokens_name(period), wanted.tokens, ceiling.tokens),
    ):
        if amount:
            update.count(name, amount)
            if cap is not None:
                update.require_at_most(name, cap - amount)


def _replace(update: Update, period: str, reserved: Count, spent: Count) -> None:
    for name, old, new in (
        (items.usd_name(period), reserved.pico, spent.pico),
        (items.tokens_name(period), reserved.tokens, spent.tokens),
    ):
        if old or new:
            update.count(name, new - old, otherwise=old)
