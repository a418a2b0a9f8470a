"""Prices: what a call cost and what the cache saves, in USD, from ``genai-prices``. Money is ``Decimal``.

The package knows every model's own prices, 5-minute and 1-hour writes apart, and tiers by input size,
so nothing here assumes a multiple of a base price. A model it does not know has no price: the answer
is None, never 0. Prices of one's own (``values/model_prices.py``) stand in place of all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import localcontext
from functools import lru_cache
from typing import TYPE_CHECKING

from genai_prices import calc_price, data_snapshot

from prompt_cache_warmer.values.known_prices import known_prices, priced_usage
from prompt_cache_warmer.values.model_ids import claude_id, is_bedrock_id
from prompt_cache_warmer.values.money import MONEY
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.model_prices import PriceList

PROVIDER = "anthropic"
BEDROCK_PROVIDER = "aws"  # who is paid for Amazon Bedrock's models; the Claude Platform on AWS has Anthropic's prices
# Prices of a run's entries stay at hand: an entry is looked at every tick and its prices hardly ever change.
_KNOWN_COSTS = 16_384
# What may follow a model's name in an id of it, on the API (a dash) and on Vertex AI (an at sign).
_VERSION = re.compile(r"(-latest|[-@]\d{8})$")


@dataclass(frozen=True, slots=True)
class PrefixCosts:
    """What one prefix costs on one model, in USD.

    Attributes:
        write_usd: writing it to the cache for the time to live it is marked with: what a miss costs.
        read_usd: reading it from the cache: what a hit costs, and a refresh.
        plain_usd: sending it without any cache.
    """

    write_usd: Decimal
    read_usd: Decimal
    plain_usd: Decimal


def prefix_costs(
    model: str, tokens: int, ttl: Ttl, *, at: datetime, prices: PriceList | None = None
) -> PrefixCosts | None:
    """Price a prefix, or None for a model without a known price; by the prices of the hour of ``at``."""
    return _prefix_costs(model, tokens, ttl, at.replace(minute=0, second=0, microsecond=0), prices)


@lru_cache(maxsize=_KNOWN_COSTS)
def _prefix_costs(model: str, tokens: int, ttl: Ttl, at: datetime, prices: PriceList | None) -> PrefixCosts | None:
    written = Usage(write_1h_tokens=tokens) if ttl == "1h" else Usage(write_5m_tokens=tokens)
    write = cost_usd(model, written, at=at, prices=prices)
    read = cost_usd(model, Usage(read_tokens=tokens), at=at, prices=prices)
    plain = cost_usd(model, Usage(uncached_tokens=tokens), at=at, prices=prices)
    if write is None or read is None or plain is None:
        return None
    return PrefixCosts(write_usd=write, read_usd=read, plain_usd=plain)


def cost_usd(
    model: str, usage: Usage, *, at: datetime, prices: PriceList | None = None, provider: str | None = None
) -> Decimal | None:
    """Price one call in USD, or None for a model without a known price.

    Args:
        model: the model's id.
        usage: the call's tokens; a tiered price looks at all of its input.
        at: when the call was made, because prices change.
        prices: prices of one's own in place of the known ones.
        provider: who is paid, as ``genai-prices`` calls it; when absent, Amazon for an id of Bedrock's (and where it
            has no price for that, what Anthropic asks for the same model), else Anthropic.
    """
    if prices is not None:
        return prices.cost_usd(model, usage)
    if provider is None and is_bedrock_id(model):
        found = cost_usd(model, usage, at=at, provider=BEDROCK_PROVIDER)
        return cost_usd(claude_id(model), usage, at=at, provider=PROVIDER) if found is None else found
    provider = provider or PROVIDER
    chosen = {"speed": usage.speed, "service_tier": usage.service_tier}
    context = {name: value for name, value in chosen.items() if value is not None} or None
    try:
        _, info = data_snapshot.get_snapshot().find_provider_model(model, None, provider, None)
        known = None if context else known_prices(info.get_prices(at), input_tokens=usage.input_tokens)
        if known is not None:
            return known.cost_usd(usage)
        priced = priced_usage(usage)
        with localcontext(MONEY):
            price = calc_price(priced, model, provider_id=provider, genai_request_timestamp=at, price_context=context)
    except LookupError:
        return None
    if usage.service_tier is not None:  # the package prices a tier that it does not know as if there were none
        untiered = replace(usage, service_tier=None)
        if price.total_price == cost_usd(model, untiered, at=at, provider=provider):
            return None
    return price.total_price


def known_models() -> tuple[str, ...]:
    """List the models with a known price, by their shortest id; their dated ids and aliases are known too."""
    return tuple(model.id for model in data_snapshot.get_snapshot().find_provider(None, PROVIDER, None).models)


def is_known_model(model: str) -> bool:
    """Tell whether an id is a known model's own, or that with a date or ``latest`` at the end.

    ``cost_usd`` also prices what only begins like a known model, so that it is right about what an answer
    names; whoever is to refuse what costs too much had better ask here before.
    """
    return undated(model) in _known_names()


def undated(model: str) -> str:
    """Return a model's id without the date or ``latest`` at its end."""
    return _VERSION.sub("", model)


def _known_names() -> frozenset[str]:
    names = {_VERSION.sub("", model) for model in known_models()}
    return frozenset(names | {name.removesuffix("-0") for name in names})  # Opus 4.0's dated id has no 0


def savings_usd(
    model: str,
    warmed: Usage,
    *,
    expected_requests: int,
    warm_cost_usd: Decimal | None,
    at: datetime,
    prices: PriceList | None = None,
) -> Decimal | None:
    """Estimate what a warm entry saves over ``expected_requests`` real requests, less the warm call's own cost.

    Each real request reads the cached tokens instead of paying them as plain input. None for a model
    without a known price.
    """
    cached = warmed.cached_tokens
    plain = cost_usd(model, Usage(uncached_tokens=cached, speed=warmed.speed), at=at, prices=prices)
    read = cost_usd(model, Usage(read_tokens=cached, speed=warmed.speed), at=at, prices=prices)
    if plain is None or read is None or warm_cost_usd is None:
        return None
    with localcontext(MONEY):
        return (plain - read) * expected_requests - warm_cost_usd
