"""The network work of an observer: it reads the targets, tells the state, and puts the metrics."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.traffic import RETRY_SECONDS, kept_tokens
from prompt_cache_warmer.rules.traffic_metrics import kept_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prompt_cache_warmer.library.observing.account import Account
    from prompt_cache_warmer.library.observing.capturing import Capturing
    from prompt_cache_warmer.library.observing.connecting import Connected
    from prompt_cache_warmer.library.observing.open_calls import OpenCalls
    from prompt_cache_warmer.library.observing.recording import Publication, Recorder
    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.rules.traffic import Hit
    from prompt_cache_warmer.values.state import EntryKey, Observed

# A target that was changed is known to an application this much later, and a bucket is listed as often.
TARGETS_SECONDS = 300.0
# CloudWatch keeps minutes, so that putting more often tells nothing new.
METRICS_SECONDS = 60.0


class Teller:
    """Does what is due; nothing it does raises. Used by one thread at a time.

    Args:
        account: knows what the state is to be told.
        open_calls: knows the requests that may have touched something and are in no account.
        recorder: is told the targets, and records what waited for them.
        connected: the targets that may change, the state, and what is to be flushed.
        capturing: stores captured prefixes, None for nothing.
        publication: where what the state's answers prove is published.
        seconds: the monotonic clock.
    """

    def __init__(
        self,
        *,
        account: Account,
        open_calls: OpenCalls,
        recorder: Recorder,
        connected: Connected,
        capturing: Capturing | None,
        publication: Publication,
        seconds: Callable[[], float],
    ) -> None:
        self._account = account
        self._open_calls = open_calls
        self._recorder = recorder
        self._source = connected.source
        self._capturing = capturing
        self._store = connected.store
        self._publication = publication
        self._gathered = connected.gathered
        self._seconds = seconds
        self._targets_due_seconds = -math.inf
        self._metrics_due_seconds = -math.inf
        self._state_due_seconds = -math.inf

    def work(self, everything: bool) -> float:  # noqa: FBT001 - the background's one question
        """Do what is due, or all there may be; returns how many seconds until more is due.

        The state is told of no entry twice in 30 seconds even where everything is to be done.
        """
        self._read_targets(everything=everything)
        self._recorder.record()
        if self._capturing is not None and self._capturing.work():
            self._targets_due_seconds = -math.inf
            self._read_targets(everything=everything)
        self._tell_state(everything=everything)
        self._put_metrics(everything=everything)
        now = self._seconds()
        waits = [self._metrics_due_seconds - now if self._gathered is not None else math.inf]
        if self._source is not None:
            waits.append(self._targets_due_seconds - now)
        if self._store is not None:
            waits.append(max(self._account.next_due_in_seconds(now), self._state_due_seconds - now))
        return max(0.0, min(*waits, RETRY_SECONDS))

    @property
    def has_waiting(self) -> bool:
        """Whether there is anything left to send, because it could not be sent; not what its 30 seconds hold back."""
        is_held = self._gathered is not None and self._gathered.has_waiting
        is_due = self._store is not None and self._account.next_due_in_seconds(self._seconds()) == 0
        return is_held or is_due or self._recorder.waiting > 0

    def forget(self) -> None:
        """Begin anew in a forked child."""
        self._targets_due_seconds = self._metrics_due_seconds = self._state_due_seconds = -math.inf

    def _read_targets(self, *, everything: bool) -> None:
        is_awaited = everything and self._recorder.targets is None  # all that was seen waits for them
        if self._source is None or (self._seconds() < self._targets_due_seconds and not is_awaited):
            return
        try:
            targets = self._source.load()
        except Exception as error:  # noqa: BLE001 - what it is counts as a failure, and the next try may do
            self._recorder.failed("targets", error)
            self._targets_due_seconds = self._seconds() + RETRY_SECONDS
        else:
            self._recorder.know(targets)
            self._targets_due_seconds = self._seconds() + TARGETS_SECONDS

    def _tell_state(self, *, everything: bool) -> None:
        if self._store is None or (self._seconds() < self._state_due_seconds and not everything):
            return
        due = self._account.due(self._seconds())
        if due:
            try:
                asyncio.run(self._observe(self._store, due))
            except Exception as error:  # noqa: BLE001 - such as a process with too many open files
                self._not_told(error)

    async def _observe(self, store: StateStore, due: Sequence[EntryKey]) -> None:
        for key in due:
            seen, hit = self._account.take(key, self._seconds())
            try:
                observed = await store.observe(key, seen)
            except Exception as error:  # noqa: BLE001 - it is told again later, with what comes until then
                self._account.put_back(key, seen, hit)
                self._not_told(error)
                return
            if observed.warmth is not None:
                self._account.learn(key, observed.warmth)
            self._prove(hit, observed)

    def _not_told(self, error: Exception) -> None:
        self._recorder.failed("state", error)
        self._state_due_seconds = self._seconds() + RETRY_SECONDS

    def _prove(self, hit: Hit | None, observed: Observed) -> None:
        """Publish a hit that nothing but a warm call can have kept."""
        if hit is None or self._publication.sink is None:
            return
        previous_at, unknown_at = observed.previous_at, self._open_calls.latest_before(hit.model, hit.at)
        if previous_at is not None:  # or nobody knows how long there was no traffic
            previous_at = max(at for at in (previous_at, unknown_at, hit.previous_at) if at is not None)
        tokens = kept_tokens(hit, previous_at=previous_at, warmth=observed.warmth)
        if not tokens:
            return
        measured = kept_metrics(
            service=self._publication.service,
            target=hit.match.target.name,
            model=hit.model,
            at=hit.at,
            tokens=tokens,
            ttl=hit.match.ttl,
        )
        try:
            self._publication.sink.emit([measured])
        except Exception as error:  # noqa: BLE001 - a broken sink only counts
            self._recorder.failed("metrics", error)

    def _put_metrics(self, *, everything: bool) -> None:
        if self._gathered is None or (self._seconds() < self._metrics_due_seconds and not everything):
            return
        self._metrics_due_seconds = self._seconds() + METRICS_SECONDS
        try:
            self._gathered.flush()
        except Exception as error:  # noqa: BLE001 - what could not be put is kept for the next time
            self._recorder.failed("metrics", error)
