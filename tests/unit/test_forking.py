"""Locks over a fork: a child never inherits one that somebody was holding."""

from __future__ import annotations

import gc
import os
import threading
import warnings
import weakref
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.forking import hold_at_fork

if TYPE_CHECKING:
    from collections.abc import Callable

FREE, LOCKED, BROKEN = 0, 1, 2
WAIT_SECONDS = 5.0  # a lock that is not free by then never will be


def in_child(check: Callable[[], bool]) -> int:
    """Run a check in a forked child and return how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child == 0:
        verdict = BROKEN
        try:
            verdict = FREE if check() else LOCKED
        finally:
            os._exit(verdict)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_free(lock: threading.Lock) -> bool:
    """Whether a lock can be taken."""
    return lock.acquire(timeout=WAIT_SECONDS)


def test_a_child_never_inherits_a_lock_that_a_thread_of_its_parent_holds() -> None:
    """Threads hold two locks nearly all the time; in every child both are free, and so are they in the parent."""
    locks = [threading.Lock(), threading.Lock()]
    for lock in locks:
        hold_at_fork(lock)
    is_over = threading.Event()

    def work(lock: threading.Lock) -> None:
        while not is_over.is_set():
            with lock:
                sum(range(20_000))

    threads = [threading.Thread(target=work, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    try:
        verdicts = {in_child(lambda: all(map(is_free, locks))) for _ in range(8)}
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert verdicts == {FREE}
    assert all(map(is_free, locks))


def test_a_lock_is_held_while_the_process_forks() -> None:
    """A lock that another thread holds is waited for: the fork happens only when it is given back."""
    lock, order = threading.Lock(), list[str]()
    hold_at_fork(lock)
    is_held, is_forking = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            is_held.set()
            is_forking.wait(WAIT_SECONDS)
            sum(range(500_000))
            order.append("released")

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(WAIT_SECONDS)
    os.register_at_fork(before=is_forking.set)  # what is registered later runs first
    verdict = in_child(lambda: order == ["released"] and is_free(lock))
    thread.join()
    assert verdict == FREE


def test_a_fork_in_a_child_works_as_well() -> None:
    """A child gives everything back, so it may fork again."""
    lock = threading.Lock()
    hold_at_fork(lock)
    assert in_child(lambda: in_child(lambda: is_free(lock)) == FREE) == FREE


def test_locks_may_be_announced_again_after_a_fork() -> None:
    """Neither the parent nor the child waits for ever when a lock is added after a fork."""

    def add() -> bool:
        lock = threading.Lock()
        hold_at_fork(lock)
        return is_free(lock)

    assert in_child(add) == FREE
    assert add()


def test_a_lock_is_forgotten_with_its_owner() -> None:
    """Being held at forks keeps no lock alive."""
    lock = threading.Lock()
    hold_at_fork(lock)
    gone = weakref.ref(lock)
    del lock
    gc.collect()
    assert gone() is None
    assert in_child(lambda: True) == FREE
