"""The course of a replay: it ends where the score does, and every moment of it is a score of its own."""

from __future__ import annotations

from random import Random

import pytest

from prompt_cache_warmer.rules.replay.arrivals import Arrivals
from prompt_cache_warmer.rules.replay.course import MARKS, courses
from prompt_cache_warmer.rules.replay.score import score
from tests.replay_cases import SONNET, TOKENS, after_gaps, arrivals

HOUR = 3_600.0


def random_arrivals(count: int) -> Arrivals:
    """Return bursts and nights, with prefixes that grow."""
    dice = Random(7)  # noqa: S311 - no secret
    gaps = [dice.choice((5.0, 60.0, 290.0, 1_000.0, 5_000.0, 30_000.0)) * dice.random() for _ in range(count - 1)]
    found = after_gaps(*gaps)
    return Arrivals(found.times_us, [TOKENS + 10 * number for number in range(count)])


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
@pytest.mark.parametrize("tick_seconds", [0.0, 240.0])
@pytest.mark.parametrize("tail_seconds", [0.0, 100_000.0])
@pytest.mark.parametrize("requests", [arrivals(0), arrivals(5, 5), random_arrivals(300), random_arrivals(2_500)])
def test_it_ends_where_the_score_does(requests: Arrivals, tick_seconds: float, tail_seconds: float) -> None:
    """Every rule's cost and cold starts, and the clairvoyant's cost; the last moment is the end of the tail."""
    found = courses(requests, SONNET, tick_seconds=tick_seconds, tail_seconds=tail_seconds)
    whole = score(requests, SONNET, tick_seconds=tick_seconds, tail_seconds=tail_seconds)
    assert found.keys() == {"clairvoyant", *whole.rules}
    for name, outcome in whole.rules.items():
        assert found[name].costs_usd[-1] == pytest.approx(float(outcome.cost_usd))
        assert found[name].cold_starts == outcome.cold_starts
        assert found[name].requests == len(requests)
    assert found["clairvoyant"].costs_usd[-1] == pytest.approx(whole.clairvoyant_pico * 1e-12)
    assert found["clairvoyant"].cold_starts is None
    for course in found.values():
        assert course.times_s[-1] == requests.times_us[-1] / 1e6 + tail_seconds
        assert len(course.times_s) == len(course.costs_usd)
        assert list(course.times_s) == sorted(course.times_s)
        assert list(course.costs_usd) == sorted(course.costs_usd)


def test_every_moment_is_a_score_of_its_own() -> None:
    """What the first requests came to is what they would have come to alone, until the next one."""
    requests = random_arrivals(40)
    found = courses(requests, SONNET, tick_seconds=240.0, tail_seconds=0.0)
    assert found["clairvoyant"].times_s == found["uncached"].times_s
    for count in (1, 7, 39):
        first = Arrivals(requests.times_us[:count], requests.tokens[:count])
        alone = score(first, SONNET, tick_seconds=240.0)
        assert found["uncached"].costs_usd[count] == pytest.approx(float(alone.rules["uncached"].cost_usd))
        assert found["never_5m"].costs_usd[count] == pytest.approx(float(alone.rules["never_5m"].cost_usd))
        assert found["clairvoyant"].costs_usd[count] == pytest.approx(alone.clairvoyant_pico * 1e-12)


def test_cold_starts_have_their_moments() -> None:
    """Two hours apart every request misses 5 minutes; none but the first misses an hour that is kept."""
    found = courses(after_gaps(2 * HOUR, 2 * HOUR), SONNET, tick_seconds=0.0, tail_seconds=0.0)
    assert found["never_5m"].cold_s == (0.0, 2 * HOUR, 4 * HOUR)
    assert found["decide_1h"].cold_s == (0.0,)
    assert found["uncached"].cold_s == (0.0, 2 * HOUR, 4 * HOUR)
    assert found["clairvoyant"].cold_s == ()


def test_marks_too_close_for_a_picture_are_one() -> None:
    """Ten thousand requests leave no more marks than a picture has columns, and the count stays right."""
    found = courses(after_gaps(*[10.0] * 9_999), SONNET, tick_seconds=240.0, tail_seconds=0.0)["uncached"]
    assert MARKS // 2 < len(found.cold_s) <= MARKS + 1
    assert found.cold_starts == 10_000


def test_advised_is_the_one_that_the_first_day_speaks_for() -> None:
    """The same course and not a second one; no caching where the day is sparse."""
    found = courses(after_gaps(60.0), SONNET, tick_seconds=0.0, tail_seconds=0.0)
    assert found["advised"] is found["decide_1h"]
    found = courses(after_gaps(8 * HOUR), SONNET, tick_seconds=0.0, tail_seconds=0.0)
    assert found["advised"] is found["uncached"]
