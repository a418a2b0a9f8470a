"""The run's ledger where leasing takes time: workers that need more at the same moment do not starve each other."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import OverloadedError
from prompt_cache_warmer.values.caps import Caps
from tests.fakes import FakeMessages
from tests.house import House, numbered

if TYPE_CHECKING:
    from datetime import date

    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.snapshot import Lease


class SlowState(MemoryState):
    """A state whose leases take a moment, as a table's do, so that several are under way at once."""

    async def lease(self, wanted: Amount, *, caps: Caps, day: date) -> Lease:
        """Let the others go first, then lease."""
        await asyncio.sleep(0)
        return await super().lease(wanted, caps=caps, day=day)


class UncountedMessages(FakeMessages):
    """An API that answers calls and does not count, so that a call is bounded by its bytes: four times its tokens."""

    async def count_tokens(self, call: WarmCall, *, timeout_seconds: float) -> int:
        """Refuse."""
        raise OverloadedError(f"529 for {call.model} within {timeout_seconds:g} s")


def house(cap: str) -> House:
    """Return ten entries of 28,000 bytes: a write is expected to cost 0.026 USD, and uncounted may cost 0.105."""
    documents = numbered(10)
    return House(documents, messages=UncountedMessages(), store=SlowState(), caps=Caps(usd_per_day=Decimal(cap)))


async def test_workers_that_lease_more_at_the_same_moment_are_all_served() -> None:
    """What was expected suffices for two calls; 1 USD has room for the worst case of all ten, so none is capped."""
    roomy = house("1")
    report = await roomy.run()
    assert (len(roomy.messages.calls), report.skipped) == (10, {})


async def test_workers_that_lease_more_at_the_same_moment_keep_within_the_cap() -> None:
    """0.28 USD have room for two worst cases at once; whatever is called then, the day stays within them."""
    tight = house("0.28")
    report = await tight.run()
    assert report.cost_usd <= Decimal("0.28")
    assert report.skipped == {"stack-day-cap": 10 - len(tight.messages.calls)}
