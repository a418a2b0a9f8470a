"""Waiting for a coroutine from code that is not asynchronous, also inside a running event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

T = TypeVar("T")


def wait_for(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end in an event loop of its own.

    Where a loop is running already, as in a notebook, a thread of its own runs it and this one waits, just
    as it would wait for any other blocking call.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run(work)
    done: Future[T] = Future()
    context = copy_context()  # tracing goes by it

    def run() -> None:
        try:
            done.set_result(context.run(_run, work))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            done.set_exception(error)

    Thread(target=run, name="prompt-cache-warmer", daemon=True).start()
    return done.result()


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a new loop; unlike ``asyncio.run`` it leaves the loop that the thread may have set alone."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        return runner.run(work())
