"""The thread of an observer: woken, flushed, stopped, and started again when it is gone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.library.observing import background as module
from prompt_cache_warmer.library.observing.background import EXIT_SECONDS, Background

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_SECONDS = 10.0
NAME = "prompt-cache-warmer observer"


class Work:
    """Notes how it was asked, and may be held up or end its thread."""

    def __init__(self, *, every_seconds: float = 60.0) -> None:
        self.every_seconds = every_seconds
        self.asked: list[bool] = []
        self.before: Callable[[], object] = lambda: None
        self.is_done = threading.Event()

    def __call__(self, everything: bool) -> float:  # noqa: FBT001 - the background's one question
        """Work."""
        self.before()
        self.asked.append(everything)
        self.is_done.set()
        return self.every_seconds

    def wait(self) -> None:
        """Wait until it is done once more."""
        assert self.is_done.wait(WAIT_SECONDS)
        self.is_done.clear()


def ours() -> set[threading.Thread]:
    """Return the threads of observers."""
    return {thread for thread in threading.enumerate() if thread.name == NAME}


@pytest.fixture
def work() -> Work:
    """Return work."""
    return Work()


def test_no_thread_is_started_before_there_is_work(work: Work) -> None:
    """And one for all of it then, a daemon."""
    before = ours()
    background = Background(work)
    assert (background.is_started, ours()) == (False, before)
    background.wake()
    work.wait()
    background.wake()
    background.flush(WAIT_SECONDS)
    (thread,) = ours() - before
    assert (background.is_started, thread.daemon) == (True, True)
    background.stop()
    thread.join(WAIT_SECONDS)
    assert (thread.is_alive(), background.is_started) == (False, False)


def test_work_is_done_at_the_start_and_whenever_it_is_woken(work: Work) -> None:
    """Only what is due, then; a flush asks for everything, and has it when it returns."""
    background = Background(work)
    background.wake()
    work.wait()
    assert background.flush(WAIT_SECONDS)
    work.is_done.clear()
    background.wake()
    work.wait()
    assert work.asked[-2:] == [True, False]
    background.stop()


def test_work_that_is_due_is_done_without_being_woken() -> None:
    """After as long as it said itself."""
    work = Work(every_seconds=0.001)
    background = Background(work)
    background.wake()
    for _ in range(3):
        work.wait()
    background.stop()


def test_a_flush_that_takes_too_long_says_so_and_goes_on(work: Work) -> None:
    """The next one finds it done."""
    may_go_on = threading.Event()
    work.before = lambda: may_go_on.wait(WAIT_SECONDS)
    background = Background(work)
    assert not background.flush(0.01)
    may_go_on.set()
    assert background.flush(WAIT_SECONDS)
    background.stop()


def test_a_flush_that_began_before_the_end_is_still_done(work: Work) -> None:
    """Stopping gives nothing up."""
    is_here, may_go_on = threading.Event(), threading.Event()

    def hold() -> None:
        is_here.set()
        may_go_on.wait(WAIT_SECONDS)

    work.before = hold
    background = Background(work)
    background.wake()
    assert is_here.wait(WAIT_SECONDS)
    done = background.begin_flush()
    background.stop()
    may_go_on.set()
    assert done is not None
    assert done.wait(WAIT_SECONDS)
    assert work.asked[-1] is True


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is what is tested
def test_a_thread_that_died_is_started_again(work: Work) -> None:
    """A callback that is called in it may end it; the flush that it took along is not said to be done."""
    before = ours()

    def end() -> None:
        work.before = lambda: None
        raise SystemExit

    work.before = end
    background = Background(work)
    background.wake()
    for thread in ours() - before:
        thread.join(WAIT_SECONDS)
    assert background.flush(WAIT_SECONDS)
    work.before = end
    done = background.begin_flush()
    for thread in ours() - before:
        thread.join(WAIT_SECONDS)
    assert done is not None
    assert not done.is_set()
    assert background.flush(WAIT_SECONDS)
    background.stop()


def test_stopping_what_was_never_started_does_nothing(work: Work) -> None:
    """Nor does stopping twice."""
    background = Background(work)
    background.stop()
    background.wake()
    background.stop()
    background.stop()


def test_where_no_thread_can_be_started_nothing_is_raised(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at the interpreter's end; whoever comes later tries again."""
    background = Background(work)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        background.wake()
        assert not background.flush(WAIT_SECONDS)
        assert not background.is_started
    assert background.flush(WAIT_SECONDS)
    background.stop()


def test_two_threads_that_wake_it_at_once_start_one_thread() -> None:
    """And every flush of any of them is done."""
    before = ours()
    work = Work()
    background = Background(work)
    barrier = threading.Barrier(20)
    done: list[bool] = []

    def flush() -> None:
        barrier.wait()
        done.append(background.flush(WAIT_SECONDS))

    threads = [threading.Thread(target=flush) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True] * 20
    assert len(ours() - before) == 1
    background.stop()


def test_at_the_exit_all_that_are_started_are_flushed_at_once() -> None:
    """Those that hang hold it up for two seconds together, and those that were never started do nothing."""
    may_go_on = threading.Event()
    idle, quick, stuck = Work(), Work(), Work()
    backgrounds = [Background(each) for each in (idle, quick, stuck)]
    for background in backgrounds[1:]:
        background.wake()
    quick.wait()
    stuck.wait()
    stuck.before = lambda: may_go_on.wait(WAIT_SECONDS)
    exits = threading.Thread(target=module._flush_all)
    exits.start()
    exits.join(EXIT_SECONDS + WAIT_SECONDS)
    may_go_on.set()
    assert (EXIT_SECONDS, quick.asked[-1], idle.asked) == (2.0, True, [])
    for background in backgrounds:
        background.stop()
