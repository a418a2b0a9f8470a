"""What was seen of an entry's traffic, added up: the last touch with what it asked for, and one prefix at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prompt_cache_warmer.values.observation import Miss, Sightings

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """Return a time some seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def touched(seconds: float, ttl_seconds: int | None) -> Sightings:
    """Return a touch."""
    return Sightings(hits=1, touched_at=at(seconds), touched_ttl_seconds=ttl_seconds)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (touched(1, 300), touched(2, 3600), (at(2), 3600)),
        (touched(2, 300), touched(1, 3600), (at(2), 300)),
        (touched(1, 300), touched(2, None), (at(2), None)),
        (touched(1, 300), touched(1, 3600), (at(1), 3600)),
        (touched(1, 300), Sightings(drifts=1), (at(1), 300)),
        (Sightings(drifts=1), touched(1, 300), (at(1), 300)),
        (Sightings(), Sightings(), (None, None)),
    ],
)
def test_the_last_touch_keeps_what_it_asked_for(
    earlier: Sightings, later: Sightings, expected: tuple[datetime | None, int | None]
) -> None:
    """In whatever order they are told, and where one of them is no touch."""
    total = earlier + later
    assert (total.touched_at, total.touched_ttl_seconds) == expected


def test_what_was_seen_of_two_prefixes_is_not_mixed() -> None:
    """What is told last stands alone; a prefix nobody said is added to any."""
    first = Sightings(1, 2, 3, at(9), "f-1", Miss(at(9)), 300)
    other = Sightings(hits=1, touched_at=at(1), fingerprint="f-2")
    assert first + other == other
    assert first + Sightings(hits=1) == Sightings(2, 2, 3, at(9), "f-1", Miss(at(9)), 300)
    assert Sightings(hits=1) + first == Sightings(2, 2, 3, at(9), "f-1", Miss(at(9)), 300)
    assert first + Sightings(hits=1, fingerprint="f-1") == Sightings(2, 2, 3, at(9), "f-1", Miss(at(9)), 300)
