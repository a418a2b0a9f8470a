"""The score of one file of arrivals: every rule, and the clairvoyant beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.advice import advise_by_day
from prompt_cache_warmer.rules.bound import break_even
from prompt_cache_warmer.rules.replay.clairvoyant import clairvoyant_pico, free_clairvoyant_pico
from prompt_cache_warmer.rules.replay.conduct import Conduct, Outcome, settle, settle_uncached
from prompt_cache_warmer.rules.replay.ours import Timing, while_used
from prompt_cache_warmer.rules.replay.priced import Tariff, priced
from prompt_cache_warmer.rules.replay.rivals import never, ping_always, ping_bounded, ping_skipping
from prompt_cache_warmer.values.money import usd_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from prompt_cache_warmer.rules.replay.arrivals import Arrivals
    from prompt_cache_warmer.rules.replay.priced import PricedArrivals
    from prompt_cache_warmer.values.body import Ttl

RULES = (
    *("decide_1h", "decide_5m", "advised", "never_1h", "never_5m"),
    *("ping_5m_always", "ping_5m_skipping", "ping_5m_bounded", "uncached"),
)
"""The names of all rules, ours first."""

_DAY = timedelta(days=1)
# Sums of whole pico-USD are exact; a ratio needs no more digits than a reader compares.
_RATIO_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Score:
    """What every rule cost on one file of arrivals.

    Attributes:
        requests: how many there were.
        days: from the first request to the end that was counted to.
        clairvoyant_pico: the least cost, free to choose at every miss.
        clairvoyant_1h_pico: the least cost with 1-hour entries only.
        clairvoyant_5m_pico: the least cost with 5-minute entries only.
        rules: what each rule came to, by name.
        advised: the choice that was advised from the first day: ``1h``, ``5m`` or ``none``.
    """

    requests: int
    days: float
    clairvoyant_pico: int
    clairvoyant_1h_pico: int
    clairvoyant_5m_pico: int
    rules: Mapping[str, Outcome]
    advised: str

    def vs_clairvoyant(self, name: str) -> float:
        """Return what a rule cost as a multiple of the clairvoyant that is free to choose."""
        return _ratio(self.rules[name].cost_pico, self.clairvoyant_pico)

    def warm_calls_per_day(self, name: str) -> float | None:
        """Return how many warm calls a rule made on a day; None where it was less than a day."""
        return None if self.days < 1 else round(self.rules[name].warm_calls / self.days, _RATIO_DIGITS)

    def as_json(self) -> dict[str, Any]:
        """Return the score as JSON."""
        return {
            "arrivals": self.requests,
            "clairvoyant": {"cost_usd": _usd(self.clairvoyant_pico)},
            "clairvoyant_1h": {"cost_usd": _usd(self.clairvoyant_1h_pico)},
            "clairvoyant_5m": {"cost_usd": _usd(self.clairvoyant_5m_pico)},
            "advised": self.advised,
            "rules": {
                name: {
                    "cost_usd": _usd(outcome.cost_pico),
                    "vs_clairvoyant": self.vs_clairvoyant(name),
                    "cold_starts": outcome.cold_starts,
                    "cold_start_share": _ratio(outcome.cold_starts, outcome.requests),
                    "warm_calls": outcome.warm_calls,
                    "warm_calls_per_day": self.warm_calls_per_day(name),
                }
                for name, outcome in self.rules.items()
            },
        }


def conducts(
    prices: Mapping[Ttl, PricedArrivals], timing: Timing, *, cold_start_value_usd: Decimal
) -> dict[str, tuple[Conduct, PricedArrivals]]:
    """Return what each rule does on the same requests, by name, and the prices it is settled at."""
    short, long, end_us = prices["5m"], prices["1h"], timing.end_us
    bound = break_even(short.costs[short.tokens[0]], cold_start_value_usd=cold_start_value_usd)
    return {
        "decide_1h": (while_used(long, timing, cold_start_value_usd=cold_start_value_usd), long),
        "decide_5m": (while_used(short, timing, cold_start_value_usd=cold_start_value_usd), short),
        "never_1h": (never(long), long),
        "never_5m": (never(short), short),
        "ping_5m_always": (ping_always(short, end_us=end_us), short),
        "ping_5m_skipping": (ping_skipping(short, end_us=end_us), short),
        "ping_5m_bounded": (ping_bounded(short, bound=bound, end_us=end_us), short),
    }


def score(arrivals: Arrivals, tariff: Tariff, *, tick_seconds: float, tail_seconds: float = 0.0) -> Score:
    """Replay arrivals under every rule.

    Args:
        arrivals: the requests.
        tariff: what they cost.
        tick_seconds: the interval of the ticks ``decide`` is asked at; 0 for exact timers.
        tail_seconds: how long idle refreshes are counted behind the last request.

    Raises:
        UnpricedError: for a model without a known price.
    """
    prices: dict[Ttl, PricedArrivals] = {ttl: priced(arrivals, tariff, ttl) for ttl in ("5m", "1h")}
    short, long = prices["5m"], prices["1h"]
    timing = Timing.of(long, tick_seconds=tick_seconds, tail_seconds=tail_seconds)
    found = conducts(prices, timing, cold_start_value_usd=tariff.cold_start_value_usd)
    rules = {name: settle(conduct, of) for name, (conduct, of) in found.items()}
    rules["uncached"] = settle_uncached(long)
    advised = advise_by_day(arrivals.first(_DAY.total_seconds()), tariff, tick_seconds=tick_seconds)
    rules["advised"] = rules["uncached" if advised is None else f"decide_{advised}"]
    return Score(
        requests=len(arrivals),
        days=(timing.end_us - arrivals.times_us[0]) / (_DAY / timedelta(microseconds=1)),
        clairvoyant_pico=free_clairvoyant_pico(short, long),
        clairvoyant_1h_pico=clairvoyant_pico(long),
        clairvoyant_5m_pico=clairvoyant_pico(short),
        rules={name: rules[name] for name in RULES},
        advised="none" if advised is None else advised,
    )


def _usd(pico: int) -> float:
    return float(usd_of(pico))


def _ratio(part: int, whole: int) -> float:
    return round(part / whole, _RATIO_DIGITS) if whole else 1.0
