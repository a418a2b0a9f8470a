"""What is recorded of a request: for its own target, for others whose prefix it carries, and while it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from prompt_cache_warmer.library.observing.recording import MAX_WAITING_BYTES
from prompt_cache_warmer.values.observation import Sightings
from prompt_cache_warmer.values.state import EntryKey, Observed, Warmth
from tests.fakes import EPOCH, MODEL, document, target
from tests.observer_cases import COLD, HIT, REQUEST, Api, Watch, used
from tests.observer_parts import Desk, Offline, Source, Store

KEY, LONG_KEY = EntryKey("support", "default", MODEL), EntryKey("long", "default", MODEL)
MINE = target().summary
MARKER = {"type": "ephemeral"}
LONGER: dict[str, Any] = {
    **REQUEST,
    "system": [*REQUEST["system"], {"type": "text", "text": "More. " * 3000, "cache_control": MARKER}],
}
LONG = target(**document("long", request={"system": LONGER["system"]})).summary
OTHER_MODEL = "claude-haiku-4-5"
HALF = MAX_WAITING_BYTES // 2


def desk_of(*targets: Any) -> Desk:
    """Return a desk that knows targets, with a state to tell."""
    desk = Desk(store=Store())
    desk.recorder.know(targets)
    return desk


def told(desk: Desk) -> dict[EntryKey, Sightings]:
    """Return what the state is told."""
    assert desk.store is not None
    desk.teller.work(True)
    return dict(desk.store.told)


def warmth(**changes: Any) -> Warmth:
    """Return what a warm call proved of the target in one workspace and region."""
    given: dict[str, Any] = {
        "fingerprint": MINE.prefix_digest,
        "asked_ttl_seconds": 300,
        "warmed_at": EPOCH,
        "ttl_seconds": 300,
        "verdict": "written",
        "cached_tokens": 3_000,
        "workspace_id": "w",
        "region": "eu-central-1",
        **changes,
    }
    return Warmth(**given)


def test_of_another_target_whose_prefix_it_reads_the_state_hears_only_of_the_touch() -> None:
    """It is counted for its own; when, by which marker and of which prefix is told of the other."""
    desk = desk_of(MINE, LONG)
    desk.record(body=LONGER, counts=used(read=9_000))
    assert told(desk) == {
        LONG_KEY: Sightings(hits=1, touched_at=EPOCH, touched_ttl_seconds=300, fingerprint=LONG.prefix_digest),
        KEY: Sightings(touched_at=EPOCH, touched_ttl_seconds=300, fingerprint=MINE.prefix_digest),
    }
    counts = desk.account.counts()
    assert (counts.requests, counts.hits) == (1, 1)
    assert [each.target for each in desk.told] == ["long"]


def test_of_another_target_that_it_did_not_touch_the_state_hears_nothing() -> None:
    """A miss is its own target's alone."""
    desk = desk_of(MINE, LONG)
    desk.record(body={**LONGER, "system": [{"type": "text", "text": REQUEST["system"][0]["text"]}]}, counts=used())
    (seen,) = told(desk).items()
    assert (seen[0], seen[1].cold_starts, seen[1].touched_at) == (KEY, 1, None)
    desk = desk_of(MINE, LONG)
    desk.record(body=LONGER, ascribed_to="nobody", counts=used())
    assert told(desk) == {}
    assert desk.account.counts().unascribed == 1


def test_a_read_that_is_its_own_targets_is_no_mystery() -> None:
    """Although it did not read another target whose prefix it carries."""
    desk = desk_of(MINE, LONG)
    unmarked = {"type": "text", "text": LONGER["system"][1]["text"]}
    desk.record(body={**LONGER, "system": [*REQUEST["system"], unmarked]}, ascribed_to="support", counts=HIT)
    assert set(told(desk)) == {KEY}
    assert desk.open_calls.latest_before(MODEL, EPOCH + timedelta(seconds=1)) is None


def test_a_request_of_an_unknown_target_touches_those_whose_prefix_it_carries() -> None:
    """And it is no mystery what it read."""
    desk = desk_of(MINE)
    desk.record(ascribed_to="nobody", counts=HIT)
    assert told(desk) == {KEY: Sightings(touched_at=EPOCH, touched_ttl_seconds=300, fingerprint=MINE.prefix_digest)}
    assert desk.account.counts().unascribed == 1
    assert desk.open_calls.latest_before(MODEL, EPOCH + timedelta(seconds=1)) is None


@pytest.mark.parametrize(
    ("answered_by", "is_touch"),
    [
        pytest.param({"workspace_id": "w", "region": "eu-central-1"}, True, id="the-same"),
        pytest.param({}, True, id="unknown"),
        pytest.param({"workspace_id": "v"}, False, id="another-workspace"),
        pytest.param({"workspace_id": "w", "region": "us-east-1"}, False, id="another-region"),
    ],
)
@pytest.mark.parametrize("counts", [HIT, COLD], ids=["hit", "cold"])
def test_a_request_to_another_cache_touches_nothing(
    answered_by: dict[str, Any],
    is_touch: bool,  # noqa: FBT001 - a column
    counts: dict[str, Any],
) -> None:
    """It is counted all the same."""
    desk = desk_of(MINE)
    assert desk.store is not None
    desk.store.script = [Observed(warmth=warmth())]
    desk.record()
    desk.teller.work(True)
    desk.clock.seconds = 60
    desk.record(counts=counts, **answered_by)
    seen = told(desk)[KEY]
    assert seen.requests == 1
    assert (seen.touched_at is not None) is is_touch
    assert (seen.touched_ttl_seconds is not None) is is_touch


def test_a_request_to_a_model_that_is_not_warmed_is_a_drift_that_the_state_does_not_hear_of() -> None:
    """There is no such entry."""
    desk = desk_of(MINE)
    desk.record(body={**REQUEST, "model": OTHER_MODEL}, ascribed_to="support", counts=HIT)
    assert told(desk) == {}
    assert desk.account.counts().drifts == 1
    (request,) = desk.told
    assert (request.target, request.drifted) == ("support", ("model",))
    later = EPOCH + timedelta(seconds=1)
    assert desk.open_calls.latest_before(OTHER_MODEL, later) == EPOCH  # it read something that nobody here knows


@pytest.mark.parametrize(
    ("sizes", "waiting", "lost"),
    [
        pytest.param([HALF, HALF, HALF], 2, 1, id="as-many-bytes"),
        pytest.param([HALF, HALF + 1, 1], 2, 1, id="one-is-too-many"),
        pytest.param([2 * MAX_WAITING_BYTES] * 2, 1, 1, id="one-always-waits"),
        pytest.param([0] * 257, 256, 1, id="as-many-requests"),
    ],
)
def test_what_waits_for_the_targets_is_bounded_and_counted(sizes: list[int], waiting: int, lost: int) -> None:
    """By number and by bytes; what is given up may have touched anything."""
    desk = Desk(source=Source())
    for size in sizes:
        desk.record(size_bytes=size)
    assert (desk.recorder.waiting, desk.recorder.lost, desk.teller.has_waiting) == (waiting, lost, True)
    assert desk.open_calls.latest_before(MODEL, EPOCH + timedelta(seconds=1)) == EPOCH
    counts = desk.account.counts(lost=desk.recorder.lost, waiting=desk.recorder.waiting)
    assert (counts.waiting, counts.lost, counts.requests) == (waiting, lost, 0)
    desk.teller.work(True)
    assert (desk.recorder.waiting, desk.account.counts().hits, desk.teller.has_waiting) == (0, waiting, False)


def test_an_observer_says_what_waits_and_that_a_flush_did_not_send_it() -> None:
    """No thread is started before there is a request; the size is the request's own."""
    watch = Watch(
        {"targets": "s3://bucket/targets/", "session": Offline(), "state_table": "table", "metrics": "cloudwatch"},
        Api(),
    )
    started = [watch.observer._background.is_started]
    watch.client.messages.create(**REQUEST)
    started.append(watch.observer._background.is_started)
    assert started == [False, True]
    assert (watch.observer.counts.waiting, watch.observer.counts.requests) == (1, 0)
    assert not watch.observer.flush()
    (call,) = watch.observer._recorder._calls
    assert call.size_bytes == len(watch.api.requests[0].content)
    assert not watch.observer.close()
    assert watch.observer.counts.failures["targets"] >= 1
    assert watch.told == []
