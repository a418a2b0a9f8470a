"""The background's work: targets, state and metrics, each when it is due, and whatever fails is tried again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from prompt_cache_warmer.errors import StateUnavailableError, TargetsUnreadableError
from prompt_cache_warmer.library.observing.recording import MAX_WAITING
from prompt_cache_warmer.values.state import EntryKey, Observed, Warmth
from tests.fakes import EPOCH, MODEL, document, target
from tests.observer_cases import COLD, REQUEST, used
from tests.observer_parts import Desk, Gathered, Source, Store

KEY = EntryKey("support", "default", MODEL)
LATER = EPOCH + timedelta(seconds=400)
OTHER_MODEL = "claude-haiku-4-5"


def warmth(**changes: Any) -> Warmth:
    """Return a warm call 100 s before ``LATER``."""
    given: dict[str, Any] = {
        "fingerprint": target().summary.prefix_digest,
        "asked_ttl_seconds": 300,
        "warmed_at": EPOCH + timedelta(seconds=300),
        "ttl_seconds": 300,
        "verdict": "refreshed",
        "cached_tokens": 2_900,
        **changes,
    }
    return Warmth(**given)


PROVEN = Observed(previous_at=EPOCH, is_news=True, warmth=warmth())


HIT_SECONDS = 450  # a life of 300 s after the last request, and what may have been told late


def test_the_state_is_told_once_in_30_seconds_of_all_that_was_seen() -> None:
    """However many requests there are; the wait is until the next is due."""
    desk = Desk(store=Store())
    assert desk.store is not None
    for second in range(91):
        desk.clock.seconds = second
        desk.record()
        wait = desk.teller.work(False)
        assert wait == (60 if second % 30 == 0 else 30 - second % 30)
    assert [seen.hits for _, seen in desk.store.told] == [1, 30, 30, 30]
    assert [seen.touched_at for _, seen in desk.store.told] == [EPOCH + timedelta(seconds=s) for s in (0, 30, 60, 90)]
    assert {key for key, _ in desk.store.told} == {KEY}
    assert desk.account.counts().requests == 91


def test_what_the_state_could_not_be_told_is_told_later_with_what_came_until_then() -> None:
    """After a minute, or when it is flushed."""
    desk = Desk(store=Store())
    assert desk.store is not None
    desk.store.script = [StateUnavailableError("no"), StateUnavailableError("no")]
    desk.record()
    assert desk.teller.work(False) == 60
    desk.clock.seconds = 59
    desk.record(counts=COLD)
    assert desk.teller.work(False) == 1
    assert desk.failures == {"state": 1}
    desk.teller.work(True)
    desk.clock.seconds = 119
    desk.teller.work(False)
    assert [(seen.hits, seen.cold_starts) for _, seen in desk.store.told] == [(1, 1)]
    assert desk.failures == {"state": 2}


def test_an_entry_that_cannot_be_told_keeps_no_other_back() -> None:
    """The next time the others come first."""
    desk = Desk(store=Store(), source=Source())
    assert desk.store is not None
    assert desk.source is not None
    desk.source.targets = (target(models=[MODEL, OTHER_MODEL]).summary,)
    desk.teller.work(False)
    desk.record()
    desk.clock.seconds = 1
    desk.record(body={**REQUEST, "model": OTHER_MODEL})
    desk.store.refused = {KEY}
    for _ in range(2):
        desk.clock.seconds += 60
        desk.teller.work(False)
    assert [key.model for key, _ in desk.store.told] == [OTHER_MODEL]
    desk.store.refused = set()
    desk.teller.work(True)
    assert [(key.model, seen.hits) for key, seen in desk.store.told] == [(OTHER_MODEL, 1), (MODEL, 1)]


def test_a_loop_that_cannot_be_started_counts_as_a_failure_of_the_state() -> None:
    """Such as in a process with too many open files; nothing that was seen is lost."""
    desk = Desk(store=Store())

    async def inside() -> float:
        return desk.teller.work(False)  # a second event loop of the same thread is refused, as one too many is

    desk.record()
    with pytest.warns(RuntimeWarning, match="never awaited"):
        assert asyncio.run(inside()) == 60
    assert desk.failures == {"state": 1}
    assert desk.account.due(0) == [KEY]


def test_targets_are_read_every_five_minutes_and_after_a_failure_in_one() -> None:
    """The ones that are known are gone by until then."""
    desk = Desk(source=Source())
    assert desk.source is not None
    assert desk.teller.work(False) == 60
    assert desk.recorder.targets == (target().summary,)
    desk.source.targets = TargetsUnreadableError("no")
    for seconds, reads in ((299, 1), (300, 2), (359, 2), (360, 3)):
        desk.clock.seconds = seconds
        desk.teller.work(False)
        assert desk.source.reads == reads
    assert desk.failures == {"targets": 2}
    assert desk.recorder.targets == (target().summary,)
    desk.source.targets = ()
    desk.clock.seconds = 420
    desk.teller.work(True)
    desk.record()
    assert desk.account.counts().unascribed == 1


def test_requests_wait_until_the_targets_are_known() -> None:
    """So many of them; what is more is lost and counted."""
    desk = Desk(source=Source())
    assert desk.source is not None
    desk.source.targets = TargetsUnreadableError("no")
    desk.teller.work(False)
    for _ in range(MAX_WAITING + 3):
        desk.record()
    assert (desk.recorder.lost, desk.told) == (3, [])
    desk.source.targets = (target().summary,)
    desk.clock.seconds = 60
    desk.teller.work(False)
    assert len(desk.told) == desk.account.counts().hits == MAX_WAITING == 256


def test_requests_that_waited_go_by_the_targets_that_are_read() -> None:
    """Also where the document was another one when they were made."""
    desk = Desk(source=Source())
    assert desk.source is not None
    desk.record(ascribed_to="support")
    changed = document(request={"system": [{**REQUEST["system"][0], "text": "Other. " * 3000}]})
    desk.source.targets = (target(**changed).summary,)
    desk.teller.work(False)
    assert desk.told[0].drifted == ("system",)


def test_a_child_does_not_record_what_its_parent_is_waiting_with() -> None:
    """And begins with all that is due."""
    desk = Desk(source=Source(), store=Store(), gathered=Gathered())
    assert desk.source is not None
    assert desk.gathered is not None
    for _ in range(MAX_WAITING + 1):
        desk.record()
    desk.recorder.forget()
    assert desk.recorder.lost == 0
    desk.teller.work(False)
    assert desk.told == []
    desk.teller.forget()
    desk.teller.work(False)
    assert (desk.source.reads, desk.gathered.flushes) == (2, 2)


def test_metrics_are_put_every_minute_and_a_failure_only_counts() -> None:
    """What could not be put is kept by whoever gathers."""
    desk = Desk(gathered=Gathered())
    assert desk.gathered is not None
    for seconds, flushes in ((0, 1), (59, 1), (60, 2), (119, 2), (120, 3)):
        desk.clock.seconds = seconds
        desk.gathered.fails = OSError("no") if seconds == 60 else None
        desk.teller.work(False)
        assert desk.gathered.flushes == flushes
    assert desk.failures == {"metrics": 1}


def test_without_anything_to_do_it_looks_again_in_a_minute() -> None:
    """It is woken before."""
    assert Desk().teller.work(False) == 60
    assert Desk(gathered=Gathered()).teller.work(False) == 60


@pytest.mark.parametrize(
    ("observed", "counts", "tokens"),
    [
        pytest.param(PROVEN, used(read=3_000), 2_900, id="kept"),
        pytest.param(PROVEN, used(read=2_000), None, id="less"),
        pytest.param(PROVEN, used(written=3_000), None, id="cold"),
        pytest.param(Observed(previous_at=LATER, warmth=warmth()), used(read=3_000), None, id="just-used"),
        pytest.param(Observed(previous_at=EPOCH), used(read=3_000), None, id="no-warm-call"),
    ],
)
def test_a_hit_that_only_a_warm_call_can_have_kept_is_published(
    observed: Observed, counts: dict[str, Any], tokens: int | None
) -> None:
    """Once, for the first hit of what was told."""
    desk = Desk(store=Store(), gathered=Gathered())
    assert desk.store is not None
    assert desk.gathered is not None
    desk.clock.seconds = HIT_SECONDS
    desk.store.script = [observed]
    for _ in range(3):
        desk.record(counts=counts)
    desk.teller.work(False)
    assert desk.gathered.value("Warmed5mTokens") == tokens
    assert desk.gathered.value("WarmedHits") == (None if tokens is None else 1)
    assert desk.gathered.value("TrafficRequests") == 3


def test_a_proven_hit_without_metrics_is_nobodys_business_and_a_broken_sink_counts() -> None:
    """Nothing is raised."""
    desk = Desk(store=Store())
    assert desk.store is not None
    desk.clock.seconds = HIT_SECONDS
    desk.store.script = [PROVEN]
    desk.record()
    desk.teller.work(False)
    assert desk.failures == {}

    class Broken(Gathered):
        def emit(self, metric_sets: Any) -> None:
            raise OSError(metric_sets)

    desk = Desk(store=Store(), gathered=Broken())
    assert desk.store is not None
    desk.clock.seconds = HIT_SECONDS
    desk.store.script = [PROVEN]
    desk.record()
    desk.teller.work(False)
    assert desk.failures == {"metrics": 2}


def test_the_size_of_a_prefix_is_learned_and_then_a_smaller_read_is_a_cold_start() -> None:
    """By the last warm call's usage."""
    desk = Desk(store=Store())
    assert desk.store is not None
    desk.store.script = [Observed(warmth=warmth(cached_tokens=3_000)), Observed()]
    for read, told in ((10, True), (2_999, False), (3_000, False)):
        desk.record(counts=used(read=read))
        if told:
            desk.teller.work(False)
    assert [str(each.sight) for each in desk.told] == ["hit", "cold-start", "hit"]
    assert desk.woken == 2  # the first of each half minute


def test_a_miss_is_told_with_what_may_explain_it() -> None:
    """Tiers, tokens, workspace, region and the next marker, and never a text."""
    desk = Desk(store=Store())
    assert desk.store is not None
    desk.record(counts=used(written=9, plain=7, read=0), workspace_id="w", region="eu-central-1")
    desk.teller.work(False)
    ((_, seen),) = desk.store.told
    miss = seen.last_miss
    assert miss is not None
    assert (miss.drifted, miss.read_tokens, miss.written_tokens, miss.uncached_tokens) == ((), 0, 9, 7)
    assert (miss.workspace_id, miss.region, miss.marker_distance, miss.at) == ("w", "eu-central-1", 0, EPOCH)
    assert (seen.cold_starts, seen.touched_at, seen.fingerprint) == (1, EPOCH, target().summary.prefix_digest)
