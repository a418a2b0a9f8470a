"""The score of one file: every rule under its name, in USD and beside the clairvoyant."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest

from prompt_cache_warmer.errors import UnpricedError
from prompt_cache_warmer.rules.replay.arrivals import Arrivals
from prompt_cache_warmer.rules.replay.priced import Tariff
from prompt_cache_warmer.rules.replay.score import score
from prompt_cache_warmer.values.pricing import prefix_costs
from tests.replay_cases import AT, SONNET, after_gaps, arrivals, priced_at

HOUR = 3_600.0


def test_every_rule_has_its_figures() -> None:
    """Three requests two hours apart on Sonnet 4.6 with exact timers, added up by hand.

    1 hour: written for 0.60, two refreshes and two hits at 0.03. 5 minutes are kept for two refreshes
    and lapse, three writes of 0.375. Pings: 60 ticks of 240 s, those at the requests' own moments (7,200
    and 14,400 are ticks) not needed; skipping leaves out the one behind each request, which writes
    it again. Bounded: 11 behind each request. Such a day does not pay for an hour's entry overnight, so
    no caching is advised.
    """
    found = score(after_gaps(2 * HOUR, 2 * HOUR), SONNET, tick_seconds=0.0).as_json()
    costs = {name: rule["cost_usd"] for name, rule in found["rules"].items()}
    assert costs == {
        "decide_1h": 0.72,
        "decide_5m": 1.245,
        "advised": 0.9,
        "never_1h": 1.8,
        "never_5m": 1.125,
        "ping_5m_always": 2.175,
        "ping_5m_skipping": 2.805,
        "ping_5m_bounded": 1.785,
        "uncached": 0.9,
    }
    assert found["clairvoyant"] == {"cost_usd": 0.72}
    assert found["clairvoyant_1h"] == {"cost_usd": 0.72}
    assert found["clairvoyant_5m"] == {"cost_usd": 1.125}
    assert (found["arrivals"], found["advised"]) == (3, "none")
    assert found["rules"]["ping_5m_always"] == {
        "cost_usd": 2.175,
        "vs_clairvoyant": 3.020833,
        "cold_starts": 1,
        "cold_start_share": 0.333333,
        "warm_calls": 58,
        "warm_calls_per_day": None,
    }
    assert (found["rules"]["decide_5m"]["cold_starts"], found["rules"]["decide_5m"]["warm_calls"]) == (3, 4)


def test_who_never_warms_has_its_own_time_to_live() -> None:
    """Half an hour is a hit for an hour's entry, 0.60 + 0.03, and a second write for one of five minutes."""
    rules = score(after_gaps(HOUR / 2), SONNET, tick_seconds=0.0).as_json()["rules"]
    assert (rules["never_1h"]["cost_usd"], rules["never_5m"]["cost_usd"]) == (0.63, 0.75)


def test_no_caching_may_be_advised() -> None:
    """Two requests eight hours apart: plain input, and every request is cold."""
    found = score(after_gaps(8 * HOUR), SONNET, tick_seconds=240.0)
    assert (found.advised, found.rules["advised"]) == ("none", found.rules["uncached"])


def test_only_the_first_day_is_advised_on() -> None:
    """A busy second day does not change what two requests far apart looked like."""
    found = score(after_gaps(8 * HOUR, 30 * HOUR, *[60.0] * 100), SONNET, tick_seconds=240.0)
    assert found.advised == "none"


def test_the_tail_belongs_to_the_days_and_the_calls() -> None:
    """One request and two days behind it: three refreshes, 720 pings a day."""
    found = score(arrivals(0), SONNET, tick_seconds=0.0, tail_seconds=2 * 86_400)
    assert (found.days, found.rules["decide_1h"].warm_calls) == (2.0, 3)
    assert (found.warm_calls_per_day("decide_1h"), found.warm_calls_per_day("ping_5m_always")) == (1.5, 360.0)


def test_cold_starts_count_at_their_value_for_everybody() -> None:
    """One request: the clairvoyant pays plain input and the value, who caches the write and the value."""
    found = score(arrivals(0), Tariff("claude-sonnet-4-6", AT, Decimal(1)), tick_seconds=0.0).as_json()
    assert found["clairvoyant"] == {"cost_usd": 1.3}
    assert found["rules"]["decide_1h"]["cost_usd"] == 1.6


def test_an_unknown_model_is_named() -> None:
    """Without a price nothing can be compared."""
    with pytest.raises(UnpricedError, match="the price of 'gpt-5' is not known"):
        score(arrivals(0), Tariff("gpt-5", AT), tick_seconds=0.0)


@pytest.mark.parametrize(
    "sizes",
    [
        [99_998, 100_000, 100_001],
        [99_996, 100_001, 100_008],
        [99_999, 100_000, 100_001, 250_000],
        [7],
        [9, 100_000, 100_001],
        [100_001, 400_000],
    ],
)
def test_prices_of_every_size_are_those_of_the_service(sizes: list[int]) -> None:
    """Haiku 5.5 costs five times as much above 100,000 tokens: both sides of the tier, and only one."""
    found = priced_at("claude-haiku-5-5", Arrivals(list(range(len(sizes))), sizes), "5m").costs
    expected = {size: prefix_costs("claude-haiku-5-5", size, "5m", at=AT) for size in sizes}
    assert {size: dataclasses.astuple(costs) for size, costs in found.items()} == {
        size: dataclasses.astuple(costs) for size, costs in expected.items() if costs is not None
    }
