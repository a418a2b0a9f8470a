"""Marks this process's own warm calls, so that an observer on the same client does not take them for traffic.

The mark stands in the context of the task or thread that makes the call, and never in the request.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_is_warming: ContextVar[bool] = ContextVar("prompt_cache_warmer_is_warming", default=False)


@contextmanager
def warming() -> Iterator[None]:
    """Mark every request that is begun inside as the warmer's own."""
    token = _is_warming.set(True)
    try:
        yield
    finally:
        _is_warming.reset(token)


def is_warming() -> bool:
    """Whether a request that is begun now is the warmer's own."""
    return _is_warming.get()
