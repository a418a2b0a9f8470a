"""What can be told of a callable before it is called."""

from __future__ import annotations

import inspect


def is_async_callable(value: object) -> bool:
    """Tell whether a callable is known to be asynchronous: a coroutine function, or an object called as one."""
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, "__call__", None))  # noqa: B004 - the method itself is asked about
