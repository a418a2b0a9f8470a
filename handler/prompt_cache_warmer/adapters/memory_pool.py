"""A budget pool in this process's memory: lost with the process, and shared by all of its threads."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from prompt_cache_warmer.adapters.forking import hold_at_fork
from prompt_cache_warmer.values.pool import NOTHING, PoolAmount, PoolCaps, PoolHold, PoolState, exhausted

if TYPE_CHECKING:
    from datetime import datetime, timedelta

# Of what is forgotten, so much is nothing to look for.
_FEW_HOLDS = 64


class MemoryPool:
    """A ``PoolStore`` in memory; every change is made under one lock that a fork finds free."""

    def __init__(self) -> None:
        self._lock = Lock()
        hold_at_fork(self._lock)
        self._generation = 0
        self._taken = NOTHING
        self._holds: dict[str, PoolHold] = {}
        self._drop_at = _FEW_HOLDS

    def record(self, amount: PoolAmount, *, caps: PoolCaps, now: datetime) -> None:
        """Count an amount as used."""
        with self._lock:
            self._take(amount, caps, now)

    def reserve(self, amount: PoolAmount, *, caps: PoolCaps, lease: timedelta, now: datetime) -> PoolHold:
        """Hold an amount for a call, until it is committed, released, or the lease is over."""
        with self._lock:
            self._take(amount, caps, now)
            if len(self._holds) >= self._drop_at:  # what was forgotten goes although no cap is ever reached
                self._drop_expired(now)
                self._drop_at = max(_FEW_HOLDS, 2 * len(self._holds))  # so that a reservation looks at two on average
            hold = PoolHold(uuid4().hex, self._generation, amount, now + lease)
            self._holds[hold.id] = hold
            return hold

    def commit(self, hold: PoolHold, spent: PoolAmount, *, now: datetime) -> bool:  # noqa: ARG002 - see ``reset``
        """Count what was spent as used in the place of what was held, if it still is."""
        with self._lock:
            if hold.generation != self._generation:
                return False
            self._give_back(hold)
            self._taken += spent
            return True

    def release(self, hold: PoolHold, *, now: datetime) -> None:  # noqa: ARG002 - see ``reset``
        """Give back what is held, if it still is."""
        with self._lock:
            self._give_back(hold)

    def read(self, *, now: datetime) -> PoolState:
        """Return what is used and held now."""
        with self._lock:
            self._drop_expired(now)
            held = sum((hold.amount for hold in self._holds.values()), start=NOTHING)
            return PoolState(self._generation, self._taken, held)

    def reset(self, *, now: datetime) -> int:  # noqa: ARG002 - a store that is kept needs the time
        """Forget what is used and held."""
        with self._lock:
            self._generation += 1
            self._taken = NOTHING
            self._holds.clear()
            return self._generation

    def _take(self, amount: PoolAmount, caps: PoolCaps, now: datetime) -> None:
        if exhausted(caps, taken=self._taken, wanted=amount) is not None:
            self._drop_expired(now)
            refusal = exhausted(caps, taken=self._taken, wanted=amount)
            if refusal is not None:
                raise refusal
        self._taken += amount

    def _give_back(self, hold: PoolHold) -> None:
        if self._holds.pop(hold.id, None) is not None:
            self._taken -= hold.amount

    def _drop_expired(self, now: datetime) -> None:
        for hold in [hold for hold in self._holds.values() if hold.until <= now]:
            self._give_back(hold)
