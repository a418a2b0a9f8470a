"""A budget pool in one item of the state table, shared by every process that names it.

The item ``pool/<name>`` counts what is taken, that is used or held, so that one condition compares it
with a cap and no write waits for another. ``hold <generation> <id>`` is an amount held for a call, with
the time it ends by itself; ``mark <generation> <id>`` says that a write was made, so that a second try
of it counts nothing, the SDK's or a caller's; its time is until when one may begin. A mark is removed by
the same process's next write. What outlived its time is swept by whichever write comes upon it. An item
that is not written for ``RETENTION_DAYS`` goes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from prompt_cache_warmer.adapters import state_items as items
from prompt_cache_warmer.adapters.state_records import milliseconds, number
from prompt_cache_warmer.adapters.state_update import Update
from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.values.pool import (
    NOTHING,
    RETRY,
    CapName,
    PoolAmount,
    PoolCaps,
    PoolHold,
    PoolState,
    exhausted,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prompt_cache_warmer.adapters.state_items import Item
    from prompt_cache_warmer.adapters.state_records import Value
    from prompt_cache_warmer.adapters.state_table import StateTable

# A sweep costs two writes; as rarely as this they are nothing, and as often what dead processes leave
# behind stays far below DynamoDB's 400 KB.
SWEEP_SECONDS = 300
# Longer than every try of one write together (three of at most 18 s) and what clocks differ by.
MARK_SECONDS = 120
# Each is a condition or a placeholder of an expression, which holds 4 KB and 300 operators.
REMOVED_PER_WRITE = 50
# Each attempt but the last has seen a reset or swept: more sweeps than a full item needs at 50 holds each.
ATTEMPTS = 64

_GENERATION = "generation"
_SWEEP_AT = "sweep_at"
_HOLD = "hold"
_MARK = "mark"
_UNTIL = "until"
_TAKEN: dict[CapName, str] = {
    "max_input_tokens": "taken input_tokens",
    "max_output_tokens": "taken output_tokens",
    "max_total_tokens": "taken total_tokens",
    "max_usd": "taken usd",
}


class DynamoDbPool:
    """A ``PoolStore`` in a DynamoDB table.

    Args:
        table: the table.
        name: the pool's name; pools of the same name are one.
    """

    def __init__(self, table: StateTable, name: str) -> None:
        self._table = table
        self._key = f"pool/{name}"
        self._generation = 0  # as it was last seen: a wrong one costs a refused write
        self._finished: deque[str] = deque()  # marks of writes that are over

    def record(self, amount: PoolAmount, *, caps: PoolCaps, now: datetime) -> None:
        """Count an amount as used."""
        mark = self._take(amount, caps, now, lambda generation: (_name(_MARK, generation, uuid4().hex), _time(now)))
        self._finished.append(mark)

    def reserve(self, amount: PoolAmount, *, caps: PoolCaps, lease: timedelta, now: datetime) -> PoolHold:
        """Hold an amount for a call, until it is committed, released, or the lease is over."""
        until = now + lease
        value = {"M": {"input": number(amount.input_tokens), "output": number(amount.output_tokens)}}
        value["M"] |= {"usd": number(amount.pico_usd), _UNTIL: _time(until)}
        name = self._take(amount, caps, now, lambda generation: (_name(_HOLD, generation, uuid4().hex), value))
        _, generation, hold_id = name.split(" ")
        return PoolHold(hold_id, int(generation), amount, until)

    def commit(self, hold: PoolHold, spent: PoolAmount, *, now: datetime) -> bool:
        """Count what was spent as used in the place of what was held, if it still is."""
        held, mark = _name(_HOLD, hold.generation, hold.id), _name(_MARK, hold.generation, hold.id)

        def committing(change: PoolAmount) -> Update:
            update = self._update(hold.generation, now)
            _count(update, change)
            update.put(mark, _time(now + RETRY))
            return update

        update = committing(spent - hold.amount)
        update.require_present(held)
        update.remove(held)
        refused_by = self._write(update)
        if refused_by is not None:  # its lease was over and it was swept, or it is committed, or of an old generation
            update = committing(spent)
            update.require_absent(mark)
            refused_by = self._write(update)
        if refused_by is None or mark in refused_by:
            self._finished.append(mark)
            return True
        return False

    def release(self, hold: PoolHold, *, now: datetime) -> None:
        """Give back what is held, if it still is."""
        update = self._update(hold.generation, now)
        name = _name(_HOLD, hold.generation, hold.id)
        update.require_present(name)
        update.remove(name)
        _count(update, NOTHING - hold.amount)
        self._write(update)

    def read(self, *, now: datetime) -> PoolState:
        """Return what is used and held now."""
        found = _Contents.of(self._item(), now=now)
        self._generation = found.generation
        return PoolState(found.generation, found.taken - found.expired, found.held)

    def reset(self, *, now: datetime) -> int:
        """Forget what is used and held; resets at the same time are one."""
        item = self._item()
        generation = items.number_in(item, _GENERATION)
        update = self._update(generation, now)
        update.put(_GENERATION, number(generation + 1))
        for name in _TAKEN.values():
            update.put(name, number(0))
        update.remove(*[name for name in item if name.startswith(_HOLD)][:REMOVED_PER_WRITE])
        refused_by = self._write(update)
        self._generation = generation + 1 if refused_by is None else items.number_in(refused_by, _GENERATION)
        return self._generation

    def _take(
        self, amount: PoolAmount, caps: PoolCaps, now: datetime, attribute: Callable[[int], tuple[str, Value]]
    ) -> str:
        """Add to what is taken if the caps have room; returns the name of the attribute that stands for it."""
        generation = self._generation
        name, value = attribute(generation)
        for _ in range(ATTEMPTS):
            update = self._update(generation, now)
            update.require_absent(name)
            update.put(name, value)
            update.require_above(_SWEEP_AT, milliseconds(now))
            update.put_if_absent(_SWEEP_AT, _time(now + timedelta(seconds=SWEEP_SECONDS)))
            _count(update, amount)
            for cap, limit in caps.items():
                if amount.under(cap):
                    update.require_at_most(_TAKEN[cap], limit - amount.under(cap))
            item = self._write(update)
            if item is None or name in item:  # written now, or by an earlier try whose answer was lost
                return name
            found = _Contents.of(item, now=now)
            if found.generation != generation:
                self._generation = generation = found.generation
                name, value = attribute(generation)
            elif found.is_sweep_due or found.expired != NOTHING:
                self._sweep(found, now)
            else:
                refusal = exhausted(caps, taken=found.taken, wanted=amount)
                if refusal is not None:
                    raise refusal
        raise StateUnavailableError(f"{self._key!r} could not be changed in {ATTEMPTS} attempts: too many resets")

    def _sweep(self, found: _Contents, now: datetime) -> None:
        """Remove what outlived its time, and give back what was held; whoever comes first does it."""
        update = self._update(found.generation, now)
        holds = dict(list(found.expired_holds.items())[:REMOVED_PER_WRITE])
        for name in holds:
            update.require_present(name)
        update.remove(*holds)
        rest = found.leftovers[:REMOVED_PER_WRITE]
        update.remove(*rest)
        _count(update, NOTHING - sum(holds.values(), start=NOTHING))
        is_all = len(holds) == len(found.expired_holds) and len(rest) == len(found.leftovers)
        update.put(_SWEEP_AT, _time(now + timedelta(seconds=SWEEP_SECONDS if is_all else 0)))
        self._write(update)

    def _item(self) -> Item:
        return self._table.read([self._key]).get(self._key, {})

    def _update(self, generation: int, now: datetime) -> Update:
        update = Update(self._key)
        update.require_number(_GENERATION, generation)
        update.put_if_absent(items.SCHEMA_NAME, number(items.SCHEMA))
        update.put(items.EXPIRES_AT, number(items.expires_at(now.astimezone(UTC).date())))
        return update

    def _write(self, update: Update) -> Item | None:
        marks = [self._finished.popleft() for _ in range(min(len(self._finished), REMOVED_PER_WRITE))]
        update.remove(*marks)
        refused_by = self._table.write(update)
        if refused_by is not None:
            self._finished.extend(marks)
        return refused_by


@dataclass(frozen=True, slots=True)
class _Contents:
    """What stands in the item at a time.

    Attributes:
        generation: the pool's.
        taken: what is used and held, and what was held and is not given back yet.
        held: what is held.
        expired_holds: what was held of this generation, by the attribute's name.
        leftovers: old marks, and holds of earlier generations.
        is_sweep_due: whether it is time to remove them.
    """

    generation: int
    taken: PoolAmount
    held: PoolAmount
    expired_holds: dict[str, PoolAmount]
    leftovers: list[str]
    is_sweep_due: bool

    @property
    def expired(self) -> PoolAmount:
        return sum(self.expired_holds.values(), start=NOTHING)

    @staticmethod
    def of(item: Item, *, now: datetime) -> _Contents:
        generation = items.number_in(item, _GENERATION)
        held = NOTHING
        expired_holds: dict[str, PoolAmount] = {}
        leftovers = []
        for name in item:
            kind, *rest = name.split(" ")
            if kind == _HOLD:
                fields = item[name].get("M", {})
                amount = PoolAmount(*(items.number_in(fields, part) for part in ("input", "output", "usd")))
                if rest[0] != str(generation):
                    leftovers.append(name)
                elif items.number_in(fields, _UNTIL) <= milliseconds(now):
                    expired_holds[name] = amount
                else:
                    held += amount
            elif kind == _MARK and items.number_in(item, name) <= milliseconds(now) - MARK_SECONDS * 1000:
                leftovers.append(name)
        return _Contents(
            generation,
            PoolAmount(*(items.number_in(item, name) for name in (*list(_TAKEN.values())[:2], _TAKEN["max_usd"]))),
            held,
            expired_holds,
            leftovers,
            is_sweep_due=_SWEEP_AT in item and items.number_in(item, _SWEEP_AT) <= milliseconds(now),
        )


def _name(kind: str, generation: int, unique: str) -> str:
    return f"{kind} {generation} {unique}"


def _time(at: datetime) -> Value:
    return number(milliseconds(at))


def _count(update: Update, change: PoolAmount) -> None:
    for cap, name in _TAKEN.items():
        if change.under(cap):
            update.count(name, change.under(cap))
