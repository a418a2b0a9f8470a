"""A cache of target bodies, bounded in bytes: a warm sandbox keeps what it can, memory stays flat."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prompt_cache_warmer.values.targets import Target


class BodyCache:
    """Keeps the bodies used last, up to a number of bytes.

    Args:
        max_bytes: the bound; a larger body is never kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, Target] = OrderedDict()

    def get(self, source: str, version: str) -> Target | None:
        """Return the body in just this version, or None."""
        found = self._kept.get(source)
        if found is None or found.summary.version != version:
            return None
        self._kept.move_to_end(source)
        return found

    def put(self, target: Target) -> None:
        """Keep a body, dropping the least recently used ones that it displaces."""
        self.drop(target.summary.source)
        if target.summary.size_bytes > self._max_bytes:
            return
        self._kept[target.summary.source] = target
        self._bytes += target.summary.size_bytes
        while self._bytes > self._max_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.summary.size_bytes

    def drop(self, source: str) -> None:
        """Forget a body."""
        dropped = self._kept.pop(source, None)
        if dropped is not None:
            self._bytes -= dropped.summary.size_bytes
