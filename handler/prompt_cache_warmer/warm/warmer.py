"""The run: load the targets, decide, warm what is due inside the time there is, report.

One entry never sinks another: what fails is reported, what did not fit in the time is deferred.
Entries whose warm call would be the same bytes are called once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import RunError, TargetUnavailableError, WarmCallError
from prompt_cache_warmer.rules.decision import decide
from prompt_cache_warmer.rules.metrics import Detail, measure
from prompt_cache_warmer.rules.plan import planned
from prompt_cache_warmer.rules.report import EntryResult, Outcome, RunReport
from prompt_cache_warmer.rules.retry import RUN_END_MARGIN_SECONDS, needed_seconds
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.problems import Problem, ProblemCode, Severity, nearest, shown
from prompt_cache_warmer.values.targets import Entry, TargetSummary, entries
from prompt_cache_warmer.warm.caller import Caller, stops_credential
from prompt_cache_warmer.warm.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prompt_cache_warmer.ports import BodySource, Clock, Index, MetricSink, RunLog, TargetIndex
    from prompt_cache_warmer.rules.order import Order

Twins = tuple[Entry, ...]
"""Entries whose warm call is the same bytes; the first one makes it."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What bounds a run.

    Attributes:
        max_concurrency: how many calls are in flight at once.
        max_inflight_bytes: how many bytes of bodies are in memory at once.
        request_timeout_seconds: how long one call may take; none starts with less left.
    """

    max_concurrency: int
    max_inflight_bytes: int
    request_timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Recorders:
    """Where a run is recorded.

    Attributes:
        metrics: publishes its metrics.
        log: writes its log.
        detail: how detailed the metrics are.
        service: the value of the metrics' service dimension.
    """

    metrics: MetricSink
    log: RunLog
    detail: Detail
    service: str


class Warmer:
    """Keeps the targets of one deployment warm, one run at a time.

    Args:
        index: lists the targets.
        bodies: fetches a target's body when its turn comes.
        caller: makes the calls.
        recorders: where the run is recorded.
        clock: the time.
        limits: what bounds a run.
    """

    def __init__(
        self,
        *,
        index: TargetIndex,
        bodies: BodySource,
        caller: Caller,
        recorders: Recorders,
        clock: Clock,
        limits: RunLimits,
    ) -> None:
        self._index = index
        self._bodies = bodies
        self._caller = caller
        self._recorders = recorders
        self._clock = clock
        self._limits = limits
        self._deferred: list[tuple[str, str]] = []

    async def run(self, order: Order, *, remaining_seconds: Callable[[], float]) -> RunReport:
        """Carry out one order.

        Args:
            order: what is asked for.
            remaining_seconds: says at any moment how much time the run has left.

        Raises:
            RunError: when the run as a whole could not happen.
        """
        started_at = self._clock.now()
        started = self._clock.monotonic_seconds()
        index = await self._index.load(remaining_seconds=remaining_seconds)
        for problem in index.problems:
            if problem.severity is Severity.ERROR or problem.code is ProblemCode.NOT_READ_YET:
                self._recorders.log.document(problem)
        selected, unknown = _select(index, order)
        decisions = [decide(entry) for entry in entries(selected)]
        results = [
            EntryResult(decision.entry, Outcome.SKIPPED, decision.reason.sentence, code=decision.reason.value)
            for decision in decisions
            if not decision.is_due
        ]
        due = [decision.entry for decision in decisions if decision.is_due]
        if order.dry_run:
            results += [planned(entry, at=started_at) for entry in due]
        else:
            results += await self._warm_all(due, remaining_seconds)
        report = RunReport(
            order=order,
            started_at=started_at,
            duration_ms=round((self._clock.monotonic_seconds() - started) * 1000),
            targets_loaded=len(index.targets),
            targets_invalid=len(index.invalid_sources),
            results=tuple(results),
            problems=(*unknown, *index.problems),
        )
        if not order.dry_run:
            self._recorders.metrics.emit(
                measure(report, detail=self._recorders.detail, service=self._recorders.service)
            )
        self._recorders.log.finished(report)
        return report

    async def _warm_all(self, due: list[Entry], remaining_seconds: Callable[[], float]) -> list[EntryResult]:
        """Warm all due entries, a bounded number and a bounded number of bytes at a time.

        What the last run deferred goes first, in the order it waited, so that under steady pressure every
        entry has its turn.
        """
        batch = _Batch(self._limits, remaining_seconds)
        turns = {key: turn for turn, key in enumerate(self._deferred)}
        waiting = iter(_twins(sorted(due, key=lambda entry: turns.get(_key(entry), len(turns)))))
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._limits.max_concurrency):
                    workers.create_task(self._work(waiting, batch))
        except* RunError as group:
            raise group.exceptions[0] from None
        self._deferred = [_key(result.entry) for result in batch.results if result.outcome is Outcome.DEFERRED]
        return batch.results

    async def _work(self, waiting: Iterator[Twins], batch: _Batch) -> None:
        for twins in waiting:
            leader = twins[0]
            async with batch.room.take(leader.target.size_bytes):
                result = batch.refusal(leader) or await self._warm(leader, batch)
            for twin in twins:
                mine = result if twin is leader else _shared(twin, result)
                batch.results.append(mine)
                self._recorders.log.entry(mine)

    async def _warm(self, entry: Entry, batch: _Batch) -> EntryResult:
        """Warm one entry; whatever goes wrong is its own."""
        try:
            target = await self._bodies.fetch(entry.target)
            if (refusal := batch.refusal(entry)) is not None:
                return refusal
            result, failure = await self._caller.warm(entry, target, remaining_seconds=batch.remaining_seconds)
        except TargetUnavailableError as error:
            return _failed(entry, "body-unavailable", str(error), "Nothing: the next tick reads the target again.")
        except RunError:
            raise
        except Exception as error:  # noqa: BLE001 - one entry never sinks another; the type is reported, never the text
            advice = "This is a defect of prompt-cache-warmer: please report it with this line."
            return _failed(entry, "internal", f"unexpected {type(error).__name__} while warming", advice)
        if failure is not None and stops_credential(failure):
            batch.stopped.setdefault(entry.credential, failure)
        return result


class _Batch:
    """What the workers of one run share."""

    def __init__(self, limits: RunLimits, remaining_seconds: Callable[[], float]) -> None:
        self.room = Room(limits.max_inflight_bytes)
        self.remaining_seconds = remaining_seconds
        self.stopped: dict[str, WarmCallError] = {}
        self.results: list[EntryResult] = []
        self._timeout_seconds = limits.request_timeout_seconds

    def refusal(self, entry: Entry) -> EntryResult | None:
        """Say why no call is started for an entry now, or None when one is."""
        stop = self.stopped.get(entry.credential)
        if stop is not None:
            reason = f"not called: credential {entry.credential!r} was stopped in this run: {stop}"
            return _failed(entry, stop.code, reason, stop.advice)
        remaining = self.remaining_seconds()
        if remaining < needed_seconds(self._timeout_seconds):
            reason = (
                f"{max(0.0, remaining):.1f} s of the run were left; a call needs REQUEST_TIMEOUT_SECONDS "
                f"({self._timeout_seconds:g} s) and {RUN_END_MARGIN_SECONDS:g} s to finish the run"
            )
            advice = "If it lasts, raise the function's timeout or MAX_CONCURRENCY, or lower REQUEST_TIMEOUT_SECONDS."
            return EntryResult(entry, Outcome.DEFERRED, reason, code="deadline", advice=advice)
        return None


def _key(entry: Entry) -> tuple[str, str]:
    return entry.target.name, entry.model


def _select(index: Index, order: Order) -> tuple[tuple[TargetSummary, ...], list[Problem]]:
    """Pick the targets an order names; a name nobody has is a problem of the report."""
    if order.targets is None:
        return index.targets, []
    by_name = {target.name: target for target in index.targets}
    unknown = [
        Problem(
            ProblemCode.NO_SUCH_TARGET,
            "event",
            "$.targets",
            f"there is no valid target {shown(name)}{nearest(name, by_name)}",
        )
        for name in order.targets
        if name not in by_name
    ]
    return tuple(by_name[name] for name in order.targets if name in by_name), unknown


def _twins(due: Iterable[Entry]) -> list[Twins]:
    """Group the entries whose warm call is the same bytes, in the order their first one came."""
    groups: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for entry in due:
        groups[entry.model, entry.credential, entry.target.call_digest].append(entry)
    return [tuple(group) for group in groups.values()]


def _shared(twin: Entry, result: EntryResult) -> EntryResult:
    """Give a twin the leader's verdict; the call and its cost stay the leader's."""
    return EntryResult(
        twin,
        result.outcome,
        result.reason,
        verdict=result.verdict,
        code=result.code,
        advice=result.advice,
        shared_with=result.entry.target.name,
    )


def _failed(entry: Entry, code: str, reason: str, advice: str) -> EntryResult:
    return EntryResult(entry, Outcome.FAILED, reason, verdict=Verdict.FAILED, code=code, advice=advice)
