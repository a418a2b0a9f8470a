"""State records as attribute values: every field comes back, and nothing else is ever taken for a record."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompt_cache_warmer.adapters import state_records
from prompt_cache_warmer.adapters.state_records import (
    UnreadableValueError,
    milliseconds,
    number,
    read_breaker,
    read_claim,
    read_count,
    read_miss,
    read_pause,
    read_text,
    read_time,
    read_warmth,
    record,
    text,
    time,
    time_of,
)
from prompt_cache_warmer.values.observation import Miss
from prompt_cache_warmer.values.snapshot import Pause
from prompt_cache_warmer.values.state import Breaker, Claim, Habit, Warmth

TEXTS = st.text(max_size=20)
COUNTS = st.integers(0, 10**18)
TIMES = st.integers(0, milliseconds(datetime.max.replace(tzinfo=UTC))).map(time_of)
HABITS = st.builds(Habit, used_since=TIMES, credit_usd=st.decimals(0, 10**6, allow_nan=False))
WARMTHS = st.builds(
    Warmth,
    fingerprint=TEXTS,
    asked_ttl_seconds=COUNTS,
    warmed_at=TIMES,
    ttl_seconds=st.none() | COUNTS,
    verdict=TEXTS,
    message_id=st.none() | TEXTS,
    cached_tokens=COUNTS,
    other_tokens=COUNTS,
    latency_seconds=st.floats(0, 1e6),
    idle_refreshes=COUNTS,
    idle_since=st.none() | TIMES,
    habit=st.none() | HABITS,
    workspace_id=st.none() | TEXTS,
    region=st.none() | TEXTS,
    is_ttl_granted=st.booleans(),
)
MISSES = st.builds(
    Miss,
    at=TIMES,
    drifted=st.lists(TEXTS, max_size=4).map(tuple),
    read_tokens=COUNTS,
    written_tokens=COUNTS,
    uncached_tokens=COUNTS,
    workspace_id=st.none() | TEXTS,
    region=st.none() | TEXTS,
    marker_distance=st.none() | COUNTS,
    fingerprint=st.none() | TEXTS,
    is_keyed_apart=st.booleans(),
)
BREAKERS = st.builds(
    Breaker,
    failures=COUNTS,
    unheld=COUNTS,
    reason=st.none() | TEXTS,
    opened_at=st.none() | TIMES,
    open_until=st.none() | TIMES,
    version=TEXTS,
)
RECORDS = [
    (WARMTHS, read_warmth),
    (BREAKERS, read_breaker),
    (MISSES, read_miss),
    (st.builds(Claim, owner=TEXTS, until=TIMES), read_claim),
    (st.builds(Pause, reason=TEXTS, since=TIMES, until=TIMES), read_pause),
]


@pytest.mark.parametrize(("strategy", "reader"), RECORDS)
@given(data=st.data())
def test_a_record_comes_back_whole(data: st.DataObject, strategy: Any, reader: Any) -> None:
    """Written and read, it is the same."""
    value = data.draw(strategy)
    assert reader(record(value)) == value


@pytest.mark.parametrize(
    ("kind", "readers"),
    [
        (Warmth, state_records._WARMTH),
        (Breaker, state_records._BREAKER),
        (Claim, state_records._CLAIM),
        (Pause, state_records._PAUSE),
        (Habit, state_records._HABIT),
        (Miss, state_records._MISS),
    ],
)
def test_every_field_of_a_record_is_read(kind: Any, readers: dict[str, Any]) -> None:
    """A field that is added to a record is added to what is stored of it."""
    assert set(readers) == {each.name for each in dataclasses.fields(kind)}


@pytest.mark.parametrize("reader", [reader for _, reader in RECORDS] + [read_count, read_text, read_time])
@pytest.mark.parametrize("value", [{}, {"M": None}, {"L": []}, {"BOOL": True}, {"B": b""}, {"NULL": True}])
def test_what_is_not_a_record_is_unreadable(reader: Any, value: Any) -> None:
    """Whatever stands in its place."""
    with pytest.raises(UnreadableValueError):
        reader(value)


@pytest.mark.parametrize("field", ["fingerprint", "warmed_at", "ttl_seconds", "verdict"])
def test_a_record_without_a_needed_field_is_unreadable(field: str) -> None:
    """None is written, so what is missing was never known."""
    written = dict(record(Warmth("f", 300, time_of(0), None, "uncached"))["M"])
    del written[field]
    with pytest.raises(UnreadableValueError):
        read_warmth({"M": written})


@pytest.mark.parametrize("value", [{"BOOL": "yes"}, {"BOOL": 1}, {"N": "1"}, {"NULL": True}])
def test_a_flag_is_true_or_false(value: Any) -> None:
    """Nothing else says whether something was so."""
    assert record(Miss(time_of(0), is_keyed_apart=True))["M"]["is_keyed_apart"] == {"BOOL": True}
    with pytest.raises(UnreadableValueError):
        read_miss({"M": {**record(Miss(time_of(0)))["M"], "is_keyed_apart": value}})


def test_a_missing_field_has_its_default() -> None:
    """So that a field may be added without a new schema."""
    assert read_breaker({"M": {"version": {"S": "v"}, "added later": {"S": "x"}}}) == Breaker(version="v")


def test_warmth_of_an_older_version_is_read() -> None:
    """It did not know where a call was answered, and nor does anybody since."""
    written = dict(record(Warmth("f", 300, time_of(0), None, "uncached", workspace_id="w", region="r"))["M"])
    del written["workspace_id"], written["region"]
    assert read_warmth({"M": written}) == Warmth("f", 300, time_of(0), None, "uncached")


@pytest.mark.parametrize("value", ["-1", "1.5", "x", "NaN", "Infinity", "1" * 5000])
def test_a_count_is_a_whole_number_from_0(value: str) -> None:
    """Nothing else counts anything."""
    with pytest.raises(UnreadableValueError):
        read_count({"N": value})


@pytest.mark.parametrize("value", ["9" * 20, "-" + "9" * 20, "1.5"])
def test_a_time_is_one_that_exists(value: str) -> None:
    """From the year 1 to 9999."""
    with pytest.raises(UnreadableValueError):
        read_time({"N": value})


def test_times_are_cut_to_the_millisecond() -> None:
    """Before 1970 too: never up."""
    second = datetime(2026, 11, 22, 12, 0, 0, 999_999, tzinfo=UTC)
    assert time(second) == {"N": str(int(second.timestamp()) * 1000 + 999)}
    assert time(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == {"N": "-1"}
    assert read_time(time(second)) == second - timedelta(microseconds=999)


def test_scalars_are_dynamodbs_own() -> None:
    """A text, a whole number of any size, a fraction."""
    assert (text("a"), number(10**30), number(0.25)) == ({"S": "a"}, {"N": "1" + "0" * 30}, {"N": "0.25"})
