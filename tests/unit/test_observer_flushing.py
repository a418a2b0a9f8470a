"""A flush does all there is to do, but the state is told of no entry twice in 30 seconds before the end."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from prompt_cache_warmer.errors import StateUnavailableError, TargetsUnreadableError
from prompt_cache_warmer.values.state import EntryKey, Observed, Warmth
from tests.fakes import EPOCH, MODEL, target
from tests.observer_cases import REQUEST
from tests.observer_parts import Desk, Gathered, Source, Store

OTHER_MODEL = "claude-haiku-4-5"
HALF_LIFE = timedelta(seconds=150)
HIT_SECONDS = 450  # a life of 300 s after the last request, and what may have been told late


def warmth(warmed_at: datetime, *, ttl_seconds: int = 300) -> Warmth:
    """Return what a warm call proved."""
    return Warmth(
        fingerprint=target().summary.prefix_digest,
        asked_ttl_seconds=300,
        warmed_at=warmed_at,
        ttl_seconds=ttl_seconds,
        verdict="refreshed",
        cached_tokens=2_900,
    )


def test_a_flush_tells_no_entry_twice_in_30_seconds() -> None:
    """However often it is called; what it holds back is no reason to say that something was not sent."""
    desk = Desk(store=Store())
    assert desk.store is not None
    for second in (0, 1, 29, 30, 31):
        desk.clock.seconds = second
        desk.record()
        desk.teller.work(True)
        assert not desk.teller.has_waiting
    assert [seen.hits for _, seen in desk.store.told] == [1, 3]
    desk.clock.seconds = 60
    desk.teller.work(True)
    assert [seen.hits for _, seen in desk.store.told] == [1, 3, 1]


def test_what_is_due_is_waiting_until_it_is_told() -> None:
    """When its 30 seconds are over, not before."""
    desk = Desk(store=Store())
    waiting = []
    for second in (0, 1, 29, 30):
        desk.clock.seconds = second
        desk.record()
        waiting.append(desk.teller.has_waiting)
        if second == 0:
            desk.teller.work(True)
    assert waiting == [True, False, False, True]


def test_a_flush_tells_what_could_not_be_told() -> None:
    """Of which it says that it was not sent, at once and in the order it was tried."""
    desk = Desk(store=Store())
    assert desk.store is not None
    desk.store.script = [StateUnavailableError("no")]
    waiting = []
    for _ in range(2):
        desk.record()
        desk.teller.work(True)
        waiting.append(desk.teller.has_waiting)
    assert waiting == [True, False]
    assert [seen.hits for _, seen in desk.store.told] == [2]
    desk.record()
    desk.teller.work(True)
    assert len(desk.store.told) == 1


def test_what_failed_besides_counts_as_waiting() -> None:
    """An entry that was due and was not tried, because another could not be told."""
    desk = Desk(store=Store(), source=Source())
    assert desk.store is not None
    assert desk.source is not None
    desk.source.targets = (target(models=[MODEL, OTHER_MODEL]).summary,)
    desk.teller.work(False)
    for model in (MODEL, OTHER_MODEL):
        desk.record(body={**REQUEST, "model": model})
    desk.store.refused = {EntryKey("support", "default", OTHER_MODEL)}
    desk.teller.work(True)
    assert (len(desk.store.told), desk.teller.has_waiting) == (0, True)
    desk.store.refused = set()
    desk.teller.work(True)
    assert (len(desk.store.told), desk.teller.has_waiting) == (2, False)


@pytest.mark.parametrize("part", ["targets", "metrics"])
def test_requests_without_targets_and_metrics_that_were_not_put_are_waiting(part: str) -> None:
    """Without a state table nothing waits for it."""
    desk = Desk(source=Source() if part == "targets" else None, gathered=Gathered())
    assert desk.gathered is not None
    desk.record()
    if desk.source is None:
        desk.gathered.fails = OSError("no")
    waiting = [desk.teller.has_waiting]
    desk.gathered.fails = None
    desk.teller.work(True)
    waiting.append(desk.teller.has_waiting)
    assert waiting == [True, False]


def test_what_is_released_is_told_however_lately_the_entry_was() -> None:
    """Once, and the 30 seconds begin again; nobody is told of nothing."""
    desk = Desk(store=Store())
    assert desk.store is not None
    desk.record()
    desk.teller.work(False)
    desk.account.release()
    desk.teller.work(True)
    desk.clock.seconds = 1
    desk.record()
    desk.account.release()
    assert desk.teller.has_waiting
    desk.teller.work(True)
    desk.record()
    assert (desk.teller.work(True), desk.teller.has_waiting) == (30, False)
    assert [seen.hits for _, seen in desk.store.told] == [1, 1]


def test_a_hit_long_after_what_was_held_back_is_measured_from_there() -> None:
    """As where a sandbox stood still: the state knows only of what came before that."""
    for idle_seconds, is_proven in ((HIT_SECONDS, True), (HIT_SECONDS - 1, False)):
        desk = Desk(store=Store(), gathered=Gathered())
        assert desk.store is not None
        assert desk.gathered is not None
        for second in (0, 29):
            desk.clock.seconds = second
            desk.record()
            desk.teller.work(True)
        desk.clock.seconds = 29 + idle_seconds
        desk.store.script = [Observed(EPOCH, is_news=True, warmth=warmth(desk.clock.now() - HALF_LIFE))]
        desk.record()
        desk.teller.work(True)
        assert [seen.hits for _, seen in desk.store.told] == [1, 2]
        assert desk.gathered.value("WarmedHits") == (1 if is_proven else None)


def test_a_flush_puts_metrics_at_once() -> None:
    """Each time."""
    desk = Desk(store=Store(), gathered=Gathered())
    assert desk.store is not None
    assert desk.gathered is not None
    for _ in range(2):
        desk.record()
        desk.teller.work(True)
    desk.teller.work(True)
    assert [seen.hits for _, seen in desk.store.told] == [1]
    assert desk.gathered.flushes == 3


def test_a_flush_reads_targets_that_everything_waits_for() -> None:
    """Also where reading them has just failed; those that are known are read when they are due."""
    desk = Desk(source=Source())
    assert desk.source is not None
    desk.source.targets = TargetsUnreadableError("no")
    desk.teller.work(False)
    desk.teller.work(False)
    assert desk.source.reads == 1
    desk.teller.work(True)
    desk.source.targets = (target().summary,)
    desk.teller.work(True)
    desk.teller.work(True)
    assert desk.source.reads == 3


@pytest.mark.parametrize(("ttl_seconds", "is_proven"), [(300, True), (3_600, False)])
def test_what_was_held_back_counts_before_what_the_state_knows(
    ttl_seconds: int,
    is_proven: bool,  # noqa: FBT001 - a column
) -> None:
    """An entry that was granted an hour may be alive because of it, whatever the hit itself asks for."""
    desk = Desk(store=Store(), gathered=Gathered())
    assert desk.store is not None
    assert desk.gathered is not None
    for second in (0, 29):
        desk.clock.seconds = second
        desk.record()
        desk.teller.work(True)
    desk.clock.seconds = 29 + HIT_SECONDS
    known = warmth(desk.clock.now() - HALF_LIFE, ttl_seconds=ttl_seconds)
    desk.store.script = [Observed(EPOCH - timedelta(days=1), is_news=True, warmth=known)]
    desk.record()
    desk.teller.work(True)
    assert desk.gathered.value("WarmedHits") == (1 if is_proven else None)
