"""Schedules: warm at an interval, in a background thread or as a task of the running event loop."""

from __future__ import annotations

import asyncio
import atexit
import warnings
from contextlib import suppress
from threading import Event, Lock, Thread, current_thread
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from prompt_cache_warmer.adapters.forking import hold_at_fork
from prompt_cache_warmer.adapters.own_thread import in_own_thread
from prompt_cache_warmer.errors import ArgumentTypeError, ArgumentValueError
from prompt_cache_warmer.library.warming.holding import PrefixWarning
from prompt_cache_warmer.library.warming.ticking import INTERVAL_SECONDS, Ticking
from prompt_cache_warmer.library.warming.warmer import AsyncCacheWarmer, CacheWarmer

if TYPE_CHECKING:
    from prompt_cache_warmer.library.warming.holding import Holding
    from prompt_cache_warmer.library.warming.mode import Mode
    from prompt_cache_warmer.library.warming.results import WarmResult
    from prompt_cache_warmer.library.warming.ticking import OnError, OnResult

# How long stopping waits for a call under way; the call itself goes on and nothing follows it.
STOP_SECONDS = 5.0
# At the interpreter's exit nobody wants to wait for a call whose result nobody will see.
EXIT_SECONDS = 0.5
# As many calls in an entry's life as this are a mistake: one just before its end would do.
WASTEFUL_TICKS = 10


class WarmSchedule:
    """Warms at an interval in a background thread, from ``start`` to ``stop`` or inside a ``with`` block.

    Every entry is called at every interval. As soon as its traffic is reported (``warmer.touch``), the service's own
    rule decides: it is called when it would lapse before the next tick, and left alone where refreshing it costs
    more than a cold start. Schedules in several processes that share a state make one call per entry and interval.

    A tick that fails is told to ``on_error`` and logged once; the schedule goes on. It does not run on in a forked
    child (call ``start`` there), and it does not keep the interpreter alive.

    Args:
        warmer: what it warms with.
        interval_seconds: seconds between two ticks.
        on_result: told of every tick's result, in the schedule's thread.
        on_error: told of every error: what the client raised for an entry, or why a whole tick failed.

    Raises:
        ArgumentTypeError: for a warmer that is not a ``CacheWarmer``, or an interval that is no number.
        ArgumentValueError: for an interval that is not allowed.
    """

    def __init__(
        self,
        *,
        warmer: CacheWarmer,
        interval_seconds: float = INTERVAL_SECONDS,
        on_result: OnResult | None = None,
        on_error: OnError | None = None,
    ) -> None:
        _check_warmer(warmer, CacheWarmer)
        self._warmer = warmer
        self._interval_seconds = interval_seconds
        self._ticking = Ticking(
            interval_seconds=interval_seconds,
            on_result=on_result,
            on_error=on_error,
            clock=warmer.holding.clock,
        )
        self._runner: _Runner | None = None
        self._lock = Lock()
        hold_at_fork(self._lock)

    @property
    def is_running(self) -> bool:
        """Whether ticks go on, in this process."""
        runner = self._runner
        return runner is not None and runner.is_running

    def start(self) -> Self:
        """Begin to tick, at once and then at the interval; does nothing where it has begun.

        Raises:
            ArgumentValueError: when the warmer has no target.

        Warns:
            PrefixWarning: where every entry will have lapsed at each tick, or ten ticks and more fit into its life.
        """
        _check_interval(self._warmer.holding, self._interval_seconds)
        with self._lock:
            if not self.is_running:
                self._runner = _Runner(self._ticking, self._warmer)
        return self

    def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> bool:
        """End the ticks and wait for a call under way.

        Args:
            timeout_seconds: how long to wait; a call that takes longer ends by itself, and nothing follows it.

        Returns:
            Whether nothing is under way any more.
        """
        with self._lock:
            runner, self._runner = self._runner, None
        return runner is None or runner.stop(timeout_seconds)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class AsyncWarmSchedule:
    """``WarmSchedule`` as a task of the running event loop: ``await start()``, ``await stop()``, ``async with``.

    Args:
        warmer: what it warms with.
        interval_seconds: seconds between two ticks.
        on_result: told of every tick's result.
        on_error: told of every error: what the client raised for an entry, or why a whole tick failed.

    Raises:
        ArgumentTypeError: for a warmer that is not an ``AsyncCacheWarmer``, or an interval that is no number.
        ArgumentValueError: for an interval that is not allowed.
    """

    def __init__(
        self,
        *,
        warmer: AsyncCacheWarmer,
        interval_seconds: float = INTERVAL_SECONDS,
        on_result: OnResult | None = None,
        on_error: OnError | None = None,
    ) -> None:
        _check_warmer(warmer, AsyncCacheWarmer)
        self._warmer = warmer
        self._interval_seconds = interval_seconds
        self._ticking = Ticking(
            interval_seconds=interval_seconds, on_result=on_result, on_error=on_error, clock=warmer.holding.clock
        )
        self._task: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()

    @property
    def is_running(self) -> bool:
        """Whether ticks go on."""
        return self._task is not None and not self._task.done()

    async def start(self) -> Self:
        """Begin to tick in the running event loop; does nothing where it has begun.

        Raises:
            ArgumentValueError: when the warmer has no target.

        Warns:
            PrefixWarning: as ``WarmSchedule.start``.
        """
        _check_interval(self._warmer.holding, self._interval_seconds)
        if not self.is_running:
            stopped = self._stopped = asyncio.Event()
            ticks = self._ticking.run(self._warmer.run, stopped, is_stopping=stopped.is_set)
            self._task = asyncio.create_task(ticks)
        return self

    async def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> None:
        """End the ticks; a call under way is waited for, and given up after ``timeout_seconds``."""
        task, self._task = self._task, None
        if task is None or task is asyncio.current_task():  # a callback may stop the schedule that called it
            self._stopped.set()
            return
        self._stopped.set()
        await asyncio.wait([task], timeout=timeout_seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


class _Runner:
    """One life of a schedule's thread, from a start to a stop."""

    def __init__(self, ticking: Ticking, warmer: CacheWarmer) -> None:
        self._ticking = ticking
        self._warmer = warmer
        self._stopping = Event()
        self._loop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._thread = Thread(target=self._main, name="prompt-cache-warmer schedule", daemon=True)
        self._thread.start()
        _runners.add(self)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive() and not self._stopping.is_set()

    def stop(self, timeout_seconds: float) -> bool:
        self._stopping.set()
        if not self._thread.is_alive():  # in a forked child it never is
            return True
        if self._loop is not None:
            loop, stopped = self._loop
            with suppress(RuntimeError):  # the loop has just closed
                loop.call_soon_threadsafe(stopped.set)
        if self._thread is current_thread():  # a callback may stop the schedule that called it
            return False
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _main(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        stopped = asyncio.Event()
        self._loop = (asyncio.get_running_loop(), stopped)
        if self._stopping.is_set():  # it was stopped before there was a loop to tell
            return
        await self._ticking.run(self._warm, stopped, is_stopping=self._stopping.is_set)

    async def _warm(self, mode: Mode) -> WarmResult:
        return await in_own_thread(lambda: self._warmer.run(mode))


def _check_warmer(warmer: object, wanted: type) -> None:
    if not isinstance(warmer, wanted):
        is_other = isinstance(warmer, CacheWarmer | AsyncCacheWarmer)
        other = "AsyncWarmSchedule" if wanted is CacheWarmer else "WarmSchedule"
        advice = f"; use {other} for it" if is_other else ""
        raise ArgumentTypeError("warmer", f"a value of type {type(warmer).__name__} is no {wanted.__name__}{advice}")


def _check_interval(holding: Holding, interval_seconds: float) -> None:
    """Refuse a schedule without targets, and warn of an interval that does not go with their times to live."""
    if not holding.names:
        raise ArgumentValueError("warmer", "it has no target; call its add() first")
    shortest, longest = holding.ttl_seconds
    if interval_seconds >= shortest:
        message = f"an interval of {interval_seconds:g} s finds entries of {shortest} s lapsed at every tick"
        warnings.warn(f"interval_seconds: {message}; each would be written anew", PrefixWarning, stacklevel=3)
    elif interval_seconds * WASTEFUL_TICKS <= longest:
        message = f"an interval of {interval_seconds:g} s calls entries of {longest} s {longest / interval_seconds:.0f}"
        advice = "a longer interval, or traffic reported with touch(), saves most of them"
        warnings.warn(f"interval_seconds: {message} times in their life; {advice}", PrefixWarning, stacklevel=3)


def stop_all() -> None:
    """Stop every schedule of this process; called at the interpreter's exit."""
    for runner in list(_runners):
        runner.stop(EXIT_SECONDS)


_runners: WeakSet[_Runner] = WeakSet()
atexit.register(stop_all)
