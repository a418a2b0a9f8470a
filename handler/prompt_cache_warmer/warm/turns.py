"""The turns of one run: which due call a worker makes next.

Without pacing it is the next one in order. With it, calls are spread over the run by a stable phase of each
entry, and those of one credential and model keep one pace on the rate limits they share with the application.
Where nothing is known of those, the most urgent call goes first, at once: what the last run deferred has its turn
even where it is more than the share.
The most urgent call whose pace lets it go is next; no worker waits for one pace while another has a call that
may go, and none waits for what cannot go before the run's end: that is left to the next run at once.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.pace import Cost, Pace
from prompt_cache_warmer.rules.retry import needed_seconds
from prompt_cache_warmer.rules.spread import delay_seconds, spread_seconds
from prompt_cache_warmer.warm.docket import known_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.rate_limits import RateLimits
    from prompt_cache_warmer.values.state import EntryKey
    from prompt_cache_warmer.warm.called import Called
    from prompt_cache_warmer.warm.claims import RunLimits, Twins
    from prompt_cache_warmer.warm.docket import Case


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A call that waits for its turn; the lowest rank is the most urgent.

    Attributes:
        rank: its place in the order of the run.
        twins: the entries it is for.
        cost: what it is expected to take of the limits.
    """

    rank: int
    twins: Twins = field(compare=False)
    cost: Cost = field(compare=False)


@dataclass(slots=True)
class _Lane:
    """Calls of one pace that are alike: cheap ones need not stand behind one that waits for tokens.

    Attributes:
        pace: their pace.
        waiting: those whose moment has come, a heap.
    """

    pace: Pace
    waiting: list[_Waiting] = field(default_factory=list)


@dataclass(slots=True)
class _UnderWay:
    """A call that a worker has in hand.

    Attributes:
        pace: its pace.
        cost: what it was expected to take.
        is_heard: whether an answer of it said what remains.
    """

    pace: Pace
    cost: Cost
    is_heard: bool = False


class Turns:
    """Hands out the due calls of one run.

    Args:
        due: the calls, the most urgent first.
        limits: what bounds the run; its share of the rate limits says whether calls are paced.
        clock: the time.
        paces: the paces of earlier runs of this process, by model and credential; this run's come to them.
        remaining_seconds: says at any moment how much time the run has left.
        is_refused: tells whether a call would not be made anyway, so that it need not wait.
        defer: told of each call that cannot go before the run's end, and why.
    """

    def __init__(
        self,
        due: Iterable[Twins],
        *,
        limits: RunLimits,
        clock: Clock,
        paces: dict[tuple[str, str], Pace],
        remaining_seconds: Callable[[], float],
        is_refused: Callable[[Twins], bool],
        defer: Callable[[Twins, str], None],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._paces = paces
        self._remaining_seconds = remaining_seconds
        self._is_refused = is_refused
        self._defer = defer
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._lanes: dict[tuple[str, str, bool], _Lane] = {}
        self._later: list[tuple[float, _Waiting]] = []  # by the moment of their turn, a heap
        self._under_way: dict[EntryKey, _UnderWay] = {}
        self._in_order = iter(due)
        if limits.rate_limit_share_percent is not None:
            self._spread(limits.rate_limit_share_percent)

    async def next(self) -> Twins | None:
        """Wait for the next call that may go and return it; None when there is none left."""
        if not self._lanes:
            return next(self._in_order, None)
        async with self._turn:
            while self._is_any_left:
                at = self._clock.monotonic_seconds()
                self._bring_in(at)
                waits: list[float] = [self._later[0][0] - at] if self._later else []
                twins = self._pick(at, waits)
                if twins is not None:
                    return twins
                if self._is_any_left:
                    await self._pause(min(waits, default=math.inf))
        return None

    def hear(self, twins: Twins, limits: RateLimits, retry_after_seconds: float | None) -> None:
        """Take in what an answer to a call said of the limits."""
        under_way = self._under_way.get(twins[0].entry.key)
        if under_way is not None:
            under_way.is_heard |= limits.requests is not None
            pace, at, now = under_way.pace, self._clock.monotonic_seconds(), self._clock.now()
            pace.hear(limits, at=at)
            if under_way.is_heard:
                pace.told(now)
            if retry_after_seconds is not None:
                pace.hold(retry_after_seconds, now=now, at=at)

    def done(self, twins: Twins, called: Called | None = None) -> None:
        """Take in that a call is over; what is told of it later changes nothing.

        Args:
            twins: whose call.
            called: what became of it; None where none was made.
        """
        under_way = self._under_way.pop(twins[0].entry.key, None)
        if under_way is not None:
            used = None if called is None else _used(called, under_way.cost)
            at = self._clock.monotonic_seconds()
            under_way.pace.end(under_way.cost, used, at=at, is_heard=under_way.is_heard)
            self._changed.set()

    @property
    def _is_any_left(self) -> bool:
        return bool(self._later) or any(lane.waiting for lane in self._lanes.values())

    def _spread(self, share_percent: int) -> None:
        """Give every call its lane and its moment."""
        due = list(self._in_order)
        startable_seconds = self._remaining_seconds() - needed_seconds(self._limits.request_timeout_seconds)
        spread = spread_seconds(len(due), startable_seconds=startable_seconds)
        at = self._clock.monotonic_seconds()
        now = self._clock.now()
        self._paces.update({key: pace.as_of(now, at=at) for key, pace in self._paces.items()})
        probed = {key for key, pace in self._paces.items() if pace.is_answered}
        for rank, twins in enumerate(due):
            case = twins[0]
            lapses_in = _lapses_in_seconds(case)
            model, credential, is_cold = case.entry.model, case.entry.credential, lapses_in is None
            key = (model, credential)
            pace = self._paces.setdefault(key, Pace(share_percent=share_percent, workers=self._limits.workers))
            self._lanes.setdefault((*key, is_cold), _Lane(pace))
            delay = delay_seconds(case.entry.key, spread=spread, lapses_in_seconds=lapses_in) if key in probed else 0.0
            probed.add(key)  # the most urgent call is the probe, at once
            self._later.append((at + delay, _Waiting(rank, twins, _expected(case, is_cold=is_cold))))
        heapq.heapify(self._later)

    def _bring_in(self, at: float) -> None:
        """Let those whose moment has come into their lanes."""
        while self._later and self._later[0][0] <= at:
            _, waiting = heapq.heappop(self._later)
            case = waiting.twins[0]
            lane = self._lanes[case.entry.model, case.entry.credential, _lapses_in_seconds(case) is None]
            heapq.heappush(lane.waiting, waiting)

    def _pick(self, at: float, waits: list[float]) -> Twins | None:
        """Take the most urgent call that may go; add to ``waits`` how long the others have to wait."""
        for lane in sorted((lane for lane in self._lanes.values() if lane.waiting), key=lambda lane: lane.waiting[0]):
            while lane.waiting:
                first = lane.waiting[0]
                wait = lane.pace.wait_seconds(first.cost, at=at)
                if wait == 0:
                    heapq.heappop(lane.waiting)
                    lane.pace.start(first.cost, at=at)
                    self._under_way[first.twins[0].entry.key] = _UnderWay(lane.pace, first.cost)
                    return first.twins
                if self._is_refused(first.twins):
                    return heapq.heappop(lane.waiting).twins
                if wait is None:  # the probe's answer, or its end, is told
                    waits.append(lane.pace.probe_seconds(at=at))
                    break
                if wait < math.inf and wait <= self._startable_seconds():
                    waits.append(wait)
                    break
                self._defer(heapq.heappop(lane.waiting).twins, lane.pace.reason(first.cost, at=at))
        return None

    def _startable_seconds(self) -> float:
        return self._remaining_seconds() - needed_seconds(self._limits.request_timeout_seconds)

    async def _pause(self, seconds: float) -> None:
        """Wait that long, or until a call is over: an answer may change everything."""
        self._changed.clear()
        ends: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._changed.wait())]
        if seconds < math.inf:
            ends.append(asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)


def _lapses_in_seconds(case: Case) -> float | None:
    """Say when an entry lapses, from the moment of its decision; None where it is cold."""
    lapses_at, now = case.decision.lapses_at, case.decision.tick.now
    return (lapses_at - now).total_seconds() if lapses_at is not None and lapses_at > now else None


def _expected(case: Case, *, is_cold: bool) -> Cost:
    """Say what a call will probably take: a write takes the whole prefix, a refresh next to nothing."""
    if not is_cold:
        return Cost()
    return Cost(input_tokens=known_tokens(case.state) or case.entry.target.prefix_tokens)


def _used(called: Called, expected: Cost) -> Cost:
    """Say what a call took; what got no answer, or one without a usage, as much as was expected."""
    call, usage = called.result.call, called.result.usage
    requests = 1 if call is None else call.attempts
    if usage is not None and usage.is_reported:
        return Cost(requests, usage.uncached_tokens + usage.written_tokens)
    return Cost(requests, expected.input_tokens if called.unanswered else 0)
