"""One tracker, many threads, tasks and processes."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import pytest

from prompt_cache_warmer.library.tracking.tracker import CacheTracker
from tests.interpreter import printed
from tests.tracker_cases import ask, usage

THREADS = 200
STRESS_SECONDS = 5.0  # what the project promises; it counts what is recorded, it does not time it


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
def test_200_threads_on_one_tracker_lose_nothing() -> None:
    """cachebench: "thread safety": 200 threads for 5 seconds, every call and token of theirs is in the sums."""
    tracker = CacheTracker(max_history=1_000, alert_threshold=0.5, on_alert=lambda _: None, prices={})
    create = tracker.wrap(lambda **_: {"usage": usage(read=7, wrote=3)})
    counts = [0] * THREADS
    begin = threading.Barrier(THREADS + 1)

    def work(number: int) -> None:
        request = ask(f"prompt {number % 5}")
        begin.wait()
        until = time.monotonic() + STRESS_SECONDS
        while time.monotonic() < until:
            create(**request)
            counts[number] += 1
            if counts[number] % 50 == 0:
                tracker.by_prefix()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    begin.wait()
    for thread in threads:
        thread.join()
    total = tracker.aggregate()
    assert min(counts) > 0
    assert total.calls == total.unpriced_calls == sum(counts)
    assert (total.read_tokens, total.write_5m_tokens) == (7 * sum(counts), 3 * sum(counts))
    assert len(tracker.history) == min(1_000, sum(counts))


async def test_tasks_on_one_tracker_lose_nothing() -> None:
    """Calls of one event loop that overlap are each recorded."""
    tracker = CacheTracker()

    async def answer(**_: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"usage": usage(read=7)}

    create = tracker.wrap(answer)
    await asyncio.gather(*(create(**ask(str(number % 7))) for number in range(500)))
    assert (tracker.aggregate().calls, tracker.aggregate().read_tokens) == (500, 3_500)
    assert len(tracker.by_prefix()) == 7


def test_a_child_process_can_record() -> None:
    """A fork while other threads record leaves the child a tracker that works."""
    script = """
import os, threading, warnings
from prompt_cache_warmer import CacheTracker
warnings.simplefilter("ignore")
tracker, is_over = CacheTracker(prices={}, max_history=1), threading.Event()
usage = {"usage": {"input_tokens": 0, "cache_read_input_tokens": 1}}

def work():
    while not is_over.is_set():
        tracker.record(usage)

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(20):
    child = os.fork()
    if child == 0:
        before = tracker.aggregate().calls
        tracker.record(usage)
        os._exit(0 if tracker.aggregate().calls == before + 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
is_over.set()
print("done")
"""
    assert printed(script) == "done\n"


def test_a_stream_dropped_while_the_tracker_is_locked_waits_for_nobody() -> None:
    """Garbage may be collected at any moment, so a stream that ends there takes no lock; it is counted afterwards."""

    class Loop:
        """Keeps a stream alive until the collector finds both."""

    tracker = CacheTracker(prices={})
    create = tracker.wrap(lambda **_: iter([{"message": {"usage": usage(read=1)}}]))
    threshold = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for _ in range(300):
            loop = Loop()
            loop.stream, loop.self = create(**ask()), loop  # type: ignore[attr-defined]  # a cycle, on purpose
            next(loop.stream)  # type: ignore[attr-defined]  # see above
            tracker.record(usage(read=1))
    finally:
        gc.set_threshold(*threshold)
    del loop
    gc.collect()
    assert tracker.aggregate().read_tokens == 600
