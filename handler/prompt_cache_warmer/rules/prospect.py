"""The prospect of one entry: its prices, its outlook, when warming starts to pay, and what is recommended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.idle_week import OpenHours, monday_before, open_hours
from prompt_cache_warmer.rules.outlook import TTLS, PaysFrom, Terms, Way, at_most, expected, pays_from
from prompt_cache_warmer.rules.recommendation import Recommendation, recommend
from prompt_cache_warmer.values.limits import minimum_prefix
from prompt_cache_warmer.values.pricing import PrefixCosts, prefix_costs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.rules.advice import Forecast
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.targets import Entry, TargetSummary

_RATE_DIGITS = 6
_USD_DIGITS = 12  # what the state table counts in
_WRITE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Prospect:
    """What keeping one entry warm will cost.

    Attributes:
        entry: the entry.
        way: how it is kept at present.
        hours: when its windows are open.
        costs: what its prefix costs under each time to live; empty where the price is not known.
        ways: what each way to keep it costs on a day; empty where nothing can be said.
        is_bound: whether those are the most that warm calls come to, for want of a rate of requests.
        pays: from how many requests a day ``always`` pays under each time to live; empty as ``ways`` is.
        notes: what keeps it from being called at all, and how its price is approximated.
        recommendation: what to do.
    """

    entry: Entry
    way: Way
    hours: OpenHours
    costs: Mapping[Ttl, PrefixCosts]
    ways: Mapping[Way, Forecast]
    is_bound: bool
    pays: Mapping[Ttl, PaysFrom]
    notes: tuple[str, ...]
    recommendation: Recommendation

    def as_json(self) -> dict[str, Any]:
        """Return it as ``plan --json`` lists it."""
        target, way = self.entry.target, self.recommendation.way
        return {
            "source": target.source,
            "target": target.name,
            "model": self.entry.model,
            "enabled": target.enabled,
            "keep": self.way.keep,
            "ttl": self.way.ttl,
            "prefix_tokens_estimate": target.prefix_tokens,
            "open_hours_per_day": round(self.hours.hours_per_day, _RATE_DIGITS),
            "openings_per_week": self.hours.openings,
            "cold_start_value_usd": _text(target.cold_start_value_usd),
            "prices": {
                ttl: {
                    "write_usd": _text(costs.write_usd),
                    "miss_usd": _text(costs.write_usd),
                    "refresh_usd": _text(costs.read_usd),
                    "hit_usd": _text(costs.read_usd),
                    "plain_usd": _text(costs.plain_usd),
                }
                for ttl, costs in self.costs.items()
            },
            "is_bound": self.is_bound,
            "ways": [self._way_json(way, forecast) for way, forecast in self.ways.items()],
            "pays_from_requests_per_day": {
                ttl: {
                    "than_not_warming": _rate(pays.than_not_warming),
                    "until": _rate(pays.until),
                    "than_not_caching": _rate(pays.than_not_caching),
                }
                for ttl, pays in self.pays.items()
            },
            "notes": list(self.notes),
            "recommendation": {
                "ttl": None if way is None else way.ttl,
                "keep": None if way is None else way.keep,
                "sentence": self.recommendation.sentence,
            },
        }

    def _way_json(self, way: Way, forecast: Forecast) -> dict[str, Any]:
        return {
            "ttl": way.ttl,
            "keep": way.keep,
            "cost_usd_per_day": _text(forecast.cost_usd),
            "prefix_prices_per_day": _text(forecast.cost_usd / self.costs["5m"].plain_usd, _RATE_DIGITS),
            "warm_calls_per_day": round(forecast.warm_calls, _RATE_DIGITS),
            "cold_starts_per_day": None if self.is_bound else round(forecast.cold_starts, _RATE_DIGITS),
        }


def prospect(entry: Entry, ttl: Ttl, requests_per_day: float | None, *, tick_seconds: float, at: datetime) -> Prospect:
    """Say what keeping one entry warm will cost.

    Args:
        entry: the entry.
        ttl: the shortest time to live its markers ask for: the whole of the prefix lives no longer.
        requests_per_day: how many requests it gets on an average day; None where nobody knows.
        tick_seconds: the interval of the ticks; more than 0.
        at: now; prices are those of now, and windows are averaged over this week.
    """
    target, model, monday = entry.target, entry.model, monday_before(at)
    found = {known: prefix_costs(model, target.prefix_tokens, known, at=at) for known in TTLS}
    costs = {known: cost for known, cost in found.items() if cost is not None and cost.plain_usd}
    way = Way(ttl, target.keep)
    hours = open_hours(target.windows, monday=monday)
    is_bound = requests_per_day is None
    minimum = minimum_prefix(model)
    blocks = tuple(_blocks(entry, found["1h" if "1h" in target.ttls else "5m"]))
    why_not = None
    if minimum is not None and target.prefix_tokens < minimum.tokens:
        caches = f"{model} caches nothing below {minimum.tokens:,} tokens"
        why_not = f"{caches}: make the prefix longer" + ("" if blocks else ", or set enabled: false")
    elif len(costs) < len(TTLS):
        costs, why_not = {}, f"the price of {model!r} is not known, so nothing can be said of its costs"
    notes = (*blocks, *_approximations(target, ttl))
    if why_not is not None:
        return Prospect(entry, way, hours, costs, {}, is_bound, {}, notes, Recommendation(None, why_not))
    terms = Terms(costs["5m"], costs["1h"], target.windows, target.cold_start_value_usd, tick_seconds, monday)
    return Prospect(
        entry,
        way,
        hours,
        costs,
        ways=at_most(terms) if requests_per_day is None else expected(terms, requests_per_day),
        is_bound=is_bound,
        pays={known: pays_from(terms, known) for known in TTLS},
        notes=notes,
        recommendation=_past_blocks(recommend(terms, way, requests_per_day), entry, blocks),
    )


def _blocks(entry: Entry, costs: PrefixCosts | None) -> Iterator[str]:
    """Say what keeps an entry from ever being called: nobody enabled it, or a cap has no room for one write."""
    target, caps = entry.target, entry.target.caps
    if not target.enabled:
        yield "disabled: nothing is called"
    in_usd = {"max_usd_per_day": caps.usd_per_day, "max_usd_per_call": caps.usd_per_call}
    for name, usd in in_usd.items():
        if usd is None:
            continue
        if not usd:
            yield f"its {name} of 0 allows no call: it is never written"
        elif costs is not None and usd < costs.write_usd:
            write = _text(costs.write_usd, _WRITE_DIGITS)
            yield f"its {name} of {_text(usd)} USD is below one write ({write}): it is never written"
    in_tokens = {"max_tokens_per_day": caps.tokens_per_day, "max_tokens_per_call": caps.tokens_per_call}
    for name, tokens in in_tokens.items():
        if tokens is not None and (not tokens or tokens < target.prefix_tokens):
            about = f"about {target.prefix_tokens:,} tokens"
            yield f"its {name} of {tokens:,} is below one write ({about}): it is never written"


def _approximations(target: TargetSummary, ttl: Ttl) -> Iterator[str]:
    if len(set(target.ttls)) > 1:
        yield f"markers of {' and '.join(dict.fromkeys(target.ttls))}: priced as if all of it had ttl {ttl}"


def _past_blocks(recommendation: Recommendation, entry: Entry, blocks: tuple[str, ...]) -> Recommendation:
    """Say what is recommended for an entry that is never called: what holds if it is."""
    if not blocks:
        return recommendation
    if recommendation.way is not None and recommendation.way.keep == "never":
        return replace(recommendation, sentence=f"it need not be called: {recommendation.sentence}")
    is_capped = len(blocks) > int(not entry.target.enabled)
    changes = {"it is enabled": not entry.target.enabled, "its cap is raised": is_capped}
    condition = " and ".join(change for change, is_needed in changes.items() if is_needed)
    return replace(recommendation, sentence=f"if {condition}: {recommendation.sentence}")


def _text(amount: Decimal, digits: int = _USD_DIGITS) -> str:
    """Write an amount in full, without zeros at its end."""
    return f"{round(amount, digits).normalize():f}"


def _rate(requests_per_day: float | None) -> float | None:
    return None if requests_per_day is None else round(requests_per_day, _RATE_DIGITS)
