"""Waiting for a coroutine from code that is not asynchronous, also inside a running event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
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
        return asyncio.run(work())
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(asyncio.run(work()))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            done.set_exception(error)

    Thread(target=run, name="prompt-cache-warmer", daemon=True).start()
    return done.result()
