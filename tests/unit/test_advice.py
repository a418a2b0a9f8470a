"""Advice: from a rate by hand, from a day by what it shows."""

from __future__ import annotations

from decimal import Decimal
from math import exp
from random import Random
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.errors import UnpricedError
from prompt_cache_warmer.rules.advice import NO_CACHING, Choice, advise_by_day, forecast
from prompt_cache_warmer.rules.replay.priced import Tariff
from prompt_cache_warmer.rules.replay.score import score
from prompt_cache_warmer.values.pricing import PrefixCosts
from tests.replay_cases import AT, SONNET, after_gaps

if TYPE_CHECKING:
    from prompt_cache_warmer.values.body import Ttl

HOUR = 3_600.0
# Multiples of plain input on most models: writes 1.25 and 2, reads a tenth.
COSTS: dict[Ttl, PrefixCosts] = {
    "5m": PrefixCosts(write_usd=Decimal("1.25"), read_usd=Decimal("0.1"), plain_usd=Decimal(1)),
    "1h": PrefixCosts(write_usd=Decimal(2), read_usd=Decimal("0.1"), plain_usd=Decimal(1)),
}


def cost(rate: float, choice: Choice, *, tick: float = 0.0, value: str = "0") -> float:
    """Return what a choice is expected to cost on a day."""
    return float(forecast(rate, COSTS, tick_seconds=tick, cold_start_value_usd=Decimal(value))[choice].cost_usd)


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
@pytest.mark.parametrize(
    ("rate", "choice"),
    [(0.5, NO_CACHING), (1, NO_CACHING), (3, Choice("1h", "always")), (24, Choice("1h", "always"))],
)
def test_the_cheapest_choice_for_a_rate(rate: float, choice: Choice) -> None:
    """One request a day is cheapest uncached; there are seven choices."""
    found = forecast(rate, COSTS, tick_seconds=0.0)
    assert found[choice].cost_usd <= Decimal("1.01") * min(each.cost_usd for each in found.values())
    assert len(found) == 7


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
def test_without_caching_each_request_is_paid_in_full() -> None:
    """Ten at 1, and at the value of a cold start."""
    assert (cost(10, NO_CACHING), cost(10, NO_CACHING, value="0.5")) == (10.0, 15.0)


def test_without_warming_a_random_gap_outlasts_the_hour_with_a_known_share() -> None:
    """At 24 a day a gap is longer than an hour with a share of 1/e: misses at 2, hits at 0.1."""
    missed = exp(-1)
    assert cost(24, Choice("1h", "never")) == pytest.approx(24 * (2 * missed + 0.1 * (1 - missed)))


def test_kept_always_every_request_is_a_hit() -> None:
    """At 24 a day there are 1/(e-1) refreshes in a gap, each at a read's price."""
    assert cost(24, Choice("1h", "always")) == pytest.approx(24 * (0.1 + 0.1 / (exp(1) - 1)))


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
@pytest.mark.parametrize("ttl", ["5m", "1h"])
@pytest.mark.parametrize("rate", [5, 20, 100])
def test_kept_while_used_is_what_the_services_own_rule_does(rate: int, ttl: Ttl) -> None:
    """Within 5 percent of a replay of other random arrivals."""
    random, count = Random(77), 10_000  # noqa: S311 - a repeatable sample
    arrivals = after_gaps(*(random.expovariate(rate / 86_400) for _ in range(count)))
    replayed = score(arrivals, SONNET, tick_seconds=240.0).rules[f"decide_{ttl}"]
    tokens = arrivals.tokens[0]
    costs = {ttl: SONNET.costs(tokens, ttl)}
    found = forecast(rate, costs, tick_seconds=240.0)[Choice(ttl, "while-used")]
    assert float(found.cost_usd) / rate == pytest.approx(float(replayed.cost_usd) / count, rel=0.05)
    assert found.cold_starts / rate == pytest.approx(replayed.cold_starts / count, rel=0.05, abs=0.01)
    assert found.warm_calls / rate == pytest.approx(replayed.warm_calls / count, rel=0.05, abs=0.01)


def test_without_a_price_for_reading_nothing_is_kept_while_used() -> None:
    """No refresh pays where none has a price; it is as if nobody warmed."""
    free = {"1h": PrefixCosts(write_usd=Decimal(2), read_usd=Decimal(0), plain_usd=Decimal(1))}
    found = forecast(24, free, tick_seconds=240.0)  # type: ignore[arg-type] # a plain dict
    assert found[Choice("1h", "while-used")] == found[Choice("1h", "never")]


def test_too_many_calls_to_replay_are_bounded_by_break_even() -> None:
    """One request in a hundred days whose cold start is worth ten thousand prefixes: kept through all but every gap."""
    found = forecast(0.01, COSTS, tick_seconds=240.0, cold_start_value_usd=Decimal(10_000))
    used, always = found[Choice("5m", "while-used")], found[Choice("5m", "always")]
    assert used.warm_calls == pytest.approx(always.warm_calls, rel=0.1)
    assert used.warm_calls < always.warm_calls


def test_ticks_refresh_sooner_than_exact_timers() -> None:
    """Five minutes are refreshed at every tick, 360 times a day, however many requests come between."""
    assert cost(24, Choice("5m", "always"), tick=240) == pytest.approx(24 * 0.1 + 360 * 0.1)
    assert cost(5_000, Choice("5m", "always"), tick=240) == pytest.approx(5_000 * 0.1 + 360 * 0.1)


def test_an_hours_entry_is_refreshed_every_56_minutes_on_ticks() -> None:
    """Due from 55 minutes on; a tick comes within 4 minutes of that, and the ones after it lie on ticks."""
    rate = 24 / 86_400
    reached = sum(exp(-rate * (3_300 + 240 * (part + 0.5) / 1_000)) for part in range(1_000)) / 1_000
    refreshes = reached / (1 - exp(-rate * 3_360))
    assert cost(24, Choice("1h", "always"), tick=240) == pytest.approx(24 * (0.1 + 0.1 * refreshes))


def test_a_forecast_counts_calls_and_cold_starts() -> None:
    """At 24 a day, kept always: 24/(e-1) warm calls and no cold start."""
    kept = forecast(24, COSTS, tick_seconds=0.0)[Choice("1h", "always")]
    assert kept.warm_calls == pytest.approx(24 / (exp(1) - 1))
    assert kept.cold_starts == 0.0


@pytest.mark.parametrize(
    ("gaps", "advised"),
    [
        ((), "1h"),  # one request proves no rhythm
        ((8 * HOUR,), None),  # two requests far apart: plain input is cheapest
        ((600.0,), "1h"),  # as many, close together: the start of a burst
        ((600.0, 12 * HOUR), "1h"),
        ((2 * HOUR,) * 11, "1h"),  # every other hour is worth keeping
        ((60.0,) * 1_000, "1h"),
        ((4.8 * HOUR,) * 4, "1h"),  # the first write is not paid again on the next such day
        ((30.0,) * 11, "5m"),  # one burst a day: the cheaper write is all that counts
        ((30.0,) * 10, "1h"),  # too few to tell
    ],
)
def test_a_first_day_is_advised_on(gaps: tuple[float, ...], advised: str | None) -> None:
    """On Sonnet 4.6 with exact timers."""
    assert advise_by_day(after_gaps(*gaps), SONNET, tick_seconds=0.0) == advised


def test_advice_needs_a_price() -> None:
    """An unknown model is named."""
    with pytest.raises(UnpricedError, match="the price of 'gpt-5' is not known"):
        advise_by_day(after_gaps(60.0), Tariff("gpt-5", AT), tick_seconds=0.0)
