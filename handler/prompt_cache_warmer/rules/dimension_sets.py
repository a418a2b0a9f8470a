"""Under which sets of dimensions each metric is published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.metrics import Dimension, Scope

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.metrics import Metric

_OF_A_RUN = (Dimension.SERVICE,)
_OF_A_TARGET = (Dimension.SERVICE, Dimension.TARGET)
_OF_AN_ENTRY = (Dimension.SERVICE, Dimension.TARGET, Dimension.MODEL)
_BY_CAUSE = (Dimension.SERVICE, Dimension.CAUSE)
_SETS = {
    Scope.RUN: (_OF_A_RUN,),
    Scope.ENTRY: (_OF_A_RUN, _OF_A_TARGET, _OF_AN_ENTRY),
    Scope.TRAFFIC: (_OF_A_RUN, _OF_AN_ENTRY),
}
_COUNTED_BY_CAUSE = "EntriesMissed"


def dimension_sets(metric: Metric) -> tuple[tuple[str, ...], ...]:
    """Name the dimensions of every set that a metric is published under, at the finest detail there is."""
    sets = _SETS[metric.scope] + ((_BY_CAUSE,) if metric.name == _COUNTED_BY_CAUSE else ())
    return tuple(tuple(dimension.value for dimension in dimensions) for dimensions in sets)
