"""What was seen of traffic, what it saved and what warming it cost: the figures of a report, and what each means.

Money is counted only where ``usage`` proves it. A model without a known price has unknown money, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.entry_result import money_json, usage_json
from prompt_cache_warmer.values.money import MONEY
from prompt_cache_warmer.values.pricing import prefix_costs
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

RATIO_PLACES = 4  # a hundredth of a percent

DEFINITIONS: dict[str, str] = {
    "requests": "answered requests of the application ascribed to a target: hits, cold starts and drifts; never warm "
    "calls",
    "hits": "requests that read the target's prefix from the cache",
    "cold_starts": "requests that carried the prefix and did not read it",
    "drifts": "requests that carried another prefix than their target",
    "hit_ratio": "hits / requests; - where there were none",
    "read_tokens": "input tokens that requests read from the cache",
    "write_5m_tokens": "input tokens that requests wrote to the cache for 5 minutes",
    "write_1h_tokens": "input tokens that requests wrote to the cache for 1 hour",
    "uncached_tokens": "input tokens that requests paid at the base price",
    "saved_vs_uncached_usd": "what caching saved of the price of all input at the base price: read tokens x (base - "
    "read price) - written tokens x (write - base price)",
    "saved_vs_no_warming_usd": "what is proved that warm calls saved: tokens of hits that came a whole time to live "
    "or more after the last real request x (write - read price)",
    "spent_usd": "what warm calls and verifications with a known price cost; by model it is published with "
    "METRIC_DETAIL=entry only",
    "net_usd": "saved against no warming - spent; unknown for a target of whose spending a part has no known price, "
    "and for all targets then an upper bound (<=)",
}
WHY_WORDS = (
    "how often the warmer's runs found an entry whose traffic missed though warm calls should hold it, by cause; an "
    "entry counts at every run until it is warmed again"
)
PRICES_WORDS = (
    "Each bucket has the prices of its own day, by the mean size of a model's requests in it. A model whose price is "
    "not known has unknown savings, which are in no sum."
)

_SEEN_METRICS = {
    "requests": "TrafficRequests",
    "hits": "TrafficHits",
    "cold_starts": "TrafficColdStarts",
    "drifts": "PrefixDrift",
    "warmed_5m_tokens": "Warmed5mTokens",
    "warmed_1h_tokens": "Warmed1hTokens",
}
_TRAFFIC_USAGE_METRICS = {
    "read_tokens": "TrafficReadTokens",
    "write_5m_tokens": "TrafficWrite5mTokens",
    "write_1h_tokens": "TrafficWrite1hTokens",
    "uncached_tokens": "TrafficUncachedTokens",
}
_WARM_USAGE_METRICS = {
    "read_tokens": "CacheReadTokens",
    "write_5m_tokens": "CacheWrite5mTokens",
    "write_1h_tokens": "CacheWrite1hTokens",
    "uncached_tokens": "UncachedInputTokens",
}
COST_METRIC = "WarmCostUSD"
UNPRICED_METRIC = "EntriesUnpriced"
TRAFFIC_METRICS = (*_SEEN_METRICS.values(), *_TRAFFIC_USAGE_METRICS.values())
WARM_METRICS = (*_WARM_USAGE_METRICS.values(), COST_METRIC)

WARMED_METRICS = ("Warmed5mTokens", "Warmed1hTokens")

_NO_USAGE = Usage()
_TIER_STEP_TOKENS = 1_000  # a dearer tier begins above a whole number of these
_COST_PLACES = 12  # a metric is a binary fraction; behind a pico-USD there is only its noise


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of traffic.

    Attributes:
        requests: answered requests: hits, cold starts and drifts.
        hits: those that read the target's prefix.
        cold_starts: those that carried it and did not.
        drifts: those that carried another.
        usage: their tokens.
        warmed_5m_tokens: what hits that only a warm call can have kept would have written for 5 minutes.
        warmed_1h_tokens: what they would have written for 1 hour.
    """

    requests: int = 0
    hits: int = 0
    cold_starts: int = 0
    drifts: int = 0
    usage: Usage = _NO_USAGE
    warmed_5m_tokens: int = 0
    warmed_1h_tokens: int = 0

    @classmethod
    def of(cls, sums: Mapping[str, float]) -> Seen:
        """Read it off the sums of metrics by name; what is not there is 0."""
        counts = {field: round(sums.get(metric, 0)) for field, metric in _SEEN_METRICS.items()}
        return cls(**counts, usage=usage_of(sums, _TRAFFIC_USAGE_METRICS))

    @property
    def hit_ratio(self) -> float | None:
        """Hits by requests, None where there were none."""
        return self.hits / self.requests if self.requests else None

    @property
    def mean_tokens(self) -> int:
        """How many input tokens a request has on average, at least 1."""
        return max(1, self.usage.input_tokens // self.requests) if self.requests else 1

    def __add__(self, other: Seen) -> Seen:
        """Add what else was seen."""
        counts = [name for name in (field.name for field in fields(self)) if name != "usage"]
        summed = {name: getattr(self, name) + getattr(other, name) for name in counts}
        return Seen(**summed, usage=add_usage(self.usage, other.usage))

    def as_json(self) -> dict[str, Any]:
        """Return it as a report writes it."""
        ratio = self.hit_ratio
        tokens = usage_json(self.usage)
        del tokens["output_tokens"]  # nobody publishes them
        return {
            "requests": self.requests,
            "hits": self.hits,
            "cold_starts": self.cold_starts,
            "drifts": self.drifts,
            "hit_ratio": None if ratio is None else round(ratio, RATIO_PLACES),
            **tokens,
        }


@dataclass(frozen=True, slots=True)
class Savings:
    """Money in USD; None is unknown, which is never 0.

    Attributes:
        vs_uncached_usd: what caching saved against paying all input at the base price; may be negative.
        vs_no_warming_usd: what warm calls are proved to have saved.
        spent_usd: what they cost as far as their prices are known.
        has_unpriced: whether more was spent at an unknown price.
    """

    vs_uncached_usd: Decimal | None = None
    vs_no_warming_usd: Decimal | None = None
    spent_usd: Decimal | None = None
    has_unpriced: bool = False

    @property
    def net_usd(self) -> Decimal | None:
        """What warm calls are proved to have saved, less what they cost; unknown where a part of it is."""
        return None if self.has_unpriced else self.most_net_usd

    @property
    def most_net_usd(self) -> Decimal | None:
        """What warm calls are proved to have saved, less what is known of their cost: the net can only be less."""
        if self.vs_no_warming_usd is None or self.spent_usd is None:
            return None
        return MONEY.subtract(self.vs_no_warming_usd, self.spent_usd)

    def as_json(self) -> dict[str, str | None]:
        """Return it as a report writes it."""
        return {
            "saved_vs_uncached_usd": money_json(self.vs_uncached_usd),
            "saved_vs_no_warming_usd": money_json(self.vs_no_warming_usd),
            "spent_usd": money_json(self.spent_usd),
            "net_usd": money_json(self.net_usd),
        }


@dataclass(frozen=True, slots=True)
class Rates:
    """What so many tokens cost on a model, each way.

    Of a model whose price depends on a request's size, that is the price of a request of this size.
    """

    tokens: int
    plain_usd: Decimal
    read_usd: Decimal
    write_5m_usd: Decimal
    write_1h_usd: Decimal

    def vs_uncached_usd(self, usage: Usage) -> Decimal:
        """Say what tokens saved against the base price."""
        with localcontext(MONEY):
            saved = usage.read_tokens * (self.plain_usd - self.read_usd)
            paid_5m = usage.write_5m_tokens * (self.write_5m_usd - self.plain_usd)
            paid_1h = usage.write_1h_tokens * (self.write_1h_usd - self.plain_usd)
            return (saved - paid_5m - paid_1h) / self.tokens

    def vs_no_warming_usd(self, seen: Seen) -> Decimal:
        """Say what reading tokens saved that would have been written but for a warm call."""
        with localcontext(MONEY):
            saved_5m = seen.warmed_5m_tokens * (self.write_5m_usd - self.read_usd)
            saved_1h = seen.warmed_1h_tokens * (self.write_1h_usd - self.read_usd)
            return (saved_5m + saved_1h) / self.tokens


def rates(model: str, tokens: int, *, at: datetime) -> Rates | None:
    """Price requests of so many tokens on a model as of a day (UTC), None where its price is not known.

    What a token costs is the same up to the next tier, and on one day: so few prices serve many buckets.
    """
    size = -(-tokens // _TIER_STEP_TOKENS) * _TIER_STEP_TOKENS
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    short, long = (prefix_costs(model, size, ttl, at=day) for ttl in ("5m", "1h"))
    if short is None or long is None:
        return None
    return Rates(size, short.plain_usd, short.read_usd, short.write_usd, long.write_usd)


def usage_of(sums: Mapping[str, float], metrics: Mapping[str, str] = _WARM_USAGE_METRICS) -> Usage:
    """Read the tokens of warm calls, or by other metrics, off the sums of metrics by name."""
    return Usage(**{field: round(sums.get(metric, 0)) for field, metric in metrics.items()})  # type: ignore[arg-type] # fields of int


def traffic_usage_of(sums: Mapping[str, float]) -> Usage:
    """Read the tokens of traffic off the sums of metrics by name."""
    return usage_of(sums, _TRAFFIC_USAGE_METRICS)


def cost_of(sums: Mapping[str, float]) -> Decimal | None:
    """Read what warm calls cost off the sums of metrics by name.

    Returns:
        None where it was not published, and where calls were billed and their price was not known.
    """
    if COST_METRIC not in sums:
        return None
    cost = round(Decimal(str(sums[COST_METRIC])), _COST_PLACES)
    return None if not cost and usage_of(sums).input_tokens else cost


def is_unpriced(sums: Mapping[str, float]) -> bool:
    """Whether warm calls were billed at an unknown price: tokens that cost nothing."""
    return COST_METRIC in sums and cost_of(sums) is None


def add_usage(one: Usage, other: Usage) -> Usage:
    """Add the input tokens of two."""
    return Usage(
        uncached_tokens=one.uncached_tokens + other.uncached_tokens,
        read_tokens=one.read_tokens + other.read_tokens,
        write_5m_tokens=one.write_5m_tokens + other.write_5m_tokens,
        write_1h_tokens=one.write_1h_tokens + other.write_1h_tokens,
    )


def known_sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Add what is known; None where there is something and nothing of it is known."""
    given = list(amounts)
    known = [amount for amount in given if amount is not None]
    if given and not known:
        return None
    with localcontext(MONEY):
        return sum(known, Decimal(0))
