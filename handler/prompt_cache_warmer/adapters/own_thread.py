"""Blocking work in a thread of its own, awaited.

Not in an executor: its threads are waited for at the end of a loop and of the interpreter, so a call that
hangs would keep the process alive. These are daemons and are left behind.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

from prompt_cache_warmer.errors import TransportError

T = TypeVar("T")


def is_cancelled() -> bool:
    """Tell whether somebody cancelled the running task; if not, a ``CancelledError`` is what its work raised."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def in_own_thread(work: Callable[[], T]) -> T:
    """Do blocking work and wait for it; whoever stops waiting leaves it behind."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, error: Exception | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type] # no error, so it is the work's own result

    def run() -> None:
        result: T | None = None
        error: Exception | None = None
        try:
            result = context.run(work)
        except Exception as raised:  # noqa: BLE001 - it is raised again where the work is awaited
            error = raised if not isinstance(raised, StopIteration) else _failed(raised)  # no future can carry that one
        except BaseException as raised:  # noqa: BLE001 - as it is it would end the loop it is awaited in
            error = _failed(raised)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="prompt-cache-warmer call", daemon=True).start()
    return await done


def _failed(raised: BaseException) -> TransportError:
    error = TransportError(f"the call raised {type(raised).__name__}")
    error.__cause__ = raised
    return error
