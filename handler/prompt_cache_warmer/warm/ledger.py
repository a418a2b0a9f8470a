"""The run's ledger: claims, reservations and what was really spent.

A part of the stack's allowance is leased when the first call is about to be made, as much as can be in flight
at once, and more when it is used up: twice as much each time, so that a run of any size leases a few times,
and one that dies takes hardly more with it than it had spent. What a call may cost at worst is reserved
together with the entry's claim in one write, the real cost takes its place in the next one, and what is left
of the leases goes back. A call that may be billed without an answer is counted at its worst case.

A worst case is many times what a refresh costs. So where a cap has no room while calls of this run are
under way, an entry waits for what they return instead of going cold.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.ports import ClaimAnswer, ClaimRequest, Commit
from prompt_cache_warmer.rules.budget import tightest_of_stack
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.money import NOTHING, Amount

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime

    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.snapshot import Lease
    from prompt_cache_warmer.values.state import Breaker, Warmth
    from prompt_cache_warmer.warm.docket import Case


class Ledger:
    """Claims entries and keeps account of one run's spending.

    Args:
        store: where claims and spending are kept.
        owner: the run's own name in it.
        caps: the stack's caps.
        day: the UTC day the run is counted to, also when it ends on the next one.
        in_flight: what may be in flight at once, which is leased when the first call is about to be made: a run that
            dies before it takes nothing with it.

    Attributes:
        spent: what the run spent so far.
    """

    def __init__(self, store: StateStore, *, owner: str, caps: Caps, day: date, in_flight: Amount = NOTHING) -> None:
        self._store = store
        self._owner = owner
        self._caps = caps
        self._day = day
        self._in_flight = in_flight
        self._opening = asyncio.Lock()
        self._leases: list[Lease] = []
        self._leased = NOTHING
        self._left = NOTHING
        self._open = NOTHING
        self._under_way: Counter[str] = Counter()
        self._returned = asyncio.Condition()
        self._returns = 0
        self._is_exhausted = False
        self.spent = NOTHING

    async def claim(
        self, case: Case, worst: Amount, *, until: Callable[[], datetime], is_in_time: Callable[[], bool]
    ) -> ClaimRequest | Reason | None:
        """Claim an entry for a call that may cost ``worst``; nothing for an entry that another's call warms.

        Args:
            case: the entry.
            worst: what its call may cost.
            until: says when a claim that is made now ends by itself.
            is_in_time: says whether a call may still start.

        Returns:
            The claim, the reason why there is none, or None when its time was over before there was room.
        """
        target = case.entry.target.name
        while True:
            returns = self._returns  # noted first, so that one that comes while the store is asked is not missed
            answer = await self._claim_once(case, worst, until=until())
            is_own_doing = self._under_way.total() if answer in _STACK_CAPS else self._under_way[target]
            if answer not in (*_STACK_CAPS, Reason.TARGET_DAY_CAP) or not is_own_doing:
                return answer
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS), self._returned:
                    await self._returned.wait_for(lambda: self._returns != returns)  # noqa: B023 - awaited in its turn
            if not is_in_time():
                return None

    async def commit(self, request: ClaimRequest, *, spent: Amount, warmth: Warmth | None, breaker: Breaker) -> bool:
        """Put what was spent in the place of what was reserved, and keep what the call proved.

        Returns:
            Whether the claim was still held.
        """
        self._left += request.amount - spent
        self._open -= request.amount
        self.spent += spent
        try:
            return await self._store.commit(Commit(request, spent=spent, warmth=warmth, breaker=breaker))
        finally:
            self._under_way[request.key.target] -= 1
            self._returns += 1
            async with self._returned:
                self._returned.notify_all()

    async def close(self) -> None:
        """Return what is left of the leases; a call whose end nobody saw counts as spent at its worst case."""
        spent = [self.spent + self._open, *[NOTHING] * len(self._leases)]
        await asyncio.gather(
            *(self._store.settle(lease, spent=part) for lease, part in zip(self._leases, spent, strict=False))
        )

    async def _claim_once(self, case: Case, worst: Amount, *, until: datetime) -> ClaimRequest | Reason:
        async with self._opening:
            if not self._leases:
                await self._take(self._in_flight)
        while self._lacks(worst) and not self._is_exhausted:  # other workers may use what was leased for this one
            await self._extend(worst)
        if self._lacks(worst):
            return tightest_of_stack(case.allowances, worst)
        target = case.entry.target
        self._left -= worst  # before the next wait, so that no other worker counts on it
        self._under_way[target.name] += 1
        request = ClaimRequest(
            key=case.entry.key,
            owner=self._owner,
            sequence=case.state.sequence,
            until=until,
            day=self._day,
            amount=worst,
            caps=target.caps,
        )
        answer = None
        try:
            answer = await self._store.claim(request)
        finally:
            if answer is not ClaimAnswer.GRANTED:
                self._left += worst
                self._under_way[target.name] -= 1
        if answer is ClaimAnswer.GRANTED:
            self._open += worst
            return request
        return Reason.CLAIMED if answer is ClaimAnswer.TAKEN else Reason.TARGET_DAY_CAP

    def _lacks(self, worst: Amount) -> bool:
        """Tell whether what is left of the leases is too little for a call, under the caps there are."""
        caps = self._caps
        is_in_usd = caps.usd_per_day is not None or caps.usd_per_month is not None
        is_in_tokens = caps.tokens_per_day is not None or caps.tokens_per_month is not None
        return (is_in_usd and worst.known_usd > self._left.known_usd) or (
            is_in_tokens and worst.tokens > self._left.tokens
        )

    async def _extend(self, worst: Amount) -> None:
        """Lease as much again as was leased so far, and at least what a call lacks; less than that is all there is."""
        missing = worst - self._left
        wanted = Amount(
            max(missing.known_usd, self._leased.known_usd, Decimal(0)), max(missing.tokens, self._leased.tokens, 0)
        )
        granted = await self._take(wanted)
        self._is_exhausted = granted.known_usd < wanted.known_usd or granted.tokens < wanted.tokens

    async def _take(self, wanted: Amount) -> Amount:
        lease = await self._store.lease(wanted, caps=self._caps, day=self._day)
        self._leases.append(lease)
        self._leased += lease.amount
        self._left += lease.amount
        return lease.amount


def longest_claim_seconds(request_timeout_seconds: float) -> float:
    """Say how long one entry's requests can take at most, the wait before a retry included."""
    return request_timeout_seconds * _REQUESTS_PER_CLAIM + max(request_timeout_seconds, _WAIT_SECONDS)


def lease_end(now: datetime, *, remaining_seconds: float, request_timeout_seconds: float) -> datetime:
    """Say when a claim ends by itself: with the run, or after as long as one entry's requests can take."""
    longest_seconds = longest_claim_seconds(request_timeout_seconds)
    return now + timedelta(seconds=min(remaining_seconds, longest_seconds))


# Nobody waits for a return that never comes: the run's time is looked at this often.
_LOOK_AGAIN_SECONDS = 5.0
_STACK_CAPS = (Reason.STACK_DAY_CAP, Reason.STACK_MONTH_CAP)
# A request, its retry, and once more with one token where 0 is refused; before the retry there is a wait.
_REQUESTS_PER_CLAIM = 3
_WAIT_SECONDS = 30.0
