"""The diagnosis: each cause by its own proof, the more certain first, and none where nothing is proved."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prompt_cache_warmer.rules.diagnosis import Cause, Diagnosis, diagnose
from prompt_cache_warmer.values.observation import Miss, Sightings
from prompt_cache_warmer.values.state import EntryState, Traffic, Warmth

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PREFIX, OTHER = "a" * 64, "b" * 64
MODEL = "claude-sonnet-4-6"
WARM = Warmth(
    fingerprint=PREFIX,
    asked_ttl_seconds=3600,
    warmed_at=NOW,
    ttl_seconds=3600,
    verdict="refreshed",
    cached_tokens=4000,
    other_tokens=5,
    latency_seconds=1.5,
    workspace_id="wrkspc_1",
    is_ttl_granted=True,
)
# Everything as it should be, and the entry gone all the same.
MISS = Miss(
    at=NOW + timedelta(minutes=6),
    written_tokens=4100,
    uncached_tokens=7,
    workspace_id="wrkspc_1",
    marker_distance=0,
)
UNCACHED = {"ttl_seconds": None, "verdict": "uncached", "cached_tokens": 0, "other_tokens": 900}
NOTHING = {"written_tokens": 0, "uncached_tokens": 900}


def state(miss: dict[str, Any] | None = None, warm: dict[str, Any] | None = None, **seen: Any) -> EntryState:
    """Return an entry that was warmed at noon and missed six minutes later, with changes."""
    sightings = Sightings(hits=1, cold_starts=1, fingerprint=PREFIX, last_miss=replace(MISS, **(miss or {})))
    return EntryState(warmth=replace(WARM, **(warm or {})), sightings=replace(sightings, **seen))


def found(entry: EntryState) -> Diagnosis | None:
    """Diagnose an entry."""
    return diagnose(entry, fingerprint=PREFIX, model=MODEL)


def cause(entry: EntryState) -> Cause | None:
    """Return the cause alone."""
    diagnosis = found(entry)
    return None if diagnosis is None else diagnosis.cause


def evidence(entry: EntryState) -> dict[str, Any]:
    """Return the evidence as the report lists it."""
    diagnosis = found(entry)
    assert diagnosis is not None
    listed: dict[str, Any] = diagnosis.as_json()["evidence"]
    return listed


def at(seconds: float) -> dict[str, Any]:
    """Return a change that lets the miss be some seconds after the warm call."""
    return {"at": NOW + timedelta(seconds=seconds)}


def test_an_entry_nobody_saw_missed_has_none() -> None:
    """Nothing seen, hits alone, or a miss from before the last warm call; one at its very start is since."""
    assert cause(EntryState(warmth=WARM)) is None
    assert cause(EntryState(warmth=WARM, traffic=Traffic(NOW), sightings=Sightings(hits=9))) is None
    assert cause(state({**at(-0.001), "drifted": ("system",)})) is None
    assert cause(state({**at(0), "drifted": ("system",)})) is Cause.PREFIX_DRIFT


def test_drift_is_proved_by_fingerprints_alone() -> None:
    """Whatever else is different, and even where no warm call was ever answered."""
    drifted = {"drifted": ("tools", "settings"), "workspace_id": "wrkspc_2", "marker_distance": None}
    assert evidence(state(drifted)) == {
        "missed_at": "2026-11-22T12:06:00+00:00",
        "warmed_at": "2026-11-22T12:00:00+00:00",
        "tiers": ["tools", "settings"],
        "is_present_version": True,
        "read_tokens": 0,
        "written_tokens": 4100,
        "uncached_tokens": 7,
    }
    diagnosis = found(replace(state(drifted), warmth=None))
    assert diagnosis is not None
    assert diagnosis.cause is Cause.PREFIX_DRIFT
    assert diagnosis.sentence.startswith("the application's request is not the target's in tools, settings: find")
    assert "warmed_at" not in diagnosis.as_json()["evidence"]


def test_a_drift_against_another_version_says_so() -> None:
    """Who knows another target than the warmer may be wrong about this one."""
    diagnosis = found(state({"drifted": ("system",)}, fingerprint=OTHER))
    assert diagnosis is not None
    assert diagnosis.sentence.endswith("let the application load its targets again")
    assert diagnosis.evidence["is_present_version"] is False
    unsaid = found(state({"drifted": ("system",)}, fingerprint=None))
    assert unsaid is not None
    assert unsaid.evidence["is_present_version"] is True


def test_another_region_is_proved_by_both_answers() -> None:
    """Both regions are named; where one is not known nothing is said of regions."""
    warm = {"region": "eu-central-1"}
    assert evidence(state({"region": "us-east-1"}, warm)) == {
        "missed_at": "2026-11-22T12:06:00+00:00",
        "warmed_at": "2026-11-22T12:00:00+00:00",
        "request_region": "us-east-1",
        "warm_region": "eu-central-1",
        "read_tokens": 0,
        "written_tokens": 4100,
        "uncached_tokens": 7,
    }
    assert cause(state({"region": "us-east-1"}, warm)) is Cause.OTHER_REGION
    assert cause(state({"region": "eu-central-1"}, warm)) is Cause.EVICTED_EARLY
    assert cause(state({"region": "us-east-1"})) is None
    assert cause(state({}, warm)) is None
    assert cause(replace(state({"region": "us-east-1"}), warmth=None)) is None


def test_another_workspace_is_proved_by_both_answers() -> None:
    """Both ids are named; on Bedrock, where workspaces share the cache, it is no cause."""
    assert evidence(state({"workspace_id": "wrkspc_2"})) == {
        "missed_at": "2026-11-22T12:06:00+00:00",
        "warmed_at": "2026-11-22T12:00:00+00:00",
        "request_workspace_id": "wrkspc_2",
        "warm_workspace_id": "wrkspc_1",
        "read_tokens": 0,
        "written_tokens": 4100,
        "uncached_tokens": 7,
    }
    assert cause(state({"workspace_id": "wrkspc_2"})) is Cause.OTHER_WORKSPACE
    assert cause(state({"workspace_id": None})) is None
    assert cause(state({}, {"workspace_id": None})) is None
    for regions in (({"region": "r"}, {"region": "r"}), ({"region": "r"}, {}), ({}, {"region": "r"})):
        assert cause(state({"workspace_id": "wrkspc_2", **regions[0]}, regions[1])) is None


def test_below_the_minimum_by_the_warm_call() -> None:
    """Its verdict is uncached: nothing was ever alive, and that is why."""
    entry = state(NOTHING, UNCACHED)
    assert evidence(entry) == {
        "missed_at": "2026-11-22T12:06:00+00:00",
        "warmed_at": "2026-11-22T12:00:00+00:00",
        "verdict": "uncached",
        "warm_tokens": 900,
        "minimum_tokens": 1024,
        "read_tokens": 0,
        "written_tokens": 0,
        "uncached_tokens": 900,
    }
    assert cause(entry) is Cause.BELOW_MINIMUM
    unlisted = diagnose(entry, fingerprint=PREFIX, model="some-model")
    assert unlisted is not None
    assert unlisted.sentence.startswith("the API caches nothing of a prefix this short on some-model: make")
    assert "minimum_tokens" not in unlisted.as_json()["evidence"]
    listed = found(entry)
    assert listed is not None
    assert "on claude-sonnet-4-6 (1,024 tokens are documented): make" in listed.sentence


def test_below_the_minimum_by_the_request_itself() -> None:
    """It marked the prefix and nothing was read or written; what a warm call did cache is not that short."""
    unwarmed = replace(state(NOTHING), warmth=None)
    assert cause(unwarmed) is Cause.BELOW_MINIMUM
    assert "warm_tokens" not in evidence(unwarmed)
    assert cause(replace(state({**NOTHING, "read_tokens": 1}), warmth=None)) is None
    assert cause(replace(state({**NOTHING, "written_tokens": 1}), warmth=None)) is None
    assert cause(replace(state({**NOTHING, "marker_distance": None}), warmth=None)) is Cause.LOOKBACK_EXCEEDED
    assert cause(state(NOTHING)) is None


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (0, Cause.EVICTED_EARLY),
        (19, Cause.EVICTED_EARLY),
        (20, Cause.LOOKBACK_EXCEEDED),
        (300, Cause.LOOKBACK_EXCEEDED),
        (None, Cause.LOOKBACK_EXCEEDED),
    ],
)
def test_a_marker_reaches_twenty_positions_its_own_counted(distance: int | None, expected: Cause) -> None:
    """So nineteen blocks behind the prefix still find it, and without any marker nothing does."""
    assert cause(state({"marker_distance": distance})) is expected


def test_lookback_says_how_far_the_marker_stands_or_that_there_is_none() -> None:
    """Two sentences, for two things to do; both hold however long ago the warm call was."""
    far = found(state({"marker_distance": 25, **at(9999)}))
    assert far is not None
    assert "stands 25 positions after the end of the prefix, and the API looks 20 back" in far.sentence
    figures = {"has_marker": True, "marker_distance": 25, "lookback_positions": 20}
    assert figures.items() <= far.as_json()["evidence"].items()
    bare = found(state({"marker_distance": None, **at(9999)}))
    assert bare is not None
    assert "has no marker at the end of the prefix or after it" in bare.sentence
    assert bare.as_json()["evidence"]["has_marker"] is False
    assert "marker_distance" not in bare.as_json()["evidence"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (299.9, Cause.EVICTED_EARLY),
        (300, Cause.TTL_DOWNGRADED),
        (3599.9, Cause.TTL_DOWNGRADED),
        (3600, None),
    ],
)
def test_a_downgrade_is_a_miss_after_what_was_granted_and_before_what_was_asked(
    seconds: float, expected: Cause | None
) -> None:
    """Before that the API dropped it, after that it is a lapse like any other."""
    assert cause(state(at(seconds), {"ttl_seconds": 300})) is expected


@pytest.mark.parametrize(
    ("traffic", "seen", "expected"),
    [
        (Traffic(NOW - timedelta(minutes=1), PREFIX), {}, 360),  # before the warm call
        (Traffic(NOW + timedelta(seconds=60), PREFIX, NOW + timedelta(seconds=9)), {"hits": 7}, 300),
        (Traffic(NOW + timedelta(seconds=61), PREFIX, NOW + timedelta(seconds=9)), {"hits": 7}, None),
        (Traffic(MISS.at, PREFIX, MISS.at), {"hits": 0}, 360),  # the miss itself
        (Traffic(MISS.at, PREFIX, None), {"hits": 0}, 360),
        (Traffic(NOW + timedelta(minutes=9), PREFIX, MISS.at), {"hits": 8}, 360),  # the miss was the first
        (Traffic(MISS.at, PREFIX, NOW + timedelta(seconds=50)), {"hits": 1}, 310),  # one request before it
        (Traffic(MISS.at, PREFIX, NOW + timedelta(seconds=50)), {"hits": 2}, None),  # and one nobody knows when
        (Traffic(MISS.at, PREFIX, NOW + timedelta(seconds=50)), {"hits": 0, "cold_starts": 3}, None),
    ],
)
def test_a_downgrade_counts_from_the_last_touch(traffic: Traffic, seen: dict[str, Any], expected: int | None) -> None:
    """A request before the miss restarted what was granted; where one may have and nobody knows when, none is said."""
    diagnosis = found(replace(state({}, {"ttl_seconds": 300}, **seen), traffic=traffic))
    assert (None if diagnosis is None else (diagnosis.cause, diagnosis.evidence["age_seconds"])) == (
        None if expected is None else (Cause.TTL_DOWNGRADED, expected)
    )


def test_less_than_was_asked_for_is_no_downgrade_unless_it_was_granted() -> None:
    """What the application's own marker asked for says nothing of what the API would have granted."""
    assert cause(state({}, {"ttl_seconds": 300, "is_ttl_granted": False})) is None


@pytest.mark.parametrize(
    ("seconds", "expected"), [(299.9, Cause.EVICTED_EARLY), (300, None), (360, None), (3599, None)]
)
def test_what_no_write_proved_lives_for_the_shortest_time_there_is(seconds: float, expected: Cause | None) -> None:
    """A warm call that only read may have read what was granted five minutes; the evidence names no grant then."""
    entry = state(at(seconds), {"is_ttl_granted": False})
    assert cause(entry) is expected
    if expected is not None:
        assert "granted_ttl_seconds" not in evidence(entry)
        assert evidence(entry)["asked_ttl_seconds"] == 3600
    assert evidence(state())["granted_ttl_seconds"] == 3600


@pytest.mark.parametrize(
    ("miss", "seen"),
    [
        ({"fingerprint": OTHER}, {}),
        ({"fingerprint": OTHER, "workspace_id": "wrkspc_2"}, {}),
        ({"fingerprint": OTHER, "marker_distance": None}, {}),
        ({}, {"fingerprint": OTHER}),
    ],
)
def test_a_miss_of_another_prefix_says_nothing_of_this_one(miss: dict[str, Any], seen: dict[str, Any]) -> None:
    """Whatever it would prove; one whose observer did not say is taken for what was seen with it."""
    assert cause(state(miss, **seen)) is None
    assert cause(state({"fingerprint": PREFIX})) is Cause.EVICTED_EARLY
    assert cause(state({"fingerprint": PREFIX}, fingerprint=OTHER)) is Cause.EVICTED_EARLY


def test_a_drift_of_an_outdated_observer_is_known_by_the_miss_itself() -> None:
    """Others may have told of the present version since."""
    diagnosis = found(state({"drifted": ("system",), "fingerprint": OTHER}))
    assert diagnosis is not None
    assert diagnosis.sentence.endswith("let the application load its targets again")


def test_a_request_to_another_model_is_no_drift_of_this_ones_entry() -> None:
    """Nor is it a miss of it; where the prefix is another one as well, that is said."""
    assert cause(state({"drifted": ("model",)})) is None
    assert cause(state({"drifted": ("model",), "workspace_id": "wrkspc_2", "marker_distance": None})) is None
    assert evidence(state({"drifted": ("system", "model")}))["tiers"] == ["system", "model"]


def test_what_is_keyed_apart_was_not_evicted() -> None:
    """The API looked for another entry; what else explains the miss does so still."""
    apart = {"is_keyed_apart": True}
    assert cause(state(apart)) is None
    assert cause(state({**apart, "workspace_id": "wrkspc_2"})) is Cause.OTHER_WORKSPACE
    assert cause(state(apart, {"ttl_seconds": 300})) is Cause.TTL_DOWNGRADED


@pytest.mark.parametrize(
    ("miss", "expected"),
    [
        ({"marker_distance": 0}, None),  # it wrote the prefix itself
        ({"marker_distance": 0, "written_tokens": 0}, Cause.BELOW_MINIMUM),
        ({"marker_distance": 1}, Cause.BELOW_MINIMUM),  # it wrote more than the prefix
        ({"marker_distance": None}, Cause.BELOW_MINIMUM),
    ],
)
def test_what_the_request_itself_wrote_is_not_below_the_minimum(miss: dict[str, Any], expected: Cause | None) -> None:
    """The warm call left it uncached all the same: the API took it, so it is long enough."""
    assert cause(state(miss, UNCACHED)) is expected


def test_a_downgrade_names_both_lifetimes() -> None:
    """And how long after the warm call the request came."""
    assert evidence(state({}, {"ttl_seconds": 300})) == {
        "missed_at": "2026-11-22T12:06:00+00:00",
        "warmed_at": "2026-11-22T12:00:00+00:00",
        "age_seconds": 360,
        "granted_ttl_seconds": 300,
        "asked_ttl_seconds": 3600,
        "cached_tokens": 4000,
        "read_tokens": 0,
        "written_tokens": 4100,
        "uncached_tokens": 7,
    }


@pytest.mark.parametrize(
    ("miss", "warm", "expected"),
    [
        ({}, {}, Cause.EVICTED_EARLY),
        ({"read_tokens": 3999, "written_tokens": 1}, {}, Cause.EVICTED_EARLY),
        ({"read_tokens": 4000}, {}, None),  # it read all that was warmed
        ({"written_tokens": 0}, {}, None),  # nothing was written anew, so it is not the entry that was missing
        (at(3599.999), {}, Cause.EVICTED_EARLY),
        (at(3600), {}, None),  # exactly at its time to live an entry is gone
        (at(63.5), {}, Cause.EVICTED_EARLY),
        (at(63.4), {}, None),  # the answer took 1.5 s, right after it the API may still miss, and clocks differ
        ({}, {"ttl_seconds": None}, None),  # nothing was left alive
        ({"workspace_id": None}, {"workspace_id": None}, Cause.EVICTED_EARLY),  # where there are none
    ],
)
def test_an_entry_was_evicted_when_all_else_is_ruled_out(
    miss: dict[str, Any], warm: dict[str, Any], expected: Cause | None
) -> None:
    """Alive by the warm call, the same cache, a marker in reach, and written anew."""
    assert cause(state(miss, warm)) is expected


def test_an_eviction_names_the_cache_it_was_in() -> None:
    """On Bedrock a profile may have gone on to another region, which no answer says."""
    assert evidence(state())["workspace_id"] == "wrkspc_1"
    assert "region" not in evidence(state())
    plain, bedrock = found(state()), found(state({"region": "r-1"}, {"region": "r-1"}))
    assert plain is not None
    assert bedrock is not None
    assert "cross-region" not in plain.sentence
    assert "or a cross-region profile went on to another region: there is nothing" in bedrock.sentence
    assert bedrock.evidence["region"] == "r-1"


def test_a_cold_start_of_what_was_never_warmed_is_a_lapse() -> None:
    """Nothing proves that it was alive, and nothing explains that it was not."""
    assert cause(replace(state(), warmth=None)) is None


def test_the_more_certain_cause_comes_first() -> None:
    """Each one hides all after it."""
    changes: list[tuple[Cause, dict[str, Any], dict[str, Any]]] = [
        (Cause.PREFIX_DRIFT, {"drifted": ("system",)}, {}),
        (Cause.OTHER_REGION, {"region": "r-1"}, {"region": "r-2"}),
        (Cause.OTHER_WORKSPACE, {"workspace_id": "wrkspc_2"}, {}),
        (Cause.BELOW_MINIMUM, {"written_tokens": 0}, {"verdict": "uncached"}),
        (Cause.LOOKBACK_EXCEEDED, {"marker_distance": 99}, {}),
        (Cause.TTL_DOWNGRADED, {}, {"ttl_seconds": 300}),
    ]
    assert [each for each, _, _ in changes] == list(Cause)[:-1]
    for start, (expected, _, _) in enumerate(changes):
        miss: dict[str, Any] = {}
        warm: dict[str, Any] = {}
        for _, more_miss, more_warm in changes[start:]:
            miss |= more_miss
            warm |= more_warm
        assert cause(state(miss, warm)) is expected


def test_every_cause_has_a_meaning_of_its_own() -> None:
    """For the README's table."""
    assert len({each.meaning for each in Cause}) == len(Cause) == 7


def test_a_sentence_is_one_line_and_holds_no_fingerprint() -> None:
    """And evidence holds figures, ids, regions, tiers and times alone."""
    for entry in (state(), state({"drifted": ("system",)}), state({"marker_distance": None})):
        diagnosis = found(entry)
        assert diagnosis is not None
        assert "\n" not in diagnosis.sentence
        assert PREFIX not in repr(diagnosis)
