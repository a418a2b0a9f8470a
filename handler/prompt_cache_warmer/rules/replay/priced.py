"""Priced arrivals: what each request and each refresh behind it costs under one time to live."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from operator import sub
from typing import TYPE_CHECKING

from prompt_cache_warmer.errors import UnpricedError
from prompt_cache_warmer.rules.replay.arrivals import MICROSECONDS
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.money import pico_usd
from prompt_cache_warmer.values.pricing import PrefixCosts, prefix_costs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.replay.arrivals import Arrivals
    from prompt_cache_warmer.values.body import Ttl


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
        gaps_us: how long after each the next one starts; one item less.
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
    gaps_us: Sequence[int]
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
    units = _units(tariff, ttl, min(arrivals.tokens), max(arrivals.tokens))
    firsts = [first for first, _ in units]
    costs = {}
    for tokens in set(arrivals.tokens):
        unit = units[bisect_right(firsts, tokens) - 1][1]
        costs[tokens] = PrefixCosts(unit.write_usd * tokens, unit.read_usd * tokens, unit.plain_usd * tokens)
    write = {tokens: pico_usd(cost.write_usd) for tokens, cost in costs.items()}
    read = {tokens: pico_usd(cost.read_usd) for tokens, cost in costs.items()}
    value_pico = pico_usd(tariff.cold_start_value_usd)
    miss = {tokens: pico + value_pico for tokens, pico in write.items()}
    plain = {tokens: pico_usd(cost.plain_usd) + value_pico for tokens, cost in costs.items()}
    before = chain((0,), arrivals.tokens)
    return PricedArrivals(
        ttl=ttl,
        ttl_us=TTL_SECONDS[ttl] * MICROSECONDS,
        times_us=arrivals.times_us,
        gaps_us=array("q", map(sub, islice(arrivals.times_us, 1, None), arrivals.times_us)),
        tokens=arrivals.tokens,
        costs=costs,
        refresh_pico=_by_tokens(read, arrivals),
        hit_pico=array(
            "q",
            (
                read[tokens]
                if tokens <= shared
                else (shared * read[tokens] + (tokens - shared) * write[tokens]) // tokens
                for shared, tokens in zip(before, arrivals.tokens, strict=False)
            ),
        ),
        miss_pico=_by_tokens(miss, arrivals),
        rewrite_pico=_by_tokens(write, arrivals),
        plain_pico=_by_tokens(plain, arrivals),
    )


def _by_tokens(pico: dict[int, int], arrivals: Arrivals) -> array[int]:
    return array("q", map(pico.__getitem__, arrivals.tokens))


def _units(tariff: Tariff, ttl: Ttl, low: int, high: int) -> list[tuple[int, PrefixCosts]]:
    """Return the prices of one token, each with the first prefix size it holds for.

    A tier's price holds for the whole input and never comes back in a higher tier, so two sizes with
    the same prices have no other between them; that saves pricing every size there is.
    """
    found = [(low, _unit(tariff, ttl, low))]
    last = _unit(tariff, ttl, high)
    while found[-1][1] != last:
        here, same, other = found[-1][1], found[-1][0], high
        while other - same > 1:
            middle = (same + other) // 2
            if _unit(tariff, ttl, middle) == here:
                same = middle
            else:
                other = middle
        found.append((other, _unit(tariff, ttl, other)))
    return found


def _unit(tariff: Tariff, ttl: Ttl, tokens: int) -> PrefixCosts:
    costs = tariff.costs(tokens, ttl)
    return PrefixCosts(costs.write_usd / tokens, costs.read_usd / tokens, costs.plain_usd / tokens)
