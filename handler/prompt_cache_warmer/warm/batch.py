"""The workers of one run: they make the due calls, a bounded number and a bounded number of bytes at a time.

One entry never sinks another: what fails is reported, what did not fit in the time is deferred.
Entries whose warm call would be the same bytes are called once: the first that its target's budget
allows makes the call, and all of them are claimed for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import RunError, StateUnavailableError, TargetUnavailableError, WarmCallError
from prompt_cache_warmer.rules.breaker import (
    after_answer,
    after_failure,
    credential_after_failure,
    is_disproved,
    stops_credential,
)
from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome, time_json
from prompt_cache_warmer.rules.life import warmth_after
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.request import with_diagnostics
from prompt_cache_warmer.rules.retry import RUN_END_MARGIN_SECONDS, needed_seconds
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.money import NOTHING, Amount
from prompt_cache_warmer.values.state import CLOSED
from prompt_cache_warmer.warm.caller import Caller
from prompt_cache_warmer.warm.claims import Claims, RunLimits, Tools, Twins
from prompt_cache_warmer.warm.docket import Case, asked_ttl
from prompt_cache_warmer.warm.results import amount_in_words, failed, shared, skipped
from prompt_cache_warmer.warm.room import Room
from prompt_cache_warmer.warm.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_cache_warmer.ports import ClaimRequest
    from prompt_cache_warmer.rules.request import WarmCall
    from prompt_cache_warmer.values.state import Breaker, Warmth
    from prompt_cache_warmer.values.targets import Entry, Target
    from prompt_cache_warmer.warm.called import Called
    from prompt_cache_warmer.warm.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Errand:
    """What the calls of a batch are for.

    Attributes:
        prepare: builds the call of an entry.
        is_warming: whether they are warm calls: what one proves is remembered of the entry and logged.
    """

    prepare: Callable[[Caller, Entry, Target], WarmCall] = Caller.prepare
    is_warming: bool = True


def _traced(caller: Caller, entry: Entry, target: Target) -> WarmCall:
    """Build a warm call whose fingerprint the API keeps for a while, so that a later request can name it."""
    return with_diagnostics(caller.prepare(entry, target), None)


WARMING = Errand()
TRACED = Errand(_traced)


class Batch:
    """The due calls of one run.

    Args:
        tools: what the workers work with.
        ledger: claims entries and keeps account.
        limits: what bounds the run.
        remaining_seconds: says at any moment how much time the run has left.
        errand: what the calls are for.
    """

    def __init__(
        self,
        tools: Tools,
        ledger: Ledger,
        *,
        limits: RunLimits,
        remaining_seconds: Callable[[], float],
        errand: Errand = WARMING,
    ) -> None:
        self._errand = errand
        self._tools = tools
        self._ledger = ledger
        self._limits = limits
        self._remaining_seconds = remaining_seconds
        self._claims = Claims(tools, ledger, limits=limits, remaining_seconds=remaining_seconds, refused=self._refused)
        self._room = Room(limits.max_inflight_bytes)
        self._stopped: dict[str, WarmCallError] = {}
        self._answered: set[str] = set()
        self._results: list[EntryResult] = []

    async def call(self, due: Iterable[Twins]) -> list[EntryResult]:
        """Make the calls of all due entries, in the order they come or, where they are paced, as their turn comes.

        Raises:
            RunError: when the run as a whole cannot go on.
        """
        turns = Turns(
            due,
            limits=self._limits,
            clock=self._tools.clock,
            paces=self._tools.paces,
            remaining_seconds=self._remaining_seconds,
            is_refused=lambda twins: bool(self._refused(twins)),
            defer=self._defer_for_rate_limits,
        )
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._limits.max_concurrency):
                    workers.create_task(self._work(turns))
        except* RunError as group:
            raise group.exceptions[0] from None
        return self._results

    async def _work(self, turns: Turns) -> None:
        while (twins := await turns.next()) is not None:
            try:
                async with self._room.take(twins[0].entry.target.size_bytes):
                    results = self._refused(twins) or await self._warm(twins, turns)
            finally:
                turns.done(twins)
            self._report(results)

    def _report(self, results: list[EntryResult]) -> None:
        for result in results:
            self._results.append(result)
            if self._errand.is_warming:
                self._tools.log.entry(result)

    def _defer_for_rate_limits(self, twins: Twins, reason: str) -> None:
        advice = (
            "If it lasts, raise the workspace's rate limit or RATE_LIMIT_SHARE_PERCENT; it waits for its next turn."
        )
        self._report(_deferred(twins, "rate-limits", f"left to the next run: {reason}", advice))

    async def _warm(self, twins: Twins, turns: Turns) -> list[EntryResult]:
        """Warm twins; whatever goes wrong is their own."""
        try:
            target = await self._tools.bodies.fetch(twins[0].entry.target)
            return self._refused(twins) or await self._claim_and_call(twins, target, turns)
        except TargetUnavailableError as error:
            return failed(twins, "body-unavailable", str(error), "Nothing: the next tick reads the target again.")
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001 - one entry never sinks another; the type is reported, never the text
            advice = "This is a defect of prompt-cache-warmer: please report it with this line."
            return failed(twins, "internal", f"unexpected {type(error).__name__} while warming", advice)

    async def _claim_and_call(self, twins: Twins, target: Target, turns: Turns) -> list[EntryResult]:
        """Claim all twins, make the call for those that were granted, and record it."""
        call = self._errand.prepare(self._tools.caller, twins[0].entry, target)
        worst = await self._claims.worst(twins, call)
        if worst is None:
            return [skipped(case, Reason.UNBOUNDED) for case in twins]
        if refused := self._refused(twins):  # counting took its time
            return refused
        claimed, results = await self._claims.claim(twins, worst)
        if not claimed:
            return results
        leader = claimed[0][0]
        try:
            called = await self._tools.caller.warm(
                leader.entry,
                call,
                remaining_seconds=self._remaining_seconds,
                is_capped=bool(leader.allowances),
                heard=partial(turns.hear, twins),
            )
            turns.done(twins, called)
        except BaseException as end:  # cancelled, interrupted, or no credential at all
            # Without a credential nothing was sent; a call that is given up may be billed all the same.
            lost = NOTHING if isinstance(end, RunError) else worst
            for case, request in claimed:
                with suppress(StateUnavailableError):
                    spent = lost if case is leader else NOTHING
                    await self._ledger.commit(request, spent=spent, warmth=None, breaker=case.state.breaker)
            raise
        for case, request in claimed:
            spent = called.spent(worst) if case is leader else NOTHING
            own = called.result if case is leader else shared(case, called.result)
            results.append(await self._record(case, request, called, own, spent))
        await self._record_credential(leader, called)
        return results

    async def _record(
        self, case: Case, request: ClaimRequest, called: Called, result: EntryResult, spent: Amount
    ) -> EntryResult:
        """Commit what came of a call to one entry's state."""
        warmth, breaker = _after(case, called) if self._errand.is_warming else (None, case.state.breaker)
        result = replace(result, decision=case.decision)
        try:
            is_kept = await self._ledger.commit(request, spent=spent, warmth=warmth, breaker=breaker)
        except StateUnavailableError as error:
            return replace(result, notices=(*result.notices, f"what it proved could not be kept: {error}"))
        notices = [] if is_kept else ["its claim ended while it was called: another run may have called it too"]
        if case.decision.reason is Reason.LAPSED:
            notices.append(f"it lapsed at {time_json(case.decision.lapses_at)}, before this tick could reach it")
        if called.unanswered:
            notices.append(f"no answer, so up to {amount_in_words(spent)} are counted as spent: the call may be billed")
        if breaker.open_until is not None:
            notices.append(f"breaker open until {breaker.open_until:%Y-%m-%dT%H:%M:%SZ} or a change: {breaker.reason}")
        warm_until = None
        if warmth is not None and warmth.ttl_seconds is not None:
            warm_until = warmth.warmed_at + timedelta(seconds=warmth.ttl_seconds)
        return replace(result, notices=(*result.notices, *notices), warm_until=warm_until)

    async def _record_credential(self, case: Case, called: Called) -> None:
        """Stop the other calls of a credential that is refused, now and in the next runs; or let them go again."""
        before = case.credential
        name = case.entry.credential
        if called.failure is None:
            self._answered.add(name)
            after = CLOSED if before.breaker.open_until is not None else before.breaker
        elif name in self._answered and is_disproved(called.failure):
            return
        else:
            after = credential_after_failure(before.breaker, called.failure, at=self._tools.clock.now())
            if stops_credential(called.failure) and name in self._stopped:
                return
            if stops_credential(called.failure):
                self._stopped[name] = called.failure
        if after != before.breaker:
            changed = replace(before, sequence=before.sequence + 1, breaker=after)
            with suppress(StateUnavailableError):  # the next run finds out again; this one's calls are stopped anyway
                await self._tools.store.save_credential(name, changed)

    def _refused(self, twins: Twins) -> list[EntryResult]:
        """Say why no call is started for twins now; nothing when one is."""
        credential = twins[0].entry.credential
        stop = self._stopped.get(credential)
        if stop is not None:
            reason = f"not called: credential {credential!r} was stopped in this run: {stop}"
            return failed(twins, stop.code, reason, stop.advice)
        remaining, timeout = self._remaining_seconds(), self._limits.request_timeout_seconds
        if remaining >= needed_seconds(timeout):
            return []
        reason = (
            f"{max(0.0, remaining):.1f} s of the run were left; a call needs REQUEST_TIMEOUT_SECONDS "
            f"({timeout:g} s) and {RUN_END_MARGIN_SECONDS:g} s to finish the run"
        )
        advice = "If it lasts, raise the function's timeout or MAX_CONCURRENCY, or lower REQUEST_TIMEOUT_SECONDS."
        return _deferred(twins, "deadline", reason, advice)


def _deferred(twins: Twins, code: str, reason: str, advice: str) -> list[EntryResult]:
    return [
        EntryResult(case.entry, Outcome.DEFERRED, reason, code=code, advice=advice, decision=case.decision)
        for case in twins
    ]


def _after(case: Case, called: Called) -> tuple[Warmth | None, Breaker]:
    """Say what is known of an entry after a call."""
    state, result = case.state, called.result
    if called.failure is not None:
        return None, after_failure(state.breaker, called.failure, at=called.started_at)
    assert result.usage is not None  # noqa: S101 - an answered call has one
    if not result.usage.is_reported:
        return None, state.breaker
    target = case.entry.target
    was_alive = case.decision.lapses_at is not None and called.started_at < case.decision.lapses_at
    verdict = Verdict(result.verdict or Verdict.UNCACHED)
    return (
        warmth_after(
            state,
            result.usage,
            fingerprint=target.prefix_digest,
            started_at=called.started_at,
            asked_ttl_seconds=TTL_SECONDS[asked_ttl(case.entry)],
            latency_seconds=called.latency_seconds,
            call=result.call,
            habit=case.decision.habit,
        ),
        after_answer(state.breaker, verdict, was_alive=was_alive, at=called.started_at),
    )
