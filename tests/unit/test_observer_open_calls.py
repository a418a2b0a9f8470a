"""Requests that may have kept an entry alive without anybody knowing: under way, lost, or dropped."""

from __future__ import annotations

import gc
from contextlib import suppress
from datetime import timedelta
from typing import Any

import anthropic
import httpx2
import pytest

from prompt_cache_warmer.adapters.warm_mark import warming
from prompt_cache_warmer.library.observing.open_calls import MAX_UNEXPLAINED, OpenCalls
from prompt_cache_warmer.values.state import Observed, Warmth
from tests.fakes import EPOCH, MODEL, target
from tests.observer_cases import COLD, HIT, REQUEST, Api, Watch, used, whole
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


def latest(watch: Watch) -> Any:
    """Return when the observer's last request started that may have touched anything."""
    return watch.observer._open_calls.latest_before(MODEL, at(60))


@pytest.mark.parametrize(
    ("answer", "may_have_touched"),
    [
        pytest.param(httpx2.ReadTimeout("late"), True, id="lost"),
        pytest.param(KeyboardInterrupt(), True, id="interrupted"),
        *(pytest.param(whole(HIT, status=status), True, id=str(status)) for status in (500, 504, 529)),
        *(pytest.param(whole(HIT, status=status), False, id=str(status)) for status in (400, 401, 404, 429)),
        pytest.param(whole(None), True, id="unread"),
        pytest.param(whole(used(read=-1)), True, id="nonsense"),
        pytest.param(whole(HIT), False, id="a-hit"),
        pytest.param(whole(COLD), False, id="a-cold-start"),
    ],
)
def test_an_attempt_that_is_not_understood_may_have_touched_anything(
    answer: httpx2.Response | BaseException,
    may_have_touched: bool,  # noqa: FBT001 - a column
) -> None:
    """What the API refused has not, and neither has what is known."""
    watch = Watch()
    watch.api.script.append(answer)
    with suppress(anthropic.APIError, KeyboardInterrupt):
        watch.client.messages.create(**REQUEST)
    gc.collect()
    assert latest(watch) == (EPOCH if may_have_touched else None)


async def test_an_asynchronous_attempt_that_is_lost_may_have_touched_anything() -> None:
    """As a synchronous one."""
    watch = Watch()
    watch.api.script.append(httpx2.ReadTimeout("late"))
    with pytest.raises(anthropic.APITimeoutError):
        await watch.aclient.messages.create(**REQUEST)
    assert latest(watch) == EPOCH


@pytest.mark.parametrize(
    ("request_", "usage", "may_have_touched"),
    [
        pytest.param({**REQUEST, "max_tokens": 0}, HIT, True, id="the-applications-own-warm-call"),
        pytest.param({**REQUEST, "system": "Nobody's."}, HIT, True, id="a-read-of-nobodys"),
        pytest.param({**REQUEST, "system": "Nobody's."}, COLD, False, id="a-write-of-nobodys"),
        pytest.param({**REQUEST, "system": "Nobody's."}, used(), False, id="nothing-of-nobodys"),
        pytest.param(REQUEST, used(read=5, written=5), False, id="a-write-at-its-end"),
    ],
)
def test_what_is_read_and_is_nobodys_may_be_anybodys(
    request_: dict[str, Any],
    usage: dict[str, Any],
    may_have_touched: bool,  # noqa: FBT001 - a column
) -> None:
    """A request of no known target that read something, and one that only warms."""
    watch = Watch(api=Api(usage))
    watch.client.messages.create(**request_)
    assert latest(watch) == (EPOCH if may_have_touched else None)


def test_a_warmers_own_calls_are_no_mystery() -> None:
    """The state knows of them as warm calls."""
    watch = Watch()
    with warming():
        watch.client.messages.create(**{**REQUEST, "max_tokens": 0})
    assert watch.counted == {"warm_calls": 1}
    assert latest(watch) is None


def test_a_stream_under_way_may_have_touched_anything_until_it_ends() -> None:
    """Its start is what counts."""
    watch = Watch()
    stream = watch.client.messages.create(**REQUEST, stream=True)
    assert latest(watch) == EPOCH
    assert list(stream)
    assert latest(watch) is None


def test_a_lost_request_that_is_no_message_is_none() -> None:
    """Nobody looks at it."""
    watch = Watch()
    watch.api.script.append(httpx2.ReadTimeout("late"))
    with pytest.raises(anthropic.APITimeoutError):
        watch.client.models.list()
    assert latest(watch) is None
    assert watch.counted == {}


async def test_a_lost_asynchronous_request_that_is_no_message_is_none() -> None:
    """As a synchronous one."""
    watch = Watch()
    watch.api.script.append(httpx2.ReadTimeout("late"))
    with pytest.raises(anthropic.APITimeoutError):
        await watch.aclient.models.list()
    assert latest(watch) is None
