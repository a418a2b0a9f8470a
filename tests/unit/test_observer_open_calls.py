"""Requests that may have kept an entry alive without anybody knowing: under way, lost, or dropped."""

from __future__ import annotations

import gc
from datetime import timedelta
from typing import Any

import pytest

from prompt_cache_warmer.library.observing.open_calls import MAX_UNEXPLAINED, OpenCalls
from prompt_cache_warmer.values.state import Observed, Warmth
from tests.fakes import EPOCH, MODEL, target
from tests.observer_cases import HIT
from tests.observer_parts import Desk, Gathered, Store

HIT_SECONDS = 1_000


class Call:
    """Whoever waits for an answer."""


def at(seconds: float) -> Any:
    """Return a moment."""
    return EPOCH + timedelta(seconds=seconds)


def test_a_request_under_way_counts_until_its_end() -> None:
    """Of its model, and before the moment that is asked about."""
    calls, waiting = OpenCalls(), Call()
    number = calls.begin(waiting, MODEL, at(10))
    assert calls.latest_before(MODEL, at(11)) == at(10)
    assert calls.latest_before(MODEL, at(10)) is None
    assert calls.latest_before("another", at(11)) is None
    calls.end(number)
    assert calls.latest_before(MODEL, at(11)) is None
    calls.end(number)


def test_one_whose_answer_nobody_can_read_counts_for_good() -> None:
    """The latest before the moment, of whatever order they came in."""
    calls = OpenCalls()
    for seconds in (30, 10, 50):
        calls.unexplained(MODEL, at(seconds))
    assert calls.latest_before(MODEL, at(50)) == at(30)
    assert calls.latest_before(MODEL, at(99)) == at(50)
    for _ in range(MAX_UNEXPLAINED):
        calls.unexplained("another", at(0))
    assert calls.latest_before(MODEL, at(99)) is None


def test_one_that_nobody_waits_for_any_more_counts_for_good() -> None:
    """Its answer was dropped, and will never be told."""
    calls, waiting = OpenCalls(), Call()
    calls.begin(waiting, MODEL, at(10))
    del waiting
    gc.collect()
    for _ in range(2):
        assert calls.latest_before(MODEL, at(11)) == at(10)


def test_a_child_knows_nothing_of_its_parents_requests() -> None:
    """They are its parent's to end."""
    calls, waiting = OpenCalls(), Call()
    calls.begin(waiting, MODEL, at(10))
    calls.unexplained(MODEL, at(10))
    calls.forget()
    assert calls.latest_before(MODEL, at(11)) is None


@pytest.mark.parametrize(
    ("unknown_seconds", "is_proven"),
    [(None, True), (HIT_SECONDS - 450, True), (HIT_SECONDS - 449, False), (HIT_SECONDS, True), (-1, True)],
)
def test_a_hit_is_proven_against_requests_that_nobody_could_read(
    unknown_seconds: float | None,
    is_proven: bool,  # noqa: FBT001 - a column
) -> None:
    """A lost request of the same model counts as one that may have kept the entry."""
    desk = Desk(store=Store(), gathered=Gathered())
    assert desk.store is not None
    assert desk.gathered is not None
    warmth = Warmth(
        fingerprint=target().summary.prefix_digest,
        asked_ttl_seconds=300,
        warmed_at=at(HIT_SECONDS - 100),
        ttl_seconds=300,
        verdict="refreshed",
        cached_tokens=2_900,
    )
    desk.store.script = [Observed(previous_at=EPOCH, is_news=True, warmth=warmth)]
    if unknown_seconds is not None:
        desk.open_calls.unexplained(MODEL, at(unknown_seconds))
    desk.clock.seconds = HIT_SECONDS
    desk.record(counts=HIT)
    desk.teller.work(False)
    assert desk.gathered.value("WarmedHits") == (1 if is_proven else None)
