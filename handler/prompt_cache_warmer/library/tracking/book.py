"""The book a tracker keeps: every call that began and ended, under one lock that no fork leaves locked."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.forking import hold_at_fork
from prompt_cache_warmer.library.tracking.alerts import DropWatch
from prompt_cache_warmer.library.tracking.calls import Outcome, Start
from prompt_cache_warmer.library.tracking.entries import KnownEntries
from prompt_cache_warmer.library.tracking.history import History
from prompt_cache_warmer.library.tracking.records import Aggregate, CallRecord
from prompt_cache_warmer.values.pricing import cost_usd
from prompt_cache_warmer.values.usage_shapes import PRICED_AS

if TYPE_CHECKING:
    from collections.abc import Callable

    from prompt_cache_warmer.library.tracking.alerts import CacheAlert
    from prompt_cache_warmer.library.tracking.requests import TrackedRequest
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.values.model_prices import PriceList

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRules:
    """What a book is kept by.

    Attributes:
        prices: prices of one's own, None for the known ones.
        threshold: the ratio below which a drop is told, None for never.
        on_alert: whom to tell, None for the log.
        window_calls: over how many calls the ratio is taken.
        max_history: how many calls, prefixes and entries are remembered singly.
        just_written_seconds: how long after the first write of a prefix a miss is the API's own delay.
    """

    prices: PriceList | None
    threshold: float | None
    on_alert: Callable[[CacheAlert], object] | None
    window_calls: int
    max_history: int
    just_written_seconds: float


class Book:
    """Every call that began and ended. Safe to use from any number of threads and tasks.

    Args:
        rules: what it is kept by.
        clock: tells the time.
    """

    def __init__(self, rules: BookRules, *, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        # Filled while garbage is collected, which may happen to a thread that holds the lock: so without it.
        self.dropped: deque[Outcome] = deque()
        self._lock = Lock()
        hold_at_fork(self._lock)
        self._resets = 0
        self.reset()

    def begin(self, request: TrackedRequest, *, ago_ms: float = 0.0) -> Start:
        """Begin a call now, or so long ago."""
        self._enter_dropped()
        at = self._clock.now() - timedelta(milliseconds=ago_ms)
        with self._lock:
            standing, entry = self._entries.find(request, at=at)
            resets = self._resets
        return Start(at=at, seconds=self._clock.monotonic_seconds(), standing=standing, entry=entry, resets=resets)

    def finish(self, outcome: Outcome) -> CallRecord:
        """Record how a call ended, and tell of the drops it shows; one that began before a reset is left out."""
        self._enter_dropped()
        return self._enter(outcome)

    def _enter_dropped(self) -> None:
        """Record the streams that were dropped since somebody looked."""
        while True:
            try:
                outcome = self.dropped.popleft()
            except IndexError:  # none is left, or another thread took the last
                return
            self._enter(outcome)

    def _enter(self, outcome: Outcome) -> CallRecord:
        record = self._record(outcome)
        elapsed = timedelta(milliseconds=outcome.elapsed_ms or 0.0)
        ended_at = outcome.start.at + elapsed
        with self._lock:
            if outcome.start.resets != self._resets:
                return record
            self._history.add(record)
            self._entries.learn(outcome.request, outcome.usage, started_at=outcome.start.at, ended_at=ended_at)
            alerts = self._watch.note(record) if self._watch else []
        for alert in alerts:
            self._tell(alert)
        return record

    def remembered(self) -> tuple[tuple[CallRecord, ...], Aggregate]:
        """Return the last calls and the sum of those before them; streams that were dropped are recorded first."""
        self._enter_dropped()
        with self._lock:
            return self._history.kept(), self._history.forgotten()

    def reset(self) -> None:
        """Forget everything, calls under way included."""
        rules = self._rules
        with self._lock:
            self._resets += 1
            self._history = History(rules.max_history)
            self._entries = KnownEntries(rules.max_history)
            self._watch: DropWatch | None = None
            if rules.threshold is not None:
                self._watch = DropWatch(rules.threshold, rules.window_calls, rules.max_history)

    def _record(self, outcome: Outcome) -> CallRecord:
        request, start, usage = outcome.request, outcome.start, outcome.usage
        plain = replace(usage, uncached_tokens=usage.input_tokens, read_tokens=0, write_5m_tokens=0, write_1h_tokens=0)
        cost, uncached_cost = (
            cost_usd(request.model, each, at=start.at, prices=self._rules.prices, provider=PRICED_AS[request.provider])
            if usage.is_reported
            else None
            for each in (usage, plain)
        )
        entry = start.entry
        patience = timedelta(seconds=self._rules.just_written_seconds)
        return CallRecord(
            started_at=start.at,
            prefix_id=request.prefix_id,
            model=request.model,
            usage=usage,
            elapsed_ms=outcome.elapsed_ms,
            cost_usd=cost,
            saved_usd=None if cost is None or uncached_cost is None else uncached_cost - cost,
            standing=start.standing,
            expected_tokens=entry.tokens if entry else 0,
            was_just_written=bool(entry and entry.is_just_written and start.at - entry.proved_at <= patience),
            is_retry=outcome.is_retry,
        )

    def _tell(self, alert: CacheAlert) -> None:
        if self._rules.on_alert is None:
            _log.warning(
                "prompt cache %s: %s on %s reads %.0f%% over %d calls, below %.0f%%",
                *(alert.reason, alert.prefix_id, alert.model, 100 * alert.ratio, alert.calls, 100 * alert.threshold),
            )
            return
        try:
            self._rules.on_alert(alert)
        except Exception as error:  # noqa: BLE001 - a hook never breaks the call that it is told of
            _log.warning("on_alert raised %s", type(error).__name__)
