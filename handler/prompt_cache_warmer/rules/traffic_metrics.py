"""The metrics of one real request: for the service, and for the target on its model.

What CloudWatch would refuse as a dimension's value is published for the service alone: a refused set is lost whole,
and with it everything that is sent in the same request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.metrics import Dimension, MetricSet
from prompt_cache_warmer.values.observation import Sight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from prompt_cache_warmer.values.body import Ttl
    from prompt_cache_warmer.values.usage import Usage

# The smaller of CloudWatch's limits for the texts of a dimension, and more than any model's id has:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_Dimension.html
MAX_DIMENSION_CHARACTERS = 255

_SIGHT_METRICS = {
    Sight.HIT: "TrafficHits",
    Sight.COLD_START: "TrafficColdStarts",
    Sight.DRIFT: "PrefixDrift",
}
_KEPT_METRICS: dict[Ttl, str] = {"5m": "Warmed5mTokens", "1h": "Warmed1hTokens"}


def request_metrics(
    *,
    service: str,
    target: str,
    model: str,
    at: datetime,
    sight: Sight,
    usage: Usage,
    first_token_ms: float | None,
) -> MetricSet:
    """Measure one answered request.

    Args:
        service: the value of the service dimension: the stack's name.
        target: the target's name.
        model: the model that was asked.
        at: when the request started.
        sight: what it was to the target's entry.
        usage: what the API reported.
        first_token_ms: how long its first token took, None where that is not known.
    """
    values: dict[str, tuple[float, ...]] = {
        "TrafficRequests": (1,),
        **{name: (int(sight is each),) for each, name in _SIGHT_METRICS.items()},
        "TrafficReadTokens": (usage.read_tokens,),
        "TrafficWrite5mTokens": (usage.write_5m_tokens,),
        "TrafficWrite1hTokens": (usage.write_1h_tokens,),
        "TrafficUncachedTokens": (usage.uncached_tokens,),
    }
    if first_token_ms is not None:
        values["TimeToFirstToken"] = (first_token_ms,)
    return _set(values, service=service, target=target, model=model, at=at)


def kept_metrics(*, service: str, target: str, model: str, at: datetime, tokens: int, ttl: Ttl) -> MetricSet:
    """Measure a hit that nothing but a warm call can have kept, by the tokens it would have written.

    Args:
        service: the value of the service dimension: the stack's name.
        target: the target's name.
        model: the model that was asked.
        at: when the request started.
        tokens: the tokens of the prefix.
        ttl: the time to live it would have written them for.
    """
    values = {"WarmedHits": (1.0,), _KEPT_METRICS[ttl]: (float(tokens),)}
    return _set(values, service=service, target=target, model=model, at=at)


def _is_dimension_value(text: str) -> bool:
    """Whether CloudWatch takes a text as a dimension's value: printable ASCII, not blank, of a bounded length."""
    return text.isascii() and text.isprintable() and bool(text.strip()) and len(text) <= MAX_DIMENSION_CHARACTERS


def _set(values: Mapping[str, tuple[float, ...]], *, service: str, target: str, model: str, at: datetime) -> MetricSet:
    whole = {Dimension.SERVICE.value: service}
    entry = {**whole, Dimension.TARGET.value: target, Dimension.MODEL.value: model}
    is_known_by_name = _is_dimension_value(target) and _is_dimension_value(model)
    return MetricSet(whole, values, at, also=(entry,) if is_known_by_name else ())
