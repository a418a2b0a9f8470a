"""The run: load the targets and their state, decide, warm what is due inside the time there is, report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.credentials import credential_uses
from prompt_cache_warmer.rules.dry_run import planned
from prompt_cache_warmer.rules.entry_result import Outcome
from prompt_cache_warmer.rules.measurement import measure
from prompt_cache_warmer.rules.reasons import Reason
from prompt_cache_warmer.rules.report import MAX_LISTED, RunReport, RunStanding
from prompt_cache_warmer.rules.situation import SCHEDULE_JITTER_SECONDS, Tick
from prompt_cache_warmer.values.caps import NO_CAPS
from prompt_cache_warmer.values.problems import ProblemCode, Severity
from prompt_cache_warmer.values.targets import entries, twins_beside
from prompt_cache_warmer.warm.batch import TRACED, WARMING, Errand
from prompt_cache_warmer.warm.claims import RunLimits, Tools, twins_of
from prompt_cache_warmer.warm.diagnoses import Diagnoses
from prompt_cache_warmer.warm.docket import Case, docket
from prompt_cache_warmer.warm.fan_out import fan_out, second_look
from prompt_cache_warmer.warm.results import skipped
from prompt_cache_warmer.warm.round import Round, call_all
from prompt_cache_warmer.warm.selection import select
from prompt_cache_warmer.warm.verifier import Verified, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from prompt_cache_warmer.ports import BodySource, Clock, MetricSink, RunLog, StateStore, TargetIndex
    from prompt_cache_warmer.rules.metrics import Detail
    from prompt_cache_warmer.rules.order import Order
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.snapshot import Snapshot
    from prompt_cache_warmer.values.state import EntryKey
    from prompt_cache_warmer.warm.caller import Caller
    from prompt_cache_warmer.warm.claims import Twins
    from prompt_cache_warmer.warm.fan_out import DueQueue

# Reasons that come and go with every call that was made.
_NO_NEWS = frozenset({Reason.OUTLIVES_TICK, Reason.OUTLIVES_WINDOW, Reason.CALLED_THIS_TICK, Reason.CLAIMED})
_NEVER = datetime.max.replace(tzinfo=UTC)


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


@dataclass(frozen=True, slots=True)
class Policy:
    """What one deployment lets a run do.

    Attributes:
        limits: what bounds it.
        tick_seconds: how long until the next run.
        jitter_seconds: how much later than that the next run may come.
        is_plain: whether entries nobody reported traffic of are called at every run.
        overrides_breakers: whether calls are made whatever an entry's last ones came to.
        overrides_credentials: whether they are made whatever a credential's last ones came to.
        caps: what the whole stack may spend.
        is_durable: whether the state outlives this process.
    """

    limits: RunLimits
    tick_seconds: float
    caps: Caps = NO_CAPS
    is_durable: bool = False
    jitter_seconds: float = SCHEDULE_JITTER_SECONDS
    is_plain: bool = False
    overrides_breakers: bool = False
    overrides_credentials: bool = False


class Warmer:
    """Keeps the targets of one deployment warm, one run at a time.

    Args:
        index: lists the targets.
        bodies: fetches a target's body when its turn comes.
        caller: makes the calls.
        store: remembers entries and spending between runs.
        recorders: where the run is recorded.
        clock: the time.
        policy: what bounds a run and what it may spend.
        queue: where whole runs send what is due, for workers to call; without one they call it themselves.
    """

    def __init__(  # noqa: PLR0913 - each is a seam of its own
        self,
        *,
        index: TargetIndex,
        bodies: BodySource,
        caller: Caller,
        store: StateStore,
        recorders: Recorders,
        clock: Clock,
        policy: Policy,
        queue: DueQueue | None = None,
    ) -> None:
        self._index = index
        self._queue = queue
        self._store = store
        self._recorders = recorders
        self._clock = clock
        self._policy = policy
        self._tools = Tools(bodies=bodies, caller=caller, store=store, log=recorders.log, clock=clock)
        self._verifier = Verifier(self._tools, limits=policy.limits, caps=policy.caps)
        self._diagnoses = Diagnoses(recorders.log)
        self._deferred: list[EntryKey] = []
        self._reasons: dict[EntryKey, Reason] = {}

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
        index = await self._index.load(remaining_seconds=remaining_seconds, only=order.documents)
        for problem in index.problems:
            if problem.severity is Severity.ERROR or problem.code is ProblemCode.NOT_READ_YET:
                self._recorders.log.document(problem)
        chosen = select(index, order)
        ignored = (*order.ignored, *chosen.ignored)
        for one in ignored:
            self._recorders.log.ignored(one)
        found = chosen.entries
        twins = twins_beside(found, entries(index.targets)) if order.is_selection else ()
        now = self._clock.now()
        snapshot = await self._store.load([entry.key for entry in (*found, *twins)], day=now.date())
        tick = Tick(
            now=now,
            interval_seconds=self._policy.tick_seconds,
            jitter_seconds=self._policy.jitter_seconds,
            is_plain=self._policy.is_plain or order.verify is not None,  # a proof is wanted now, whatever is remembered
            overrides_breakers=self._policy.overrides_breakers,
            overrides_credentials=self._policy.overrides_credentials,
            scheduled_at=order.scheduled_at,
            is_requested=order.is_requested,
        )
        cases = docket(found, snapshot, tick, caps=self._policy.caps, asked_at=chosen.asked_at, twins=twins)
        if order.due is not None:
            cases = second_look(cases, chosen.decided_at)
        due = [case for case in cases if case.decision.is_due]
        results = [skipped(case, case.decision.reason) for case in cases if not case.decision.is_due]
        if order.due is None:  # the tick has told of it
            self._log_changes(cases)
        round_ = await self._take_up(order, due, now, remaining_seconds, targets=len(index.targets))
        results += round_.results
        spent, troubles = round_.spent, [*snapshot.unreadable, *round_.troubles]
        verified = Verified()
        if order.verify is not None:
            verified = await self._verifier.verify(results, tick=tick, remaining_seconds=remaining_seconds)
            spent, troubles = spent + verified.spent, [*troubles, *verified.troubles]
        report = RunReport(
            order=order,
            started_at=started_at,
            duration_ms=round((self._clock.monotonic_seconds() - started) * 1000),
            targets_loaded=len(index.targets),
            targets_invalid=len(index.invalid_sources),
            results=tuple(results if order.due is not None else self._diagnoses.attach(results, cases)),
            problems=(*chosen.unknown, *index.problems),
            standing=self._standing(snapshot, now, spent=spent, troubles=troubles),
            verifications=verified.verifications,
            ignored=ignored,
            credentials=credential_uses(results, snapshot.entries),
        )
        if not order.dry_run:
            self._recorders.metrics.emit(
                measure(report, detail=self._recorders.detail, service=self._recorders.service)
            )
        self._recorders.log.finished(report)
        return report

    async def _take_up(
        self, order: Order, due: list[Case], now: datetime, remaining_seconds: Callable[[], float], *, targets: int
    ) -> Round:
        """Call what is due, or only say so, or send it to the workers."""
        if order.dry_run or not due:
            return Round([planned(case.entry, case.decision) for case in due])
        if self._queue is not None and not order.is_selection:
            at = order.scheduled_at or now
            ordered = self._in_turn(due, now)
            self._deferred = []  # whoever waited is on the way to the workers; an upload's run adds to them again
            return Round(await fan_out(ordered, self._queue, scheduled_at=at, decided_at=now, targets=targets))
        waiting = self._deferred if order.is_selection else []  # a whole run knows of all who still wait
        round_ = await self._warm_all(due, now, remaining_seconds, WARMING if order.verify is None else TRACED)
        taken = {case.entry.key for case in due}
        self._deferred = [key for key in waiting if key not in taken] + self._deferred
        return round_

    def _standing(self, snapshot: Snapshot, now: datetime, *, spent: Amount, troubles: list[str]) -> RunStanding:
        """Say what held for the whole run."""
        pause, more = snapshot.pause, len(troubles) - MAX_LISTED
        return RunStanding(
            pause=pause if pause is not None and now < pause.until else None,
            spent_today=snapshot.spent_today + spent,
            spent_this_month=snapshot.spent_this_month + spent,
            caps=self._policy.caps,
            stopped_credentials=tuple(
                name for name, state in sorted(snapshot.credentials.items()) if state.breaker.is_open(now)
            ),
            is_durable=self._policy.is_durable,
            troubles=(*troubles[:MAX_LISTED], *([f"and {more} more like these"] if more > 0 else [])),
        )

    def _log_changes(self, cases: Iterable[Case]) -> None:
        """Log entries that are not called for another reason than at their last run; to be alive is no news."""
        for case in cases:
            reason = case.decision.reason
            before = self._reasons.get(case.entry.key, reason)
            if before is not reason and not reason.is_due and reason not in _NO_NEWS:
                self._recorders.log.entry(skipped(case, reason))
            self._reasons[case.entry.key] = reason

    async def _warm_all(
        self, due: list[Case], now: datetime, remaining_seconds: Callable[[], float], errand: Errand
    ) -> Round:
        """Warm all due entries."""
        round_ = await call_all(
            self._in_turn(due, now),
            self._tools,
            limits=self._policy.limits,
            caps=self._policy.caps,
            day=now.date(),
            remaining_seconds=remaining_seconds,
            errand=errand,
        )
        self._deferred = [result.entry.key for result in round_.results if result.outcome is Outcome.DEFERRED]
        return round_

    def _in_turn(self, due: list[Case], now: datetime) -> list[Twins]:
        """Order due entries.

        What the last run deferred goes first, in the order it waited, so that under steady pressure every
        entry has its turn; then what lapses next, and last what is cold and loses nothing by waiting.
        """
        turns = {key: turn for turn, key in enumerate(self._deferred)}
        return twins_of(sorted(due, key=lambda case: (turns.get(case.entry.key, len(turns)), _urgency(case, now))))


def _urgency(case: Case, now: datetime) -> datetime:
    """Say when an entry lapses; one that is cold comes after all that are alive."""
    lapses_at = case.decision.lapses_at
    return lapses_at if lapses_at is not None and lapses_at > now else _NEVER
