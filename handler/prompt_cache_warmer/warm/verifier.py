"""Verifying: behind each warm call a real request with the same prefix, to see whether it reads what was warmed.

Its money is claimed, reserved and counted as a warm call's is, and the same pause, breakers and caps keep it
back. It is no traffic, and proves nothing about the entry's use: what is remembered of the entry stays as
the warm call left it, which is true and at most a few seconds on the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import StateUnavailableError
from prompt_cache_warmer.rules.diagnosis import READABLE_AFTER_SECONDS
from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome
from prompt_cache_warmer.rules.request import real_request, with_diagnostics
from prompt_cache_warmer.rules.verification import Verification, calls_for_request, foreign_markers, judge
from prompt_cache_warmer.values.divergence import Divergence
from prompt_cache_warmer.values.money import NOTHING, Amount
from prompt_cache_warmer.warm.batch import Errand
from prompt_cache_warmer.warm.docket import docket
from prompt_cache_warmer.warm.results import skipped
from prompt_cache_warmer.warm.round import Round, call_all

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.rules.situation import Tick
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.state import EntryKey
    from prompt_cache_warmer.values.targets import Entry, Target
    from prompt_cache_warmer.warm.caller import Caller
    from prompt_cache_warmer.warm.claims import RunLimits, Tools
    from prompt_cache_warmer.warm.docket import Case


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of all verifications of a run.

    Attributes:
        verifications: what was found of every entry.
        spent: what the real requests cost, or may have cost.
        troubles: what was wrong with the state, one sentence each.
    """

    verifications: tuple[Verification, ...] = ()
    spent: Amount = NOTHING
    troubles: tuple[str, ...] = ()


class Verifier:
    """Verifies what a run has warmed.

    Args:
        tools: what it works with.
        limits: what bounds the run.
        caps: what the whole stack may spend.
    """

    def __init__(self, tools: Tools, *, limits: RunLimits, caps: Caps) -> None:
        self._tools = tools
        self._limits = limits
        self._caps = caps

    async def verify(
        self, warmed: Sequence[EntryResult], *, tick: Tick, remaining_seconds: Callable[[], float]
    ) -> Verified:
        """Verify entries, one real request for all that were warmed by the same call and send the same.

        Args:
            warmed: what became of their warm calls, the last of them a moment ago.
            tick: the moment at which it was decided to warm them.
            remaining_seconds: says at any moment how much time the run has left.

        Raises:
            RunError: when the run as a whole cannot go on.
        """
        speakers = _speakers(warmed)
        by_key = {result.entry.key: result for result in speakers.values() if calls_for_request(result)}
        round_ = await self._ask(by_key, tick, remaining_seconds) if by_key else Round()
        asked = {result.entry.key: result for result in round_.results}
        found = []
        for result in warmed:
            speaker = speakers[_request_key(result.entry)] if _is_shared(result) else result
            judged = judge(speaker, asked.get(speaker.entry.key))
            if speaker.entry.key != result.entry.key:
                judged = replace(judged, entry=result.entry, shared_with=speaker.entry.target.name)
            found.append(judged)
        for verification in found:
            self._tools.log.verified(verification)
        return Verified(tuple(found), round_.spent, tuple(round_.troubles))

    async def _ask(
        self, warmed: Mapping[EntryKey, EntryResult], tick: Tick, remaining_seconds: Callable[[], float]
    ) -> Round:
        """Send a real request for each, once the last warm call is long enough ago."""
        await self._tools.clock.sleep(READABLE_AFTER_SECONDS)
        now, day = self._tools.clock.now(), tick.now.date()  # counted to the day the run began on
        entries = [result.entry for result in warmed.values()]
        try:
            snapshot = await self._tools.store.load([entry.key for entry in entries], day=day)
            cases = docket(entries, snapshot, replace(tick, now=now, scheduled_at=None), caps=self._caps)
            round_ = await call_all(
                [(_uncounted(case),) for case in cases if case.decision.is_due],
                self._tools,
                limits=self._limits,
                caps=self._caps,
                day=day,
                remaining_seconds=remaining_seconds,
                errand=Errand(prepare=_Requests(warmed).prepare, is_warming=False),
            )
        except StateUnavailableError as error:  # the warm calls were made, and their report is not lost for it
            return Round([_unaccounted(entry, error) for entry in entries])
        kept_back = [skipped(case, case.decision.reason) for case in cases if not case.decision.is_due]
        return replace(round_, results=[*round_.results, *kept_back])


class _Requests:
    """Builds the real request of each entry, naming its warm call's message."""

    def __init__(self, warmed: Mapping[EntryKey, EntryResult]) -> None:
        self._warmed = warmed

    def prepare(self, _: Caller, entry: Entry, target: Target) -> WarmCall:
        """Build one; no diagnostics are asked for where the warm call's were refused."""
        request = real_request(target, entry.model)
        call = self._warmed[entry.key].call
        if call is None or call.message_id is None or call.divergence is Divergence.REFUSED:
            return request
        return with_diagnostics(request, call.message_id)


def _speakers(warmed: Sequence[EntryResult]) -> dict[Hashable, EntryResult]:
    """Choose for all that send the same real request who asks: whoever made the warm call, if it is among them."""
    called = {result.entry.call_key: result for result in warmed if result.usage is not None}
    found = {_request_key(result.entry): result for result in called.values()}
    for result in warmed:
        if _is_shared(result):  # the call was billed once, to whoever made it
            by_other = replace(called[result.entry.call_key], entry=result.entry, cost_usd=Decimal(0))
            found.setdefault(_request_key(result.entry), by_other)
    return found


def _request_key(entry: Entry) -> Hashable:
    """Return what an entry shares with all whose real request is the same: equal warm calls may differ in markers."""
    return entry.call_key, foreign_markers(entry.target)


def _is_shared(result: EntryResult) -> bool:
    """Whether an entry was warmed by the call of another."""
    return result.outcome is Outcome.WARMED and result.usage is None


def _uncounted(case: Case) -> Case:
    """Forget the tokens of the warm call: a real request may have a few more, so it is bounded as a first call is."""
    return replace(case, state=replace(case.state, warmth=None))


def _unaccounted(entry: Entry, error: StateUnavailableError) -> EntryResult:
    advice = "Look at the state table and the role; nothing is called that cannot be accounted for."
    return EntryResult(entry, Outcome.FAILED, str(error), code="state-unavailable", advice=advice)
