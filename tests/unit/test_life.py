"""An entry's life: what a call proves, what traffic adds, and what a change of the target ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from prompt_cache_warmer.rules.entry_result import CallFacts
from prompt_cache_warmer.rules.life import warmth_after
from prompt_cache_warmer.values.observation import Miss, Sightings
from prompt_cache_warmer.values.state import (
    UNKNOWN,
    Breaker,
    Claim,
    EntryState,
    Habit,
    Toucher,
    Traffic,
    Warmth,
)
from prompt_cache_warmer.values.usage import Usage
from tests.decisions import HOUR, NOW, PREFIX, ago, known, warmed

OTHER_PREFIX = "b" * 64
HABIT = Habit(used_since=ago(600), credit_usd=Decimal(0))


def lived(state: EntryState, **changes: Any) -> EntryState:
    """Return what of a state holds for the tests' prefix, an hour and version 7, or for something else."""
    return state.life(**{"fingerprint": PREFIX, "asked_ttl_seconds": HOUR, "version": "v7", **changes})


def after(state: EntryState, **tokens: Any) -> Warmth:
    """Return the warmth after a call with such a usage."""
    return warmth_after(
        state,
        Usage(**tokens),
        fingerprint=PREFIX,
        started_at=NOW,
        asked_ttl_seconds=HOUR,
        latency_seconds=1.5,
        call=CallFacts("zero", "", 1, 1500, message_id="msg_1", workspace_id="wrkspc_1", region="eu-central-1"),
        habit=HABIT,
    )


def asking(state: EntryState, ttl_seconds: int | None) -> EntryState:
    """Return a state whose last request's marker asked for so long."""
    assert state.traffic is not None
    return replace(state, traffic=replace(state.traffic, ttl_seconds=ttl_seconds))


def granted(state: EntryState, **changes: Any) -> EntryState:
    """Return a state whose warm call was granted its time to live."""
    assert state.warmth is not None
    return replace(state, warmth=replace(state.warmth, is_ttl_granted=True), **changes)


WHOLE = EntryState(
    sequence=9,
    warmth=warmed(ago(10)),
    traffic=Traffic(ago(5), PREFIX, ago(7)),
    breaker=Breaker(failures=2, version="v7"),
    claim=Claim("run", ago(-1)),
)


def test_a_life_goes_on_while_nothing_changes() -> None:
    """Warmth, traffic, breaker, claim and sequence are all still there."""
    assert lived(WHOLE) == WHOLE


def test_another_prefix_starts_a_new_life() -> None:
    """Warmth and the traffic that carried the old one are gone; the claim and its sequence belong to the entry."""
    assert lived(WHOLE, fingerprint=OTHER_PREFIX) == replace(WHOLE, warmth=None, traffic=None)


def test_another_time_to_live_forgets_the_warm_call_and_keeps_the_traffic() -> None:
    """What was written for an hour says nothing of five minutes."""
    assert lived(WHOLE, asked_ttl_seconds=300) == replace(WHOLE, warmth=None)


def test_another_document_version_closes_the_breaker_alone() -> None:
    """Whatever changed, the API is asked again; the prefix is as warm as before."""
    assert lived(WHOLE, version="v8") == replace(WHOLE, breaker=Breaker(version="v8"))


def test_traffic_of_another_prefix_is_forgotten_though_the_warm_call_holds() -> None:
    """The application changed its prompt before the document did."""
    strayed = replace(WHOLE, traffic=Traffic(ago(5), OTHER_PREFIX))
    assert lived(strayed) == replace(WHOLE, traffic=None)


def test_traffic_that_named_no_prefix_outlives_a_change() -> None:
    """Nobody knows what it carried."""
    unnamed = replace(WHOLE, traffic=Traffic(ago(5)))
    assert lived(unnamed, fingerprint=OTHER_PREFIX).traffic == Traffic(ago(5))


MISSED = Miss(ago(3), written_tokens=9)
DRIFTED = Miss(ago(3), drifted=("system",))


@pytest.mark.parametrize(
    ("sightings", "left"),
    [
        (Sightings(1, 2, 3, ago(2), PREFIX, MISSED), Sightings(1, 2, 3, ago(2), PREFIX, MISSED)),
        (Sightings(1, 2, 3, ago(2), PREFIX, DRIFTED), Sightings(1, 2, 3, ago(2), PREFIX, DRIFTED)),
        (Sightings(1, 2, 3, ago(2), None, MISSED), Sightings(1, 2, 3, ago(2), None, MISSED)),
        (Sightings(1, 2, 3, ago(2), OTHER_PREFIX, MISSED), None),
        (Sightings(1, fingerprint=OTHER_PREFIX), None),
        (Sightings(1, 2, 3, ago(2), OTHER_PREFIX, DRIFTED, 300), Sightings(0, 0, 3, None, OTHER_PREFIX, DRIFTED)),
        (None, None),
    ],
)
def test_what_was_seen_of_another_prefix_says_nothing_unless_it_is_a_drift(
    sightings: Sightings | None, left: Sightings | None
) -> None:
    """Hits and cold starts of it are gone with it; that the application and its observer are at odds is still so."""
    assert lived(replace(WHOLE, sightings=sightings)) == replace(WHOLE, sightings=left)


def test_a_life_of_an_entry_nobody_knows_is_empty() -> None:
    """Only the breaker learns which version it speaks of."""
    assert lived(UNKNOWN) == EntryState(breaker=Breaker(version="v7"))


@pytest.mark.parametrize(
    ("state", "touched_at", "touched_by"),
    [
        (UNKNOWN, None, None),
        (known(called=ago(10)), ago(10), Toucher.WARM_CALL),
        (known(used=ago(5)), ago(5), Toucher.TRAFFIC),
        (known(called=ago(10), used=ago(5)), ago(5), Toucher.TRAFFIC),
        (known(called=ago(5), used=ago(10)), ago(5), Toucher.WARM_CALL),
        (known(called=ago(5), used=ago(5)), ago(5), Toucher.TRAFFIC),
        (known(called=ago(5), ttl=None), None, None),  # a call that left nothing cached restarted nothing
        (known(called=ago(5), used=ago(10), ttl=None), ago(10), Toucher.TRAFFIC),
    ],
)
def test_who_touched_an_entry_last(state: EntryState, touched_at: datetime | None, touched_by: Toucher | None) -> None:
    """Traffic or a warm call, whichever was later; of two at once it is the application's."""
    assert (state.touched_at, state.touched_by) == (touched_at, touched_by)


@pytest.mark.parametrize(
    ("state", "lapses_at"),
    [
        (UNKNOWN, None),
        (known(called=ago(10)), ago(-50)),
        (known(called=ago(10), ttl=300), ago(5)),  # granted five minutes, whatever was asked for
        (known(called=ago(10), used=ago(2), ttl=300), ago(-3)),  # traffic restarts what was granted
        (known(used=ago(2)), ago(-58)),  # nothing was granted yet, so what the target asks for
        (known(called=ago(10), ttl=None), None),
        (known(called=ago(2), used=ago(10), ttl=None), ago(-50)),
        (asking(known(used=ago(2)), 300), ago(-3)),  # no more is proved than what the request itself asked for
        (asking(known(called=ago(10), used=ago(2)), 300), ago(-50)),  # what the call proved still holds
        (asking(known(called=ago(57), used=ago(1)), 300), ago(-4)),
        (asking(known(called=ago(10), used=ago(2), ttl=300), HOUR), ago(-3)),  # it read what was granted less
        (asking(known(used=ago(2)), HOUR), ago(-58)),
        (asking(known(called=ago(1), used=ago(2), ttl=None), 300), ago(-3)),
    ],
)
def test_when_an_entry_lapses(state: EntryState, lapses_at: datetime | None) -> None:
    """The granted time to live after a warm call, no more than asked for after a request; the target asks an hour."""
    assert state.lapses_at(ttl_seconds=HOUR) == lapses_at


def test_refreshes_are_counted_since_the_last_traffic() -> None:
    """A request after the last call sets the count to 0, and so does one that is not known any more."""
    state = known(called=ago(5), used=ago(60), idle=4)
    assert state.idle_refreshes == 4
    assert replace(state, traffic=Traffic(ago(1), PREFIX)).idle_refreshes == 0
    assert replace(state, traffic=None).idle_refreshes == 0
    assert known(used=ago(60)).idle_refreshes == UNKNOWN.idle_refreshes == 0
    assert known(called=ago(5), idle=4).idle_refreshes == 4


def test_a_call_is_remembered_with_all_that_it_proved() -> None:
    """When it started, what was granted, what was cached, how long it took, and the refreshes since the traffic."""
    state = known(called=ago(56), used=ago(100), idle=1)
    assert after(state, read_tokens=9_000, uncached_tokens=5, output_tokens=1) == Warmth(
        fingerprint=PREFIX,
        asked_ttl_seconds=HOUR,
        warmed_at=NOW,
        ttl_seconds=HOUR,
        verdict="refreshed",
        message_id="msg_1",
        cached_tokens=9_000,
        other_tokens=6,
        latency_seconds=1.5,
        idle_refreshes=2,
        idle_since=ago(100),
        habit=HABIT,
        workspace_id="wrkspc_1",
        region="eu-central-1",
    )


def test_the_first_call_after_traffic_is_the_first_idle_refresh() -> None:
    """And that of an entry without any traffic counts from the beginning."""
    state = replace(known(called=ago(56), used=ago(100), idle=7), traffic=Traffic(ago(50), PREFIX))
    found = after(state, read_tokens=9_000)
    assert (found.idle_refreshes, found.idle_since) == (1, ago(50))
    first = after(UNKNOWN, write_1h_tokens=9_000)
    assert (first.idle_refreshes, first.idle_since) == (1, None)
    again = after(EntryState(warmth=first), read_tokens=9_000)
    assert (again.idle_refreshes, again.idle_since) == (2, None)


SHORT = known(called=ago(4), ttl=300)
NONE_CACHED = known(called=ago(4), ttl=None)


@pytest.mark.parametrize(
    ("state", "tokens", "ttl_seconds", "verdict"),
    [
        (UNKNOWN, {"write_1h_tokens": 9}, 3600, "written"),
        (UNKNOWN, {"write_5m_tokens": 9}, 300, "written"),  # less than was asked for is what counts
        (UNKNOWN, {"write_5m_tokens": 4, "write_1h_tokens": 5}, 300, "written"),  # the whole lives no longer
        (UNKNOWN, {"read_tokens": 9}, 3600, "refreshed"),  # nobody knows, so what is asked for
        (SHORT, {"read_tokens": 9}, 300, "refreshed"),  # a refresh restarts what was granted
        (SHORT, {"write_1h_tokens": 9}, 3600, "written"),
        (SHORT, {"read_tokens": 4, "write_1h_tokens": 5}, 3600, "partial"),
        (NONE_CACHED, {"read_tokens": 9}, 3600, "refreshed"),
        (SHORT, {"write_1h_tokens": 9, "is_split": False}, 300, "written"),  # the API did not say
        (UNKNOWN, {"write_5m_tokens": 9, "is_split": False}, 3600, "written"),
        (SHORT, {"uncached_tokens": 9}, None, "uncached"),
    ],
)
def test_how_long_an_entry_lives_after_a_call(
    state: EntryState, tokens: dict[str, Any], ttl_seconds: int | None, verdict: str
) -> None:
    """What the answer grants, else what was granted before, else what is asked for; nothing where nothing is cached."""
    found = after(state, **tokens)
    assert (found.ttl_seconds, found.verdict) == (ttl_seconds, verdict)


KEPT = known(called=ago(4), used=ago(2))
WRITTEN_ANEW = Sightings(cold_starts=1)


@pytest.mark.parametrize(
    ("state", "tokens", "expected"),
    [
        (UNKNOWN, {"write_1h_tokens": 9}, (HOUR, True)),
        (UNKNOWN, {"write_5m_tokens": 9}, (300, True)),
        (UNKNOWN, {"read_tokens": 4, "write_1h_tokens": 5}, (HOUR, True)),
        (UNKNOWN, {"read_tokens": 9}, (HOUR, False)),  # who wrote it, and for how long, nobody knows
        (UNKNOWN, {"write_1h_tokens": 9, "is_split": False}, (HOUR, False)),  # the API did not say
        (granted(KEPT), {"uncached_tokens": 9}, (None, False)),
        (asking(known(used=ago(2)), 300), {"read_tokens": 9}, (300, False)),  # as the application asked
        (asking(known(used=ago(2)), HOUR), {"read_tokens": 9}, (HOUR, False)),
        (asking(KEPT, 300), {"read_tokens": 9}, (300, False)),
        (asking(known(called=ago(4), used=ago(2), ttl=300), HOUR), {"read_tokens": 9}, (300, False)),
        (granted(KEPT), {"read_tokens": 9}, (HOUR, True)),
        (granted(known(called=ago(4))), {"read_tokens": 9}, (HOUR, True)),
        (asking(granted(KEPT), 300), {"read_tokens": 9}, (HOUR, True)),  # a request that read it changes nothing
        (granted(KEPT, sightings=Sightings(hits=9)), {"read_tokens": 9}, (HOUR, True)),
        (granted(KEPT, sightings=WRITTEN_ANEW), {"read_tokens": 9}, (HOUR, False)),
        (granted(known(called=ago(4)), sightings=WRITTEN_ANEW), {"read_tokens": 9}, (HOUR, False)),
        (asking(granted(KEPT, sightings=WRITTEN_ANEW), 300), {"read_tokens": 9}, (300, False)),
        (asking(granted(KEPT, sightings=WRITTEN_ANEW), HOUR), {"read_tokens": 9}, (HOUR, True)),
        (granted(known(called=ago(59.9))), {"read_tokens": 9}, (HOUR, True)),
        (granted(known(called=ago(60))), {"read_tokens": 9}, (HOUR, False)),  # it had lapsed: another one wrote it
        (granted(NONE_CACHED), {"read_tokens": 9}, (HOUR, False)),
        (asking(granted(known(called=ago(9), used=ago(8), ttl=300)), HOUR), {"read_tokens": 9}, (300, False)),
    ],
)
def test_a_time_to_live_is_granted_by_a_write_alone(
    state: EntryState, tokens: dict[str, Any], expected: tuple[int | None, bool]
) -> None:
    """This call's, or that of one before it whose entry it read; else it lives as long as was asked for at most."""
    found = after(state, **tokens)
    assert (found.ttl_seconds, found.is_ttl_granted) == expected


def test_traffic_resumes_with_the_first_request_after_a_call() -> None:
    """What came before the call, or with it, is no request after it."""
    at = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
    traffic = Traffic(at, PREFIX, resumed_at=at - timedelta(minutes=5))
    assert traffic.since(at - timedelta(minutes=6)) == traffic
    assert traffic.since(at - timedelta(minutes=5)) == replace(traffic, resumed_at=at)
    assert traffic.since(at) == replace(traffic, resumed_at=None)
    unresumed = Traffic(at)
    assert unresumed.since(at - timedelta(minutes=1)).resumed_at == at


@pytest.mark.parametrize(
    ("warmed", "used", "expected"),
    [
        (timedelta(0), timedelta(0), (NOW, NOW)),
        (timedelta(seconds=30), timedelta(seconds=30), (NOW, NOW)),
        (timedelta(hours=1), timedelta(minutes=-5), (None, NOW - timedelta(minutes=5))),
        (timedelta(minutes=-5), timedelta(hours=1), (NOW - timedelta(minutes=5), None)),
        (timedelta(hours=1), timedelta(hours=1), (None, None)),
        (None, timedelta(seconds=30), (None, NOW)),
        (timedelta(seconds=30), None, (NOW, None)),
    ],
)
def test_what_is_dated_in_the_future_is_believed_for_a_minute(
    warmed: timedelta | None, used: timedelta | None, expected: tuple[datetime | None, datetime | None]
) -> None:
    """Clocks are a little apart; what lies further ahead than they can be is unknown."""
    state = EntryState(
        warmth=None if warmed is None else Warmth("f", 3_600, NOW + warmed, 3_600, "written"),
        traffic=None if used is None else Traffic(NOW + used),
    ).as_of(NOW)
    found = (state.warmth and state.warmth.warmed_at, state.traffic and state.traffic.last_at)
    assert found == expected


def test_traffic_that_resumed_in_the_past_is_known_by_that() -> None:
    """A later report with a wrong date hides nothing that was known before it."""
    traffic = Traffic(NOW + timedelta(days=1), resumed_at=NOW - timedelta(minutes=9))
    found = EntryState(traffic=traffic).as_of(NOW).traffic
    assert found is not None
    assert (found.last_at, found.resumed_at) == (NOW - timedelta(minutes=9),) * 2
