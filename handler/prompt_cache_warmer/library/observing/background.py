"""A thread that does an observer's network work, one in each process, so that no request ever waits for it."""

from __future__ import annotations

import atexit
import os
from collections import deque
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING
from weakref import WeakSet

from prompt_cache_warmer.adapters.forking import hold_at_fork

if TYPE_CHECKING:
    from collections.abc import Callable

# At the interpreter's exit what waits is sent for as long as this; a dead network holds nobody up for longer.
EXIT_SECONDS = 2.0


class Background:
    """Does work when it is due, when it is woken, and when it is flushed.

    The thread is started when it is first needed, is a daemon, and is started anew in a forked child. What is
    still waiting at the interpreter's exit is flushed.

    Args:
        work: does what is due, or everything when it is told so, and returns how many seconds until more is due;
            it may be told of a flush that somebody else began. It never raises.
    """

    def __init__(self, work: Callable[[bool], float]) -> None:
        self._work = work
        self._process: _Process | None = None
        self._lock = Lock()
        hold_at_fork(self._lock)
        _to_flush.add(self)

    def wake(self) -> None:
        """Look for work soon."""
        self._here().wake.set()

    def flush(self, timeout_seconds: float) -> bool:
        """Do all work there is and wait for it.

        Args:
            timeout_seconds: how long to wait; what takes longer goes on.

        Returns:
            Whether it was all done in that time.
        """
        done = Event()
        process = self._here()
        process.flushes.append(done)
        process.wake.set()
        return done.wait(timeout_seconds)

    def stop(self) -> None:
        """End the thread; it is started again when there is more to do."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.is_stopped = True
            process.wake.set()

    def _here(self) -> _Process:
        process = self._process
        if process is not None and process.pid == os.getpid():
            return process
        with self._lock:
            if self._process is None or self._process.pid != os.getpid():
                self._process = _Process(self._work)
            return self._process

    @property
    def is_started(self) -> bool:
        """Whether it has a thread in this process."""
        return self._process is not None and self._process.pid == os.getpid()


class _Process:
    """The thread of one process."""

    def __init__(self, work: Callable[[bool], float]) -> None:
        self.pid = os.getpid()
        self.wake = Event()
        self.flushes: deque[Event] = deque()
        self.is_stopped = False
        self._work = work
        Thread(target=self._run, name="prompt-cache-warmer observer", daemon=True).start()

    def _run(self) -> None:
        due_seconds = 0.0
        while not self.is_stopped:
            self.wake.wait(due_seconds)
            self.wake.clear()
            flushes = [self.flushes.popleft() for _ in range(len(self.flushes))]
            due_seconds = self._work(bool(flushes))
            for done in flushes:
                done.set()


_to_flush: WeakSet[Background] = WeakSet()


@atexit.register
def _flush_all() -> None:
    for background in list(_to_flush):
        if background.is_started:
            background.flush(EXIT_SECONDS)
