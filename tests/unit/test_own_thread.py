"""Blocking work in a thread of its own, and waiting for coroutines where nothing is asynchronous."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from prompt_cache_warmer.adapters.own_thread import in_own_thread
from prompt_cache_warmer.errors import TransportError
from prompt_cache_warmer.library.warming.blocking import wait_for

WAIT_SECONDS = 10.0
place: contextvars.ContextVar[str] = contextvars.ContextVar("place", default="nowhere")


async def test_work_is_done_elsewhere_and_its_result_comes_back() -> None:
    """In a daemon thread, with the context of whoever asked, as tracing needs it."""
    place.set("here")
    thread, seen = await in_own_thread(lambda: (threading.current_thread(), place.get()))
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert seen == "here"


async def test_what_work_raises_is_raised_where_it_is_awaited() -> None:
    """As it is."""
    with pytest.raises(KeyError, match="lost"):
        await in_own_thread(lambda: dict[str, int]()["lost"])


async def test_what_would_end_a_loop_is_an_error_there() -> None:
    """``SystemExit`` and the like are the work's, and no order to whoever awaits it."""

    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(TransportError, match="the call raised SystemExit") as raised:
        await in_own_thread(leave)
    assert isinstance(raised.value.__cause__, SystemExit)


async def test_whoever_stops_waiting_leaves_the_work_behind() -> None:
    """Its result comes to nobody, and disturbs nobody."""
    release, done = threading.Event(), threading.Event()
    disturbed: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: disturbed.append(context))

    def work() -> None:
        release.wait(WAIT_SECONDS)
        done.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await in_own_thread(work)
    release.set()
    await asyncio.to_thread(done.wait, WAIT_SECONDS)
    await asyncio.sleep(0.05)  # the late result is handed to the loop, which drops it
    assert disturbed == []


def test_work_may_outlive_its_loop() -> None:
    """It ends later and finds nobody."""
    begun, release = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        begun.set()
        release.wait(WAIT_SECONDS)

    async def leave() -> None:
        task = asyncio.create_task(in_own_thread(work))
        await asyncio.to_thread(begun.wait, WAIT_SECONDS)
        task.cancel()

    asyncio.run(leave())
    release.set()
    threads[0].join(WAIT_SECONDS)
    assert not threads[0].is_alive()


async def answer() -> int:
    """Answer, after a moment."""
    await asyncio.sleep(0)
    return 42


async def fail() -> int:
    """Fail, after a moment."""
    await asyncio.sleep(0)
    raise KeyError("lost")


def test_a_coroutine_is_waited_for() -> None:
    """In a loop of its own, where there is none."""
    assert wait_for(answer) == 42
    with pytest.raises(KeyError, match="lost"):
        wait_for(fail)


async def test_a_coroutine_is_waited_for_inside_a_running_loop() -> None:
    """In a thread of its own, because a loop cannot run inside another."""
    assert wait_for(answer) == 42
    with pytest.raises(KeyError, match="lost"):
        wait_for(fail)
