"""Room for bodies in flight: a bound on bytes, so that memory does not grow with the number of entries."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Room:
    """Hands out bytes, first come, first served; an entry waits until there is room for it.

    A body larger than the whole room takes all of it, so that it goes alone instead of never.
    """

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._free_bytes = total_bytes
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def take(self, size_bytes: int) -> AsyncIterator[None]:
        """Hold room for ``size_bytes`` while the body is in memory."""
        wanted = min(size_bytes, self._total_bytes)
        async with self._turn:
            while self._free_bytes < wanted:
                self._freed.clear()
                await self._freed.wait()
            self._free_bytes -= wanted
        try:
            yield
        finally:
            self._free_bytes += wanted
            self._freed.set()
