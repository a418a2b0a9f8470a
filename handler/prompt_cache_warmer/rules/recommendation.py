"""The recommendation: which way to keep a prefix, from its outlook, in one sentence.

Costs are compared in prefix-prices: what the prefix costs once, as plain input. So the sentence holds
for every prefix of the model, whatever its size. Of the ways that are about as cheap the one that
changes least is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.outlook import KEPT, TTLS, UNCACHED, Terms, Way, at_most, expected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prompt_cache_warmer.rules.advice import Forecast

# Who would change a request's markers for less? Real traffic differs from random arrivals by more.
_CLEARLY_CHEAPER = Decimal("0.95")
_WITH_A_RATE = "; pass --requests-per-day to learn whether warming pays at all"
_ONE_PLACE_FROM = 1  # below it, prefix-prices are told to two places


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do with one entry.

    Attributes:
        way: the way that is recommended; None where nothing can be said.
        sentence: what to do and what it changes.
        is_bound: whether its costs are the most that warm calls come to, for want of a rate of requests.
    """

    way: Way | None
    sentence: str
    is_bound: bool = False


def recommend(terms: Terms, now: Way, requests_per_day: float | None) -> Recommendation:
    """Recommend a way to keep a prefix.

    Args:
        terms: what the figures depend on.
        now: the way it is kept at present.
        requests_per_day: how many there are; None where nobody knows.
    """
    if now.ttl is not None and now.keep in ("always", "while-used") and not terms.can_hold(now.ttl):
        held = next(filter(terms.can_hold, TTLS), None)
        minutes = f"ticks every {terms.tick_seconds / 60:g} minutes cannot hold ttl {now.ttl}"
        return Recommendation(
            way=None if held is None else Way(held, now.keep),
            sentence=f"{minutes}: " + (f"switch to ttl {held}, or tick more often" if held else "tick more often"),
            is_bound=requests_per_day is None,
        )
    if requests_per_day is None:
        return _by_bound(terms, now)
    costs = _prefix_prices(terms, expected(terms, requests_per_day))
    if not costs:
        return Recommendation(None, "its windows do not open this week, so it is not warmed")
    way = _least_change(costs, now)
    if way == now:
        sentence = f"leave it as it is: {prefix_prices(costs[now])} a day, and nothing is clearly cheaper"
    else:
        sentence = f"{_in_words(way, now)}: {_from_to(costs[now], costs[way])}"
    return Recommendation(way, sentence + _also(costs, way))


def prefix_prices(amount: Decimal) -> str:
    """Write an amount of prefix-prices."""
    return f"{_short(amount)} prefix-prices"


def _by_bound(terms: Terms, now: Way) -> Recommendation:
    """Compare what the warm calls of the same keeping rule come to at most; a rate would say more."""
    if now.keep not in ("always", "while-used"):
        sentence = f"pass --requests-per-day: that number decides whether keep: {now.keep} is the cheapest"
        return Recommendation(None, sentence, is_bound=True)
    bounds = {way: cost for way, cost in _prefix_prices(terms, at_most(terms)).items() if way.keep == now.keep}
    way = _least_change(bounds, now)
    if way == now:
        sentence = f"leave ttl {now.ttl} as it is: {prefix_prices(bounds[now])} a day at most"
    else:
        sentence = f"{_in_words(way, now)}: {_from_to(bounds[now], bounds[way])} at most"
    return Recommendation(way, sentence + _WITH_A_RATE, is_bound=True)


def _prefix_prices(terms: Terms, forecasts: Mapping[Way, Forecast]) -> dict[Way, Decimal]:
    return {way: forecast.cost_usd / terms.short.plain_usd for way, forecast in forecasts.items()}


def _least_change(costs: Mapping[Way, Decimal], now: Way) -> Way:
    """Return what is now unless something is clearly cheaper; then the one of the cheapest that changes least."""
    least = min(costs.values())
    if least >= costs[now] * _CLEARLY_CHEAPER:
        return now
    near = [way for way in costs if costs[way] * _CLEARLY_CHEAPER <= least and costs[way] < costs[now]]
    return min(near, key=lambda way: (way.keep != now.keep, way.ttl != now.ttl, KEPT.index(way.keep), costs[way]))


def _also(costs: Mapping[Way, Decimal], way: Way) -> str:
    """Name the rule that follows traffic where it is as cheap: real traffic has nights, random arrivals have none."""
    used = Way(way.ttl, "while-used")
    is_as_cheap = way.keep == "always" and used in costs and costs[used] * _CLEARLY_CHEAPER <= costs[way]
    return "; keep: while-used is as cheap and stops when traffic does, if traffic is reported" if is_as_cheap else ""


def _in_words(way: Way, now: Way) -> str:
    if way == UNCACHED:
        return "take cache_control out of the application's requests and do not warm it"
    if way.keep == "never":
        return f"do not warm it (enabled: false), with ttl {way.ttl} in the application's requests"
    changes: dict[str, bool] = {
        f"ttl {way.ttl}": way.ttl != now.ttl,
        f"keep: {way.keep}": way.keep != now.keep,
    }
    return "switch to " + " and ".join(change for change, is_new in changes.items() if is_new)


def _from_to(before: Decimal, after: Decimal) -> str:
    return f"{_short(before)} -> {prefix_prices(after)} a day"


def _short(amount: Decimal) -> str:
    return f"{amount:,.1f}" if amount >= _ONE_PLACE_FROM else f"{amount:.2f}"
