"""The rows of a report: what was seen of each target and model, and its money, bucket by bucket.

A bucket is priced as of the day it begins on, so that a price that changed counts from the day it did, and by the
mean size of the requests in it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.effect_figures import (
    Savings,
    Seen,
    cost_of,
    is_unpriced,
    known_sum,
    rates,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.rules.effect_sources import Series

Sums = dict[str, float]


@dataclass(frozen=True, slots=True)
class ModelEffect:
    """What was seen of one target on one model, and the money.

    Attributes:
        model: the model's id.
        seen: its traffic.
        savings: its money.
        is_priced: whether its price is known, of the whole while.
        saved_usd_at: what warm calls saved in each bucket that has any figure, by its start.
    """

    model: str
    seen: Seen
    savings: Savings
    is_priced: bool
    saved_usd_at: Mapping[datetime, Decimal] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as a report lists it."""
        return {"model": self.model, "is_priced": self.is_priced, **self.seen.as_json(), **self.savings.as_json()}


@dataclass(frozen=True, slots=True)
class TargetEffect:
    """What was seen of one target on all its models, and the money."""

    target: str
    seen: Seen
    savings: Savings
    models: tuple[ModelEffect, ...]

    @property
    def is_priced(self) -> bool:
        """Whether any of its models has a known price; one that nobody uses has none to know."""
        return not self.models or any(model.is_priced for model in self.models)

    def as_json(self) -> dict[str, Any]:
        """Return it as a report lists it."""
        models = [model.as_json() for model in self.models]
        return {"target": self.target, **self.seen.as_json(), **self.savings.as_json(), "models": models}


def in_buckets(series: Iterable[Series]) -> dict[datetime, Sums]:
    """Add up each metric in each bucket that has any, in order of time."""
    found: dict[datetime, Sums] = defaultdict(lambda: defaultdict(float))
    for one in series:
        for at, value in one.points.items():
            found[at][one.metric] += value
    return {at: dict(found[at]) for at in sorted(found)}


def added_up(buckets: Iterable[Mapping[str, float]]) -> Sums:
    """Add up each metric over buckets."""
    found: Sums = defaultdict(float)
    for sums in buckets:
        for metric, value in sums.items():
            found[metric] += value
    return dict(found)


def grouped(series: Iterable[Series]) -> dict[tuple[str, str | None], list[Series]]:
    """Put together what belongs to each target and model."""
    found: dict[tuple[str, str | None], list[Series]] = defaultdict(list)
    for one in series:
        found[one.target or "", one.model].append(one)
    return dict(found)


def model_effect(model: str, buckets: Mapping[datetime, Mapping[str, float]]) -> ModelEffect:
    """Compute a model's row; what it saved is unknown where the price of any bucket is."""
    sums = added_up(buckets.values())
    spending = Savings(spent_usd=cost_of(sums), has_unpriced=any(map(is_unpriced, buckets.values())))
    vs_uncached, saved_at = {}, {}
    for at, in_bucket in buckets.items():
        seen = Seen.of(in_bucket)
        price = rates(model, seen.mean_tokens, at=at)
        if price is None:
            return ModelEffect(model, Seen.of(sums), spending, is_priced=False)
        vs_uncached[at], saved_at[at] = price.vs_uncached_usd(seen.usage), price.vs_no_warming_usd(seen)
    savings = replace(
        spending,
        vs_uncached_usd=known_sum(vs_uncached.values()),
        vs_no_warming_usd=known_sum(saved_at.values()),
    )
    return ModelEffect(model, Seen.of(sums), savings, is_priced=True, saved_usd_at=saved_at)


def target_effect(
    name: str,
    models: Sequence[ModelEffect],
    buckets: Mapping[datetime, Mapping[str, float]],
    *,
    is_any_unpriced: bool,
) -> TargetEffect:
    """Put a target together; what it spent was published for it or for its models, never for both at a time.

    Args:
        name: the target's name.
        models: its models.
        buckets: what was published for it as a whole.
        is_any_unpriced: whether the service had calls of an unknown price. CloudWatch does not say of which target;
            what was published for this one as a whole may hold them if one of its models has no known price.
    """
    own = cost_of(added_up(buckets.values()))
    published = [amount for amount in (own, *(model.savings.spent_usd for model in models)) if amount is not None]
    is_mixed = is_any_unpriced and own is not None and not all(model.is_priced for model in models)
    savings = Savings(
        vs_uncached_usd=known_sum(model.savings.vs_uncached_usd for model in models),
        vs_no_warming_usd=known_sum(model.savings.vs_no_warming_usd for model in models),
        spent_usd=known_sum(published) if published else None,
        has_unpriced=is_mixed
        or any(model.savings.has_unpriced for model in models)
        or any(map(is_unpriced, buckets.values())),
    )
    return TargetEffect(name, sum((model.seen for model in models), Seen()), savings, tuple(models))
