"""The first calls of runs that share their rate limits: whose they are, and how long the others wait for them."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.errors import CallTimeoutError, RateLimitedError
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.spread import phase
from prompt_cache_warmer.values.rate_limits import RateLimit, RateLimits
from prompt_cache_warmer.values.state import EntryKey
from tests.fakes import EPOCH, MODEL, FakeClock, FakeMessages, document
from tests.house import House, numbered
from tests.shared_limits import SimulatedLoop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.ports import Answer
    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.rules.request import WarmCall

RUN_SECONDS, TICK_SECONDS = 110.0, 240.0
PLENTY = RateLimits(RateLimit(4_000, 4_000), RateLimit(2_000_000_000, 2_000_000_000))
SMALL = RateLimits(RateLimit(50, 50), RateLimit(30_000, 30_000))  # of which a share of 30 % is 9,000 tokens
Told = Counter[tuple[str, str | None]]


class LoopClock(FakeClock):
    """The simulated loop's time as the engine's clock."""

    def now(self) -> datetime:
        """Return the time."""
        return EPOCH + timedelta(seconds=self.monotonic_seconds())

    def monotonic_seconds(self) -> float:
        """Return the loop's seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait in simulated time."""
        await asyncio.sleep(seconds)


@dataclass
class Messages(FakeMessages):
    """A Messages API that takes its time and says what remains.

    Attributes:
        says: what its answers say.
        hangs: the names of targets that it never answers.
        refusal: raised in place of an answer.
        starts: the name of every call's target, in order.
    """

    says: RateLimits = PLENTY
    hangs: frozenset[str] = frozenset()
    refusal: RateLimitedError | None = None
    starts: list[str] = field(default_factory=list)

    async def send(self, call: WarmCall, *, timeout_seconds: float) -> Answer:
        """Answer after a second and a half, or never."""
        name = call.body["system"][0]["text"].removeprefix("You are ").partition(".")[0]
        self.starts.append(name)
        if name in self.hangs:
            await asyncio.sleep(timeout_seconds)
            raise CallTimeoutError("no answer")
        await asyncio.sleep(1.5)
        if self.refusal is not None:
            raise self.refusal
        return replace(await super().send(call, timeout_seconds=timeout_seconds), rate_limits=self.says)


def ticks(documents: dict[str, object], messages: Messages, *, every_seconds: Sequence[float]) -> list[RunReport]:
    """Run one after the other in simulated time, so long after the beginning of the one before."""

    async def run() -> list[RunReport]:
        clock = LoopClock()
        parts = House(documents, clock=clock, messages=messages, rate_limit_share_percent=30, max_inflight_bytes=10**7)
        reports = []
        for seconds in every_seconds:
            await asyncio.sleep(seconds)
            end = clock.monotonic_seconds() + RUN_SECONDS
            reports.append(
                await parts.warmer.run(Order(), remaining_seconds=partial(_left_seconds, clock, end_seconds=end))
            )
            await asyncio.sleep(_left_seconds(clock, end_seconds=end))
        return reports

    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(run())


def _left_seconds(clock: LoopClock, *, end_seconds: float) -> float:
    return end_seconds - clock.monotonic_seconds()


def told(report: RunReport) -> Told:
    """Count what became of entries."""
    return Counter((result.outcome.value, result.code) for result in report.results)


@pytest.mark.parametrize("hanging", [1, 3])
def test_a_first_call_that_hangs_costs_the_others_seconds(hanging: int) -> None:
    """Whichever goes first: after ten seconds without an answer another one tries, and the limits are known."""
    messages = Messages(hangs=frozenset(f"t{number:03}" for number in range(hanging)))
    for report in ticks(numbered(50), messages, every_seconds=[0, TICK_SECONDS - RUN_SECONDS] * 2):
        assert told(report) == {("warmed", None): 50 - hanging, ("failed", "timeout"): hanging}


def test_a_write_above_the_share_has_its_turn_first() -> None:
    """It can only go as the first call of a run; the entry beside it, due at every tick, does not take that always."""
    names = sorted(("support-agent", "ticket-router"), key=lambda name: phase(EntryKey(name, "default", MODEL)))
    messages = Messages(says=SMALL)
    documents: dict[str, object] = {f"targets/{name}.json": document(name) for name in names}
    reports = ticks(documents, messages, every_seconds=[0, *[TICK_SECONDS - RUN_SECONDS] * 3])
    assert [told(report)["warmed", None] for report in reports] == [1, 2, 2, 2]
    assert set(messages.starts[:2]) == set(names)


@pytest.mark.parametrize("headers", [None, {"anthropic-ratelimit-requests-limit": "50"}])
def test_a_refusal_holds_the_runs_that_come_before_its_end(headers: dict[str, str] | None) -> None:
    """Five minutes were asked for: the run after two sends nothing, whatever else the refusal said."""
    messages = Messages(
        refusal=RateLimitedError("429", http_status=429, retry_after_seconds=300.0, rate_headers=headers)
    )
    first, second, third = ticks(numbered(3), messages, every_seconds=[0, 10, TICK_SECONDS - RUN_SECONDS])
    assert (told(first)["failed", "rate-limited"], told(second)) == (1, {("deferred", "rate-limits"): 3})
    assert told(third)["failed", "rate-limited"] == 1
