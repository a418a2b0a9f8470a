"""The recommendation: one sentence, the least change among what is about as cheap."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal

import pytest

from prompt_cache_warmer.rules.outlook import UNCACHED, Terms, Way
from prompt_cache_warmer.rules.recommendation import Recommendation, prefix_prices, recommend
from prompt_cache_warmer.values.pricing import PrefixCosts
from prompt_cache_warmer.values.windows import Window

SHORT = PrefixCosts(write_usd=Decimal("1.25"), read_usd=Decimal("0.1"), plain_usd=Decimal(1))
LONG = replace(SHORT, write_usd=Decimal(2))
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
CLOCK = Terms(SHORT, LONG, (), Decimal(0), tick_seconds=240.0, monday=MONDAY)
WITH_A_RATE = "; pass --requests-per-day to learn whether warming pays at all"
AS_CHEAP = "; keep: while-used is as cheap and stops when traffic does, if traffic is reported"


def said(keep: str, ttl: str, rate: float | None, terms: Terms = CLOCK) -> str:
    """Return the sentence."""
    return recommend(terms, Way(ttl, keep), rate).sentence  # type: ignore[arg-type] # a column of the table


def test_without_a_rate_the_times_to_live_are_compared_at_their_most() -> None:
    """360 refreshes at a tenth against one every 56 minutes."""
    found = recommend(CLOCK, Way("5m", "always"), None)
    switch = "switch to ttl 1h: 36.0 -> 2.6 prefix-prices a day at most" + WITH_A_RATE
    assert found == Recommendation(Way("1h", "always"), switch, is_bound=True)
    assert said("while-used", "5m", None) == switch
    assert said("always", "1h", None) == "leave ttl 1h as it is: 2.6 prefix-prices a day at most" + WITH_A_RATE


def test_without_a_rate_once_cannot_be_judged() -> None:
    """It is right for who has few requests, and nobody said."""
    found = recommend(CLOCK, Way("5m", "once"), None)
    assert found == Recommendation(
        None, "pass --requests-per-day: that number decides whether keep: once is the cheapest", is_bound=True
    )


@pytest.mark.parametrize(
    ("keep", "ttl", "rate", "sentence"),
    [
        # An hour kept always and while used cost the same at such rates: the rule stays, the ttl changes.
        ("always", "5m", 35.0, "switch to ttl 1h: 39.5 -> 4.7 prefix-prices a day" + AS_CHEAP),
        ("while-used", "5m", 35.0, "switch to ttl 1h: 40.0 -> 4.7 prefix-prices a day"),
        ("once", "1h", 35.0, "switch to keep: always: 19.0 -> 4.7 prefix-prices a day" + AS_CHEAP),
        ("once", "5m", 35.0, "switch to ttl 1h and keep: always: 39.1 -> 4.7 prefix-prices a day" + AS_CHEAP),
        (
            "always",
            "1h",
            35.0,
            "leave it as it is: 4.7 prefix-prices a day, and nothing is clearly cheaper" + AS_CHEAP,
        ),
        ("while-used", "1h", 35.0, "leave it as it is: 4.7 prefix-prices a day, and nothing is clearly cheaper"),
        # One request a day: plain input is 1.0, an hour kept always 2.6.
        (
            "always",
            "1h",
            1.0,
            "take cache_control out of the application's requests and do not warm it: 2.6 -> 1.0 prefix-prices a day",
        ),
        ("always", "1h", 3.0, "leave it as it is: 2.7 prefix-prices a day, and nothing is clearly cheaper"),
        # 3,000 a day hold five minutes by themselves, but an hour costs the same reads.
        (
            "always",
            "1h",
            3_000.0,
            "leave it as it is: 300.0 prefix-prices a day, and nothing is clearly cheaper" + AS_CHEAP,
        ),
    ],
)
def test_with_a_rate_the_least_change_among_the_cheapest(keep: str, ttl: str, rate: float, sentence: str) -> None:
    """Figures as the outlook has them."""
    assert said(keep, ttl, rate) == sentence


def test_not_caching_is_a_way_of_its_own() -> None:
    """One request a day needs no cache."""
    assert recommend(CLOCK, Way("1h", "always"), 1.0).way == UNCACHED


def test_not_warming_may_be_the_cheapest() -> None:
    """Where a write costs no more than plain input, nothing is lost by marking and nothing won by warming."""
    cheap = replace(SHORT, write_usd=Decimal("0.9"))
    terms = replace(CLOCK, short=cheap, long=cheap)
    found = recommend(terms, Way("5m", "always"), 1.0)
    assert found.way == Way("5m", "once")
    assert found.sentence == "switch to keep: once: 36.1 -> 0.90 prefix-prices a day"
    windowed = replace(
        terms, windows=(Window(frozenset(range(7)), time(8), time(18), "UTC", lead_minutes=0),), short=LONG
    )
    assert recommend(windowed, Way("5m", "always"), 0.3).sentence == (
        "do not warm it (enabled: false), with ttl 1h in the application's requests: 16.9 -> 0.27 prefix-prices a day"
    )


@pytest.mark.parametrize(
    ("minutes", "sentence", "way"),
    [
        (
            5,
            "ticks every 5 minutes cannot hold ttl 5m: switch to ttl 1h, or tick more often",
            Way("1h", "always"),
        ),
        (60, "ticks every 60 minutes cannot hold ttl 5m: tick more often", None),
    ],
)
@pytest.mark.parametrize("rate", [None, 35.0])
def test_ticks_that_hold_nothing_are_the_first_thing_said(
    minutes: int, sentence: str, way: Way | None, rate: float | None
) -> None:
    """Costs of what cannot be done are not compared."""
    found = recommend(replace(CLOCK, tick_seconds=60.0 * minutes), Way("5m", "always"), rate)
    assert (found.sentence, found.way, found.is_bound) == (sentence, way, rate is None)


def test_windows_that_do_not_open_are_said() -> None:
    """Nothing is expected, so nothing is compared."""
    skipped = (Window(frozenset({6}), time(2, 15), time(2, 45), "Europe/Berlin", lead_minutes=0),)
    terms = replace(CLOCK, windows=skipped, monday=datetime(2027, 3, 22, tzinfo=UTC))
    assert said("always", "1h", 35.0, terms) == "its windows do not open this week, so it is not warmed"


def test_small_amounts_have_two_places() -> None:
    """One place would make them nothing."""
    assert [prefix_prices(Decimal(amount)) for amount in ("0.994", "1", "0.04", "36")] == [
        "0.99 prefix-prices",
        "1.0 prefix-prices",
        "0.04 prefix-prices",
        "36.0 prefix-prices",
    ]
