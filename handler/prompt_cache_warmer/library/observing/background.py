"""A thread that does an observer's network work, one in each process, so that no request ever waits for it."""

from __future__ import annotations

import atexit
import os
import time
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
        """Look for work soon; where no thread can be started, whoever comes next tries again."""
        process = self._here()
        if process is not None:
            process.wake.set()

    def flush(self, timeout_seconds: float) -> bool:
        """Do all work there is and wait for it.

        Args:
            timeout_seconds: how long to wait; what takes longer goes on.

        Returns:
            Whether it was all done in that time.
        """
        done = self.begin_flush()
        return done is not None and done.wait(timeout_seconds)

    def begin_flush(self) -> Event | None:
        """Begin to do all work there is; returns what is set afterwards, None where no thread can be started."""
        process = self._here()
        if process is None:
            return None
        done = Event()
        process.flushes.append(done)
        process.wake.set()
        return done

    def stop(self) -> None:
        """End the thread; it is started again when there is more to do."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.is_stopped = True
            process.wake.set()

    def _here(self) -> _Process | None:
        process = self._process
        if process is not None and process.is_running:
            return process
        with self._lock:
            if self._process is None or not self._process.is_running:
                try:
                    self._process = _Process(self._work)
                except RuntimeError:  # too many threads, or the interpreter is ending
                    return None
            return self._process

    @property
    def is_started(self) -> bool:
        """Whether it has a thread in this process."""
        process = self._process
        return process is not None and process.is_running


class _Process:
    """The thread of one process."""

    def __init__(self, work: Callable[[bool], float]) -> None:
        self.pid = os.getpid()
        self.wake = Event()
        self.flushes: deque[Event] = deque()
        self.is_stopped = False
        self._work = work
        self._thread = Thread(target=self._run, name="prompt-cache-warmer observer", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is this process's and alive: a callback in it may have ended it."""
        return self.pid == os.getpid() and self._thread.is_alive()

    def _run(self) -> None:
        due_seconds = 0.0
        while self.flushes or not self.is_stopped:
            self.wake.wait(due_seconds)
            self.wake.clear()
            flushes = [self.flushes.popleft() for _ in range(len(self.flushes))]
            due_seconds = self._work(bool(flushes))
            for done in flushes:
                done.set()


_to_flush: WeakSet[Background] = WeakSet()


@atexit.register
def _flush_all() -> None:
    until_seconds = time.monotonic() + EXIT_SECONDS
    flushes = [background.begin_flush() for background in list(_to_flush) if background.is_started]
    for done in filter(None, flushes):
        done.wait(max(0.0, until_seconds - time.monotonic()))
