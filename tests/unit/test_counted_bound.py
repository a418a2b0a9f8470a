"""The bound on a call's tokens: the API's own count, and never more than its bytes can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.values.targets import entries
from prompt_cache_warmer.warm.caller import Caller
from tests.fakes import FakeClock, FakeMessages, target

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.request import WarmCall


class Miscounting(FakeMessages):
    """A Messages API whose next count is nonsense, and every later one right."""

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Count."""
        counted = await super().count_tokens(call, timeout_seconds=timeout_seconds)
        return 10**30 if len(self.counted) == 1 else counted


async def test_a_count_beyond_the_bytes_is_bounded_by_them() -> None:
    """A count is remembered as long as the sandbox lives: a wrong one would hold the entry back for as long."""
    whole = target()
    (entry,) = entries((whole.summary,))
    caller = Caller(messages=Miscounting(), clock=FakeClock(), request_timeout_seconds=60)
    bound = await caller.bounded_tokens(entry, caller.prepare(entry, whole), remaining_seconds=60)
    assert bound is not None
    assert 30_000 < bound < 40_000  # 2,000 times "You are support. " are 34,000 bytes
