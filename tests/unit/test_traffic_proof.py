"""What a request's usage proves of its target's entry: hit, cold start or drift, touched, kept by a warm call."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from prompt_cache_warmer.rules.lookback import Reach
from prompt_cache_warmer.rules.traffic import Hit, Match, kept_tokens, sight_of, touches
from prompt_cache_warmer.rules.traffic_metrics import kept_metrics, request_metrics
from prompt_cache_warmer.values.observation import Sight
from prompt_cache_warmer.values.state import Warmth
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import EPOCH, MODEL, target

MINE = target().summary


HERE, LATER = Reach(0, "5m", is_last=True), Reach(0, "5m", is_last=False)
SIZE = MINE.prefix_tokens


@pytest.mark.parametrize(
    ("drifted", "read", "prefix_tokens", "sight"),
    [
        pytest.param((), 500, 500, Sight.HIT, id="all-of-it"),
        pytest.param((), 499, 500, Sight.COLD_START, id="less-than-the-prefix"),
        pytest.param((), 0, 500, Sight.COLD_START, id="nothing-read"),
        pytest.param(("system",), 10_000, 500, Sight.DRIFT, id="drift"),
        pytest.param(("model",), 0, 500, Sight.DRIFT, id="model"),
        pytest.param(("settings",), 500, 500, Sight.HIT, id="settings-that-key-nothing"),
        pytest.param(("settings",), 499, 500, Sight.DRIFT, id="settings"),
        pytest.param(("settings",), 500, None, Sight.DRIFT, id="settings-and-no-size"),
        pytest.param(("settings", "model"), 500, 500, Sight.DRIFT, id="settings-and-model"),
    ],
)
def test_a_sight_is_what_the_usage_proves(
    drifted: tuple[str, ...], read: int, prefix_tokens: int | None, sight: Sight
) -> None:
    """All of the prefix read is a hit; another prefix is a drift, unless only settings differ and all was read."""
    assert sight_of(Match(MINE, drifted, HERE), Usage(read_tokens=read), prefix_tokens=prefix_tokens) is sight


@pytest.mark.parametrize(
    ("reach", "usage", "sight"),
    [
        pytest.param(HERE, Usage(read_tokens=1), Sight.HIT, id="nothing-was-written"),
        pytest.param(HERE, Usage(read_tokens=9_999, write_5m_tokens=1), Sight.COLD_START, id="the-rest-was-written"),
        pytest.param(HERE, Usage(), Sight.COLD_START, id="nothing-read"),
        pytest.param(None, Usage(read_tokens=9_999), Sight.COLD_START, id="no-marker-reaches-it"),
        pytest.param(LATER, Usage(read_tokens=SIZE // 2, write_5m_tokens=1), Sight.HIT, id="half-of-the-estimate"),
        pytest.param(LATER, Usage(read_tokens=SIZE // 2 - 1), Sight.COLD_START, id="less-than-half"),
        pytest.param(Reach(1, "5m", is_last=True), Usage(read_tokens=SIZE), Sight.HIT, id="found-by-lookback"),
    ],
)
def test_without_a_known_size_the_markers_and_the_estimate_say_what_was_read(
    reach: Reach | None, usage: Usage, sight: Sight
) -> None:
    """A read that ends before the prefix does is none of it."""
    assert sight_of(Match(MINE, (), reach), usage, prefix_tokens=None) is sight


@pytest.mark.parametrize(
    ("sight", "reach", "usage", "expected"),
    [
        pytest.param(Sight.HIT, None, Usage(read_tokens=1), True, id="read"),
        pytest.param(Sight.COLD_START, HERE, Usage(write_5m_tokens=1), True, id="written-there"),
        pytest.param(Sight.COLD_START, HERE, Usage(write_1h_tokens=1), True, id="written-for-an-hour"),
        pytest.param(Sight.COLD_START, Reach(1, "5m", is_last=True), Usage(write_5m_tokens=1), False, id="further-on"),
        pytest.param(Sight.COLD_START, None, Usage(write_5m_tokens=1, read_tokens=9), False, id="a-shorter-prefix"),
        pytest.param(Sight.COLD_START, HERE, Usage(read_tokens=9), False, id="neither"),
        pytest.param(Sight.DRIFT, HERE, Usage(read_tokens=9, write_5m_tokens=9), False, id="drift"),
    ],
)
def test_a_request_touches_what_it_read_or_wrote(
    sight: Sight,
    reach: Reach | None,
    usage: Usage,
    expected: bool,  # noqa: FBT001 - a column
) -> None:
    """A write is one of the entry only where the marker stands on the prefix's last block."""
    assert touches(Match(MINE, (), reach), usage, sight) is expected


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
            workspace_id="wrkspc_1",
            region="us-east-1",
        ),
        **changes,
    )


def hit(**changes: Any) -> Hit:
    """Return a hit at ``EPOCH``."""
    whole = Hit(EPOCH, Match(MINE, (), HERE), MODEL, 4_100, 300, workspace_id="wrkspc_1", region="us-east-1")
    return replace(whole, **changes)


def kept(*, ago_seconds: float | None = 450, warm: Warmth | None = None, **changes: Any) -> int:
    """Return the tokens that were kept of a hit."""
    previous_at = None if ago_seconds is None else EPOCH - timedelta(seconds=ago_seconds)
    return kept_tokens(hit(**changes), previous_at=previous_at, warmth=warm or warmth())


def test_a_hit_a_whole_life_after_the_last_request_was_kept_by_a_warm_call() -> None:
    """And 150 s, by the prefix's size; a moment sooner it may have lived on by itself."""
    assert kept() == 4_000
    assert kept(read_tokens=4_000) == 4_000
    assert kept(ago_seconds=449.999) == 0
    assert kept(ago_seconds=86_400) == 4_000
    assert kept(warm=warmth(workspace_id=None, region=None)) == 4_000
    assert kept(workspace_id=None, region=None) == 4_000
    assert kept(warm=warmth(warmed_at=EPOCH - timedelta(seconds=299))) == 4_000


@pytest.mark.parametrize(
    ("warm", "given"),
    [
        pytest.param({}, {"ago_seconds": None}, id="no-request-known"),
        pytest.param({"ttl_seconds": None}, {}, id="nothing-cached"),
        pytest.param({"fingerprint": "other"}, {}, id="another-prefix"),
        pytest.param({"warmed_at": EPOCH}, {}, id="warmed-at-the-same-moment"),
        pytest.param({"warmed_at": EPOCH + timedelta(seconds=1)}, {}, id="warmed-after"),
        pytest.param({"warmed_at": EPOCH - timedelta(seconds=300)}, {}, id="the-warm-call-lapsed-itself"),
        pytest.param(
            {"warmed_at": EPOCH - timedelta(seconds=4000), "ttl_seconds": 5000},
            {"ago_seconds": 4000, "longest_ttl_seconds": 300},
            id="warmed-with-the-request",
        ),
        pytest.param({"ttl_seconds": 3600}, {"ago_seconds": 3749}, id="an-hour-was-granted"),
        pytest.param({}, {"ago_seconds": 3749, "longest_ttl_seconds": 3600}, id="an-hour-may-have-been-asked"),
        pytest.param({"cached_tokens": 0}, {}, id="no-tokens"),
        pytest.param({}, {"read_tokens": 3_999}, id="a-part-was-read"),
        pytest.param({}, {"workspace_id": "wrkspc_2"}, id="another-workspace"),
        pytest.param({}, {"region": "eu-west-1"}, id="another-region"),
    ],
)
def test_what_is_not_proven_counts_nothing(warm: dict[str, Any], given: dict[str, Any]) -> None:
    """Each condition by itself."""
    assert kept(warm=warmth(**warm), **given) == 0


def test_a_life_is_the_longest_of_what_was_granted_and_what_anybody_asks_for() -> None:
    """An hour granted counts as one, and so does an hour that a request like it may have got."""
    assert kept(ago_seconds=3750, warm=warmth(ttl_seconds=3600)) == 4_000
    assert kept(ago_seconds=3750, longest_ttl_seconds=3600) == 4_000


def test_without_a_warm_call_nothing_was_kept() -> None:
    """A state that knows of none proves nothing."""
    assert kept_tokens(hit(), previous_at=EPOCH - timedelta(days=1), warmth=None) == 0


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
