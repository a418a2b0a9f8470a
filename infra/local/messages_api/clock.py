"""The emulator's clock: what tests and the demo move so that nobody waits for a cache to expire.

Cache lifetimes, rate-limit windows and diagnostics run on it. Simulated latency does not: that is
real time, because a client's timeouts are real.
"""

from __future__ import annotations

import threading
import time

FROZEN_START_SECONDS = 1_767_225_600.0  # 2026-01-01T00:00:00Z: whole, so that sums of whole seconds are exact


class EmulatorClock:
    """Seconds since the epoch: real monotonic time plus an offset, or an offset alone when frozen.

    Safe to use from several threads.
    """

    def __init__(self, *, frozen: bool = False) -> None:
        self._lock = threading.Lock()
        self._is_frozen = frozen
        self._origin_seconds = FROZEN_START_SECONDS if frozen else time.time()
        self._monotonic_origin_seconds = time.monotonic()

    def now_seconds(self) -> float:
        """Tell the time, in seconds since the epoch."""
        with self._lock:
            return self._read()

    def advance(self, seconds: float) -> None:
        """Move the clock forward.

        Raises:
            ValueError: `seconds` is negative; entries that have lapsed do not come back.
        """
        if seconds < 0:
            raise ValueError(f"a clock moves forward only; got {seconds} seconds, allowed is 0 or more")
        with self._lock:
            self._origin_seconds += seconds

    def freeze(self) -> None:
        """Stop real time from moving the clock; from now on only `advance` does."""
        with self._lock:
            self._origin_seconds = self._read()
            self._is_frozen = True

    def _read(self) -> float:
        if self._is_frozen:
            return self._origin_seconds
        return self._origin_seconds + (time.monotonic() - self._monotonic_origin_seconds)
