"""Claiming entries for a call: what it may cost at worst, and who makes it when several want the same bytes.

Entries whose warm call would be the same bytes are called once: the first that its target's budget
allows makes the call, and all of them are claimed for it.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.ports import ClaimRequest
from prompt_cache_warmer.rules.budget import refusal, worst_case
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.values.body import has_outside_content
from prompt_cache_warmer.values.money import NOTHING
from prompt_cache_warmer.warm.docket import Case, dearest_ttl, known_tokens
from prompt_cache_warmer.warm.ledger import lease_end
from prompt_cache_warmer.warm.results import failed, skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from prompt_cache_warmer.ports import BodySource, Clock, RunLog, StateStore
    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.rules.pace import Pace
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.warm.caller import Caller
    from prompt_cache_warmer.warm.ledger import Ledger

Twins = tuple[Case, ...]
"""Cases whose warm call is the same bytes."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What bounds a run.

    Attributes:
        max_concurrency: how many calls are in flight at once.
        max_inflight_bytes: how many bytes of bodies are in memory at once.
        request_timeout_seconds: how long one call may take; none starts with less left.
        rate_limit_share_percent: how much of the API's rate limits its calls may use, 1 to 100; None paces nothing.
        workers: how many runs pace themselves by that share at once.
    """

    max_concurrency: int
    max_inflight_bytes: int
    request_timeout_seconds: float
    rate_limit_share_percent: int | None = None
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Tools:
    """What the workers work with.

    Attributes:
        bodies: fetches a target's body when its turn comes.
        caller: makes the calls.
        store: remembers credentials.
        log: writes one line per entry.
        clock: the time.
        paces: the paces of the runs of this process, by model and credential; a worker makes a run of every message.
    """

    bodies: BodySource
    caller: Caller
    store: StateStore
    log: RunLog
    clock: Clock
    paces: dict[tuple[str, str], Pace] = field(default_factory=dict)


class Claims:
    """Claims the entries of one run.

    Args:
        tools: what the workers work with.
        ledger: keeps claims and money.
        limits: what bounds the run.
        remaining_seconds: says at any moment how much time the run has left.
        refused: says why no call is started for twins now; nothing when one may be.
    """

    def __init__(
        self,
        tools: Tools,
        ledger: Ledger,
        *,
        limits: RunLimits,
        remaining_seconds: Callable[[], float],
        refused: Callable[[Twins], list[EntryResult]],
    ) -> None:
        self._tools = tools
        self._ledger = ledger
        self._limits = limits
        self._remaining_seconds = remaining_seconds
        self._refused = refused

    async def claim(self, twins: Twins, worst: Amount) -> tuple[list[tuple[Case, ClaimRequest]], list[EntryResult]]:
        """Claim twins, the first that its budget allows with the money of the call.

        All runs ask for twins in the same order, and one that another run holds ends it: that run makes the call
        for all of them. It may have passed by the first ones, where its caps or the table refused them.

        Returns:
            The claims, and the results of the entries that were not claimed.
        """
        claimed: list[tuple[Case, ClaimRequest]] = []
        results: list[EntryResult] = []
        for case in twins:
            asked = NOTHING if claimed else worst
            try:
                refused = None if claimed else refusal(case.allowances, worst)
                answer = refused or await self._ledger.claim(
                    case, asked, until=self._claim_end, is_in_time=lambda: not self._refused(twins)
                )
            except StateUnavailableError as error:
                advice = "Look at the state table and the role; nothing is called that cannot be accounted for."
                results += failed([case], "state-unavailable", str(error), advice)
                continue
            if isinstance(answer, ClaimRequest):
                claimed.append((case, answer))
            elif answer is None:
                results += self._refused((case,))
            elif answer is Reason.CLAIMED:
                await self._give_back(claimed)
                waiting = [other for other in twins if all(other.entry != result.entry for result in results)]
                return [], [*results, *(skipped(other, answer) for other in waiting)]
            else:
                results.append(skipped(case, answer, worst=asked))
        return claimed, results

    async def _give_back(self, claimed: list[tuple[Case, ClaimRequest]]) -> None:
        for case, request in claimed:
            with suppress(StateUnavailableError):  # it ends by itself
                await self._ledger.commit(request, spent=NOTHING, warmth=None, breaker=case.state.breaker)

    def _claim_end(self) -> datetime:
        return lease_end(
            self._tools.clock.now(),
            remaining_seconds=self._remaining_seconds(),
            request_timeout_seconds=self._limits.request_timeout_seconds,
        )

    async def worst(self, twins: Twins, call: WarmCall) -> Amount | None:
        """Say what a call may cost, None where nothing bounds it; without any cap its tokens are not asked for."""
        case = twins[0]
        tokens = None if has_outside_content(call.body) else known_tokens(case.state)
        if tokens is None and not any(twin.allowances for twin in twins):
            tokens = case.entry.target.prefix_tokens
        elif tokens is None:
            tokens = await self._tools.caller.bounded_tokens(
                case.entry, call, remaining_seconds=self._remaining_seconds()
            )
        if tokens is None:
            return None
        return worst_case(
            case.entry.model,
            tokens=tokens,
            output_tokens=max(1, int(call.body["max_tokens"])),
            ttl=dearest_ttl(case.entry),
            speed=call.body.get("speed"),
            at=self._tools.clock.now(),
            prices=case.entry.target.prices,
        )


def twins_of(cases: Iterable[Case]) -> list[Twins]:
    """Group the cases whose warm call is the same bytes, in the order their first one came.

    Inside a group they stand in the order of their keys, which is the same in every run.
    """
    groups: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.entry.call_key].append(case)
    return [tuple(sorted(group, key=lambda case: case.entry.key)) for group in groups.values()]
