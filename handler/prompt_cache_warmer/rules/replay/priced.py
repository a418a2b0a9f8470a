"""Priced arrivals: what each request and each refresh behind it costs under one time to live."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import CacheWarmerError
from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.money import pico_usd
from prompt_cache_warmer.values.pricing import prefix_costs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.replay.arrivals import Arrivals
    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.pricing import PrefixCosts


class UnpricedError(CacheWarmerError):
    """A model has no known price, so nothing can be compared."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What prefixes cost, and what a cold start is worth.

    Attributes:
        model: the model's id.
        at: when the calls are made, because prices change.
        cold_start_value_usd: what one avoided cold start is worth.
    """

    model: str
    at: datetime
    cold_start_value_usd: Decimal = Decimal(0)

    def costs(self, tokens: int, ttl: Ttl) -> PrefixCosts:
        """Price a prefix.

        Raises:
            UnpricedError: for a model without a known price.
        """
        costs = prefix_costs(self.model, tokens, ttl, at=self.at)
        if costs is None:
            raise UnpricedError(f"the price of {self.model!r} is not known; name a model that genai-prices knows")
        return costs


@dataclass(frozen=True, slots=True)
class PricedArrivals:
    """Arrivals under one time to live; every list has one item for each request, money in pico-USD.

    Attributes:
        ttl: the time to live's name.
        ttl_us: the time to live, in microseconds.
        times_us: when the requests start.
        tokens: how many tokens each prefix has.
        costs: what a prefix of so many tokens costs, by tokens.
        refresh_pico: what a refresh after this request costs.
        hit_pico: what this request costs when the entry is alive, growth included.
        miss_pico: what it costs when it is not: the write, and a cold start's value.
        rewrite_pico: what a warm call after this request costs when it finds the entry lapsed.
        plain_pico: what it costs without any cache, a cold start's value included.
    """

    ttl: Ttl
    ttl_us: int
    times_us: Sequence[int]
    tokens: Sequence[int]
    costs: dict[int, PrefixCosts]
    refresh_pico: Sequence[int]
    hit_pico: Sequence[int]
    miss_pico: Sequence[int]
    rewrite_pico: Sequence[int]
    plain_pico: Sequence[int]

    def __len__(self) -> int:
        return len(self.times_us)


def priced(arrivals: Arrivals, tariff: Tariff, ttl: Ttl) -> PricedArrivals:
    """Price every arrival under a time to live.

    Tiers look at a call's whole input, so within one call every kind of token has one price: what a
    prefix has grown by is its share of the prefix's write price.

    Raises:
        UnpricedError: for a model without a known price.
    """
    costs = {tokens: tariff.costs(tokens, ttl) for tokens in set(arrivals.tokens)}
    value = pico_usd(tariff.cold_start_value_usd)
    pico = {
        tokens: (pico_usd(cost.write_usd), pico_usd(cost.read_usd), pico_usd(cost.plain_usd))
        for tokens, cost in costs.items()
    }
    refresh, hit, miss, rewrite, plain = (array("q") for _ in range(5))
    before = 0
    for tokens in arrivals.tokens:
        write_pico, read_pico, plain_pico = pico[tokens]
        shared = min(before, tokens)
        refresh.append(read_pico)
        hit.append(read_pico if shared == tokens else (shared * read_pico + (tokens - shared) * write_pico) // tokens)
        miss.append(write_pico + value)
        rewrite.append(write_pico)
        plain.append(plain_pico + value)
        before = tokens
    return PricedArrivals(
        ttl=ttl,
        ttl_us=TTL_SECONDS[ttl] * MICROSECONDS,
        times_us=arrivals.times_us,
        tokens=arrivals.tokens,
        costs=costs,
        refresh_pico=refresh,
        hit_pico=hit,
        miss_pico=miss,
        rewrite_pico=rewrite,
        plain_pico=plain,
    )
