"""Locks that survive ``os.fork``: a child never inherits one that some thread of its parent was holding.

A fork copies only the forking thread, so a lock that another thread held at that moment would stay locked in
the child for ever. Therefore the forking thread takes all of them before the fork and gives them back after it,
in the parent and in the child. What a lock guards is whole in the child for the same reason.

Only for locks that are held for moments, by holders that take no other lock of this kind and do not fork.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock
from typing import Protocol
from weakref import WeakSet


class ForkableLock(Protocol):
    """What a fork needs of a lock: both of ``threading``'s will do."""

    def acquire(self) -> bool:
        """Take it, when it is free."""
        ...

    def release(self) -> None:
        """Give it back."""
        ...


# Guards what is below; it is held over a fork as well, so that two forks at once take the locks one after the other.
_registry = Lock()
_locks: WeakSet[ForkableLock] = WeakSet()
_held: list[ForkableLock] = []


def hold_at_fork(lock: ForkableLock) -> None:
    """Hold a lock over every fork for as long as it exists; on a platform without forks nothing happens."""
    with _registry:
        _locks.add(lock)


def _hold() -> None:
    _registry.acquire()
    for lock in list(_locks):
        lock.acquire()
        _held.append(lock)


def _release() -> None:
    while _held:
        _held.pop().release()
    _registry.release()


with suppress(AttributeError):  # a platform without forks has nothing to register with
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
