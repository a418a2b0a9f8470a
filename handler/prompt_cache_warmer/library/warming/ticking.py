"""Ticking: what both schedules do, in whatever event loop they are given.

Ticks come at the multiples of the interval since 1970, and one at once at the start. So they never drift,
and processes that share a state tick together: the first to come makes the call of the interval, the
others find that it was made.
"""

from __future__ import annotations

import asyncio
import logging
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from prompt_cache_warmer.errors import CacheWarmerError
from prompt_cache_warmer.library.arguments import checked_callback, checked_seconds
from prompt_cache_warmer.library.warming.mode import Mode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from prompt_cache_warmer.library.warming.results import WarmResult
    from prompt_cache_warmer.ports import Clock

    OnResult = Callable[[WarmResult], object]
    OnError = Callable[[Exception], object]

# The article's four minutes: what a 5-minute entry needs, with a minute for whatever comes late.
INTERVAL_SECONDS = 240.0
SHORTEST_INTERVAL_SECONDS = 0.01  # for tests; nobody should call an API that often
LONGEST_INTERVAL_SECONDS = 24 * 60 * 60.0  # no entry lives longer than an hour; a day is surely a mistake in the unit
# How late a timer of the process may come under load; the service's own schedule promises a minute.
JITTER_SECONDS = 5.0
# A call made this short before a tick counts as the tick's own: an entry that was written a moment ago may be
# missed, and would be written again. Never more than a quarter of the interval, so that short ones still tick.
JUST_CALLED_SECONDS = 10.0
_JUST_CALLED_PART = 4

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = logging.getLogger("prompt_cache_warmer")


class Ticking:
    """Ticks until it is told to stop; it never dies of an exception and never overlaps itself.

    Args:
        interval_seconds: seconds between two ticks.
        on_result: told of every tick's result.
        on_error: told of everything that went wrong.
        clock: the time.

    Raises:
        ArgumentTypeError: for an interval that is no number.
        ArgumentValueError: for one that is not allowed.
    """

    def __init__(
        self,
        *,
        interval_seconds: float,
        on_result: OnResult | None,
        on_error: OnError | None,
        clock: Clock,
    ) -> None:
        for name, callback in (("on_result", on_result), ("on_error", on_error)):
            checked_callback(name, callback)
        seconds = checked_seconds(
            "interval_seconds", interval_seconds, at_least=SHORTEST_INTERVAL_SECONDS, at_most=LONGEST_INTERVAL_SECONDS
        )
        self._interval = timedelta(seconds=seconds)
        self._just_called = min(timedelta(seconds=JUST_CALLED_SECONDS), self._interval / _JUST_CALLED_PART)
        self._on_result = on_result
        self._on_error = on_error
        self._clock = clock
        self._warned: set[tuple[str, ...]] = set()

    async def run(
        self, warm: Callable[[Mode], Awaitable[WarmResult]], stopped: asyncio.Event, *, is_stopping: Callable[[], bool]
    ) -> None:
        """Tick at once, and then at every multiple of the interval, until ``stopped`` is set.

        Args:
            warm: makes one run.
            stopped: ends the wait for the next tick.
            is_stopping: says so at once, also to the run under way, which then begins no further call.
        """
        due_at = self._last_multiple(self._clock.now())
        while not stopped.is_set():
            await self._tick(warm, due_at, is_stopping)
            now = self._clock.now()
            due_at = self._last_multiple(now) + self._interval
            await _sleep(self._clock, (due_at - now).total_seconds(), unless=stopped)

    async def _tick(
        self, warm: Callable[[Mode], Awaitable[WarmResult]], due_at: datetime, is_stopping: Callable[[], bool]
    ) -> None:
        mode = Mode(
            scheduled_at=due_at - self._just_called,
            interval_seconds=self._interval.total_seconds(),
            jitter_seconds=JITTER_SECONDS,
            remaining_seconds=lambda: 0.0 if is_stopping() else math.inf,
        )
        try:
            result = await warm(mode)
        except Exception as error:  # noqa: BLE001 - a schedule outlives whatever happens to one tick
            kind = type(error).__name__
            words = f"{kind}: {error}" if isinstance(error, CacheWarmerError) else kind  # others may quote a prompt
            self._failed(error, "tick", kind, words=f"a tick failed: {words}")
            return
        for failure in result.failures:
            where = (failure.target, failure.model, failure.code or "")
            words = f"{failure.target} on {failure.model} could not be warmed: {failure.reason}"
            self._failed(failure.error, *where, words=words)
        if self._on_result is not None:
            self._tell(self._on_result, result)

    def _failed(self, error: Exception | None, *what: str, words: str) -> None:
        """Warn of an error the first time it comes, and tell the callback every time."""
        if what not in self._warned:
            self._warned.add(what)
            _log.warning("%s", words)
        if error is not None and self._on_error is not None:
            self._tell(self._on_error, error)

    def _tell(self, callback: Callable[[T], object], what: T) -> None:
        """Call a callback; what it raises is warned of once and stops nothing."""
        try:
            callback(what)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - see above; SystemExit ends no schedule either
            kind = type(error).__name__
            if ("callback", kind) not in self._warned:
                self._warned.add(("callback", kind))
                _log.warning("a callback of the schedule raised %s", kind)

    def _last_multiple(self, at: datetime) -> datetime:
        return at - (at - _EPOCH) % self._interval


async def _sleep(clock: Clock, seconds: float, *, unless: asyncio.Event) -> None:
    """Wait for a time, or until an event is set."""
    waits = [asyncio.ensure_future(clock.sleep(seconds)), asyncio.ensure_future(unless.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
