"""What a request's usage proves of its target's entry: hit, cold start or drift, touched, kept by a warm call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from prompt_cache_warmer.rules.traffic import Match, kept_tokens, sight_of, touches
from prompt_cache_warmer.rules.traffic_metrics import kept_metrics, request_metrics
from prompt_cache_warmer.values.observation import Sight
from prompt_cache_warmer.values.state import Warmth
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, target

MINE = target().summary
HOURLY = target(
    request={"system": [{"type": "text", "text": "Hi. " * 4000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}
).summary


@pytest.mark.parametrize(
    ("drifted", "read", "prefix_tokens", "sight"),
    [
        pytest.param((), 1, None, Sight.HIT, id="any-read"),
        pytest.param((), 0, None, Sight.COLD_START, id="nothing-read"),
        pytest.param((), 1, 0, Sight.HIT, id="size-0"),
        pytest.param((), 0, 0, Sight.COLD_START, id="size-0-nothing-read"),
        pytest.param((), 500, 500, Sight.HIT, id="all-of-it"),
        pytest.param((), 499, 500, Sight.COLD_START, id="less-than-the-prefix"),
        pytest.param(("system",), 10_000, None, Sight.DRIFT, id="drift"),
        pytest.param(("model",), 0, 500, Sight.DRIFT, id="model"),
    ],
)
def test_a_sight_is_what_the_usage_proves(
    drifted: tuple[str, ...], read: int, prefix_tokens: int | None, sight: Sight
) -> None:
    """A read of at least the prefix is a hit; another prefix is a drift, whatever was read."""
    assert sight_of(Match(MINE, drifted, 0), Usage(read_tokens=read), prefix_tokens=prefix_tokens) is sight


@pytest.mark.parametrize(
    ("match", "usage", "expected"),
    [
        pytest.param(Match(MINE, (), None), Usage(read_tokens=1), True, id="read"),
        pytest.param(Match(MINE, (), 0), Usage(write_5m_tokens=1), True, id="written-there"),
        pytest.param(Match(MINE, (), 0), Usage(write_1h_tokens=1), True, id="written-for-an-hour"),
        pytest.param(Match(MINE, (), 1), Usage(write_5m_tokens=1), False, id="written-further-on"),
        pytest.param(Match(MINE, (), None), Usage(write_5m_tokens=1), False, id="no-marker"),
        pytest.param(Match(MINE, (), 0), Usage(uncached_tokens=9), False, id="neither"),
        pytest.param(Match(MINE, ("tools",), 0), Usage(read_tokens=9, write_5m_tokens=9), False, id="drift"),
    ],
)
def test_a_request_touches_what_it_read_or_wrote(match: Match, usage: Usage, expected: bool) -> None:  # noqa: FBT001 - a column
    """A write is one of the entry only where the marker stands on the prefix's last block."""
    assert touches(match, usage) is expected


def warmth(**changes: Any) -> Warmth:
    """Return a warm call 100 s before the hit that refreshed 4,000 tokens."""
    return replace(
        Warmth(
            fingerprint=MINE.prefix_digest,
            asked_ttl_seconds=300,
            warmed_at=EPOCH - timedelta(seconds=100),
            ttl_seconds=300,
            verdict="refreshed",
            cached_tokens=4_000,
        ),
        **changes,
    )


def kept(*, ago_seconds: float | None = 330, warm: Warmth | None = None, read: int = 4_100) -> int:
    """Return the tokens of a hit at ``EPOCH``."""
    previous_at = None if ago_seconds is None else EPOCH - timedelta(seconds=ago_seconds)
    return kept_tokens(read_tokens=read, at=EPOCH, previous_at=previous_at, warmth=warm or warmth(), target=MINE)


def test_a_hit_a_whole_life_after_the_last_request_was_kept_by_a_warm_call() -> None:
    """By the prefix's size, or less where less was read; a second sooner it may have lived on by itself."""
    assert kept() == 4_000
    assert kept(read=3_000) == 3_000
    assert kept(ago_seconds=329.999) == 0
    assert kept(ago_seconds=86_400) == 4_000


@pytest.mark.parametrize(
    ("changes", "ago_seconds"),
    [
        pytest.param({}, None, id="no-request-known"),
        pytest.param({"ttl_seconds": None}, 400, id="nothing-cached"),
        pytest.param({"fingerprint": "other"}, 400, id="another-prefix"),
        pytest.param({"warmed_at": EPOCH}, 400, id="warmed-at-the-same-moment"),
        pytest.param({"warmed_at": EPOCH + timedelta(seconds=1)}, 400, id="warmed-after"),
        pytest.param({"warmed_at": EPOCH - timedelta(seconds=400)}, 400, id="warmed-with-the-request"),
        pytest.param({"warmed_at": EPOCH - timedelta(seconds=500)}, 400, id="warmed-before-the-request"),
        pytest.param({"ttl_seconds": 3600}, 3629, id="an-hour-was-granted"),
        pytest.param({"cached_tokens": 0}, 400, id="no-tokens"),
    ],
)
def test_what_is_not_proven_counts_nothing(changes: dict[str, Any], ago_seconds: float | None) -> None:
    """Each condition by itself."""
    assert kept(ago_seconds=ago_seconds, warm=warmth(**changes)) == 0


def test_a_life_is_the_longer_of_what_was_granted_and_what_the_target_asks_for() -> None:
    """An hour granted counts as one, and so does an hour that the application's own request may have got."""
    assert kept(ago_seconds=3630, warm=warmth(ttl_seconds=3600)) == 4_000
    for ago_seconds, tokens in ((3629, 0), (3630, 4_000)):
        hit = kept_tokens(
            read_tokens=4_000,
            at=EPOCH,
            previous_at=EPOCH - timedelta(seconds=ago_seconds),
            warmth=warmth(fingerprint=HOURLY.prefix_digest),
            target=HOURLY,
        )
        assert hit == tokens


def test_without_a_warm_call_nothing_was_kept() -> None:
    """A state that knows of none proves nothing."""
    long_ago = EPOCH - timedelta(days=1)
    assert kept_tokens(read_tokens=1, at=EPOCH, previous_at=long_ago, warmth=None, target=MINE) == 0


@pytest.mark.parametrize(
    ("sight", "counted"),
    [
        (Sight.HIT, {"TrafficHits": (1,), "TrafficColdStarts": (0,), "PrefixDrift": (0,)}),
        (Sight.COLD_START, {"TrafficHits": (0,), "TrafficColdStarts": (1,), "PrefixDrift": (0,)}),
        (Sight.DRIFT, {"TrafficHits": (0,), "TrafficColdStarts": (0,), "PrefixDrift": (1,)}),
    ],
)
def test_a_request_is_measured_once_for_the_service_and_once_for_its_entry(
    sight: Sight, counted: dict[str, tuple[int]]
) -> None:
    """Raw counts: one request, one sight of three, its tokens by class, and the first token where there was one."""
    usage = Usage(uncached_tokens=1, read_tokens=2, write_5m_tokens=3, write_1h_tokens=4, output_tokens=5)
    of: dict[str, Any] = {"service": "s", "target": "t", "model": "m", "at": EPOCH, "sight": sight, "usage": usage}
    measured = request_metrics(**of, first_token_ms=12.5)
    assert measured.dimensions == {"service": "s"}
    assert measured.also == ({"service": "s", "Target": "t", "Model": "m"},)
    assert measured.at == EPOCH
    expected = {
        "TrafficRequests": (1,),
        **counted,
        "TrafficReadTokens": (2,),
        "TrafficWrite5mTokens": (3,),
        "TrafficWrite1hTokens": (4,),
        "TrafficUncachedTokens": (1,),
    }
    assert measured.values == {**expected, "TimeToFirstToken": (12.5,)}
    assert request_metrics(**of, first_token_ms=None).values == expected


@pytest.mark.parametrize(("ttl", "name"), [("5m", "Warmed5mTokens"), ("1h", "Warmed1hTokens")])
def test_a_kept_hit_is_measured_by_what_it_would_have_written(ttl: Any, name: str) -> None:
    """One hit, and its tokens in the class the target asks for."""
    measured = kept_metrics(service="s", target="t", model="m", at=EPOCH, tokens=70, ttl=ttl)
    assert measured.values == {"WarmedHits": (1.0,), name: (70.0,)}
    assert (measured.dimensions, measured.at) == ({"service": "s"}, EPOCH)
    assert measured.also == ({"service": "s", "Target": "t", "Model": "m"},)
