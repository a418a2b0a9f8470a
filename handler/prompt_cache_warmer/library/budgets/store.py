"""Where a budget pool is kept: the port that the stores in memory and in DynamoDB fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from prompt_cache_warmer.values.pool import PoolAmount, PoolCaps, PoolHold, PoolState


@runtime_checkable
class PoolStore(Protocol):
    """Keeps one pool; any number of threads, and of processes where it is shared, may use it at once.

    Every change is one step that happens whole or not at all, and the times are the caller's. Every method
    raises ``StateUnavailableError`` when the store cannot be reached or refuses.
    """

    def record(self, amount: PoolAmount, *, caps: PoolCaps, now: datetime) -> None:
        """Count an amount as used.

        Raises:
            PoolExhaustedError: when a cap has no room for it; nothing is changed.
        """

    def reserve(self, amount: PoolAmount, *, caps: PoolCaps, lease: timedelta, now: datetime) -> PoolHold:
        """Hold an amount for a call, until it is committed, released, or the lease is over.

        Raises:
            PoolExhaustedError: when a cap has no room for it; nothing is changed.
        """

    def commit(self, hold: PoolHold, spent: PoolAmount, *, now: datetime) -> bool:
        """Count what was spent as used, whatever the caps are, in the place of what was held, if it still is.

        The same commit may be tried again for ``values.pool.RETRY`` after an error, and is counted once.

        Returns:
            Whether it was counted: not when the pool was reset since.
        """

    def release(self, hold: PoolHold, *, now: datetime) -> None:
        """Give back what is held, if it still is."""

    def read(self, *, now: datetime) -> PoolState:
        """Return what is used and held now."""

    def reset(self, *, now: datetime) -> int:
        """Forget what is used and held; resets at the same time are one.

        Returns:
            The new generation.
        """
