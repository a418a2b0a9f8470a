"""Requests that may have kept an entry alive without anybody knowing: those under way, and those nobody could read.

A request restarts an entry's life when it starts, and what it read is known when it ends, if ever. Until then, and
where its answer was lost, whatever it asked may be alive because of it.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING
from weakref import ref

from prompt_cache_warmer.adapters.forking import hold_at_fork

if TYPE_CHECKING:
    from datetime import datetime
    from weakref import ReferenceType

# Of one process; beyond it the oldest are forgotten, which lie further back than any entry lives.
MAX_UNEXPLAINED = 4_096


class OpenCalls:
    """Knows when the last such request of a model started. Safe to use from any thread, and over a fork."""

    def __init__(self) -> None:
        self._numbers = count()
        self._open: dict[int, tuple[ReferenceType[object], str, datetime]] = {}
        self._unexplained: deque[tuple[str, datetime]] = deque(maxlen=MAX_UNEXPLAINED)
        self._lock = Lock()
        hold_at_fork(self._lock)

    def begin(self, call: object, model: str, at: datetime) -> int:
        """Note that a request of a model is sent; returns its number.

        Args:
            call: what lives as long as somebody waits for the answer.
            model: the model.
            at: when it started.
        """
        number = next(self._numbers)
        with self._lock:
            self._open[number] = ref(call), model, at
        return number

    def end(self, number: int) -> None:
        """Note that all is known of a request."""
        with self._lock:
            self._open.pop(number, None)

    def unexplained(self, model: str, at: datetime) -> None:
        """Note that a request may have touched any entry of its model."""
        self._unexplained.append((model, at))

    def latest_before(self, model: str, at: datetime) -> datetime | None:
        """Return when the last request started that may have touched any entry of a model before a time."""
        with self._lock:
            for number, (call, of_model, started_at) in list(self._open.items()):
                if call() is None:  # nobody will ever tell how it ended
                    self._unexplained.append((of_model, started_at))
                    del self._open[number]
            noted = [*self._unexplained, *((of_model, started_at) for _, of_model, started_at in self._open.values())]
        return max(
            (started_at for of_model, started_at in noted if of_model == model and started_at < at), default=None
        )

    def forget(self) -> None:
        """Begin anew in a forked child: its parent's requests are not its own."""
        with self._lock:
            self._open = {}
        self._unexplained.clear()
