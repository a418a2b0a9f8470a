"""The run's ledger: claims, reservations and what was really spent.

The stack's allowance is leased once per run, what a call may cost at worst is reserved together with
the entry's claim in one write, the real cost takes its place in the next one, and what is left of the
lease goes back. A call that may be billed without an answer is counted at its worst case. A run that
dies leaves its reservations counted as spent, so no cap is ever passed.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.ports import ClaimAnswer, ClaimRequest, Commit
from prompt_cache_warmer.rules.budget import tightest_of_stack
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.money import NOTHING, Amount

if TYPE_CHECKING:
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
        day: the UTC day the run is counted to.

    Attributes:
        spent: what the run spent so far.
    """

    def __init__(self, store: StateStore, *, owner: str, caps: Caps, day: date) -> None:
        self._store = store
        self._owner = owner
        self._caps = caps
        self._day = day
        self._leases: list[Lease] = []
        self._left = NOTHING
        self._open = NOTHING
        self._is_exhausted = False
        self.spent = NOTHING

    async def open(self, wanted: Amount) -> None:
        """Lease what the run's calls may cost together, as far as the stack's caps have room for it."""
        await self._take(wanted)

    async def claim(self, case: Case, worst: Amount, *, until: datetime) -> ClaimRequest | Reason:
        """Claim an entry for a call that may cost ``worst``; nothing for an entry that another's call warms.

        Returns:
            The claim, or the reason why there is none.
        """
        while self._lacks(worst) and not self._is_exhausted:  # other workers may use what was leased for this one
            await self._extend(worst)
        if self._lacks(worst):
            return tightest_of_stack(case.allowances, worst)
        self._left -= worst  # before the next wait, so that no other worker counts on it
        request = ClaimRequest(
            key=case.entry.key,
            owner=self._owner,
            sequence=case.state.sequence,
            until=until,
            day=self._day,
            amount=worst,
            caps=case.entry.target.caps,
        )
        try:
            answer = await self._store.claim(request)
        except BaseException:
            self._left += worst
            raise
        if answer is ClaimAnswer.GRANTED:
            self._open += worst
            return request
        self._left += worst
        return Reason.CLAIMED if answer is ClaimAnswer.TAKEN else Reason.TARGET_DAY_CAP

    async def commit(self, request: ClaimRequest, *, spent: Amount, warmth: Warmth | None, breaker: Breaker) -> bool:
        """Put what was spent in the place of what was reserved, and keep what the call proved.

        Returns:
            Whether the claim was still held.
        """
        self._left += request.amount - spent
        self._open -= request.amount
        self.spent += spent
        return await self._store.commit(Commit(request, spent=spent, warmth=warmth, breaker=breaker))

    async def close(self) -> None:
        """Return what is left of the lease; a call whose end nobody saw counts as spent at its worst case."""
        spent = self.spent + self._open
        for lease in self._leases:
            await self._store.settle(lease, spent=spent)
            spent = NOTHING

    def _lacks(self, worst: Amount) -> bool:
        """Tell whether what is left of the lease is too little for a call, under the caps there are."""
        caps = self._caps
        is_in_usd = caps.usd_per_day is not None or caps.usd_per_month is not None
        is_in_tokens = caps.tokens_per_day is not None or caps.tokens_per_month is not None
        return (is_in_usd and worst.known_usd > self._left.known_usd) or (
            is_in_tokens and worst.tokens > self._left.tokens
        )

    async def _extend(self, worst: Amount) -> None:
        """Lease what a call needs beyond what was expected of all calls together; less than that is all there is."""
        missing = worst - self._left
        wanted = Amount(max(missing.known_usd, Decimal(0)), max(missing.tokens, 0))
        granted = await self._take(wanted)
        self._is_exhausted = granted.known_usd < wanted.known_usd or granted.tokens < wanted.tokens

    async def _take(self, wanted: Amount) -> Amount:
        lease = await self._store.lease(wanted, caps=self._caps, day=self._day)
        self._leases.append(lease)
        self._left += lease.amount
        return lease.amount


def lease_end(now: datetime, *, remaining_seconds: float, request_timeout_seconds: float) -> datetime:
    """Say when a claim ends by itself: with the run, or after as long as one entry's requests can take."""
    longest_seconds = request_timeout_seconds * _REQUESTS_PER_CLAIM
    return now + timedelta(seconds=min(remaining_seconds, longest_seconds))


# A request, its retry with the wait before it, and once more with one token where 0 is refused.
_REQUESTS_PER_CLAIM = 4
