"""The run's ledger where leasing takes time: workers that need more at the same moment do not starve each other."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.memory_state import MemoryState
from prompt_cache_warmer.errors import OverloadedError
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.situation import Tick
from prompt_cache_warmer.values.caps import NO_CAPS, Caps
from prompt_cache_warmer.values.snapshot import Snapshot
from prompt_cache_warmer.values.targets import entries
from prompt_cache_warmer.warm.claims import twins_of
from prompt_cache_warmer.warm.docket import docket
from tests.fakes import EPOCH, FakeMessages, document, target
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


class RecordingState(MemoryState):
    """A state that notes what is leased."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[Decimal] = []

    async def lease(self, wanted: Amount, *, caps: Caps, day: date) -> Lease:
        """Note it, then lease."""
        self.wanted.append(wanted.known_usd)
        return await super().lease(wanted, caps=caps, day=day)


async def test_a_large_run_leases_a_few_times_and_each_time_as_much_as_before() -> None:
    """Two hundred writes, four at a time: five doublings, and a kill takes at most as much again as was spent."""
    store = RecordingState()
    large = House(numbered(200), store=store, caps=Caps(usd_per_day=Decimal(100)), max_concurrency=4)
    report = await large.run()
    first, *later = store.wanted
    assert report.count(Outcome.WARMED) == 200
    assert len(store.wanted) <= 8
    assert first <= 5 * max(result.cost_usd or Decimal(0) for result in report.results)
    leased = first
    for wanted in later:
        assert wanted == leased
        leased += wanted


def test_twins_stand_in_the_same_order_in_every_run() -> None:
    """Whatever was deferred or lapses first, so that two runs ask for the same one first."""
    request = document()["request"]
    found = entries(tuple(target(name=name, request=request).summary for name in "bca"))
    ((*twins,),) = twins_of(docket(found, Snapshot(), Tick(EPOCH, 240), caps=NO_CAPS))
    assert [case.entry.target.name for case in twins] == ["a", "b", "c"]
