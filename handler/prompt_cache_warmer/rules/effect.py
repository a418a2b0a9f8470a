"""The effect of caching and warming on real traffic over a while, target by target and over time.

Computed from published sums alone. Traffic is published for the service and for every target and model; what warm
calls cost is published for the service and, by METRIC_DETAIL, for every target or every target and model or
neither, so that a part of it may belong to no row.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.effect_figures import (
    DEFINITIONS,
    PRICES_WORDS,
    UNPRICED_METRIC,
    WARMED_METRICS,
    WHY_WORDS,
    Savings,
    Seen,
    cost_of,
    known_sum,
    rates,
)
from prompt_cache_warmer.rules.entry_result import money_json
from prompt_cache_warmer.values.money import MONEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.effect_figures import Rates
    from prompt_cache_warmer.rules.effect_sources import Series
    from prompt_cache_warmer.rules.effect_window import Window

MISSED_METRIC = "EntriesMissed"

NO_TRAFFIC = "no traffic was reported: add CacheObserver to the application, or nothing proves what warming saves"

_Sums = dict[str, float]


@dataclass(frozen=True, slots=True)
class ModelEffect:
    """What was seen of one target on one model, and the money."""

    model: str
    seen: Seen
    savings: Savings
    is_priced: bool

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


@dataclass(frozen=True, slots=True)
class Moment:
    """One bucket: what was seen in it, and the money that is known of it; None where none is known of the window."""

    start: datetime
    seen: Seen
    vs_no_warming_usd: Decimal
    spent_usd: Decimal | None

    def as_json(self) -> dict[str, Any]:
        """Return it as a report lists it."""
        return {
            "start": self.start.isoformat(),
            **self.seen.as_json(),
            "saved_vs_no_warming_usd": money_json(self.vs_no_warming_usd),
            "spent_usd": money_json(self.spent_usd),
        }


def merged(moments: Sequence[Moment], size: int) -> tuple[Moment, ...]:
    """Add up so many neighbours each, from the first on."""
    return tuple(
        Moment(
            moments[at].start,
            sum((moment.seen for moment in moments[at : at + size]), Seen()),
            sum((moment.vs_no_warming_usd for moment in moments[at : at + size]), Decimal(0)),
            known_sum(moment.spent_usd for moment in moments[at : at + size]),
        )
        for at in range(0, len(moments), size)
    )


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect over a while.

    Attributes:
        service: whose metrics these are.
        window: the while.
        seen: all traffic.
        savings: all money that is known.
        targets: every target with data, by name.
        moments: every bucket of the window, in order.
        causes: how often runs found an entry missed for each cause, the most frequent first.
        calls_unpriced: warm calls that were billed at an unknown price; they are in no sum.
    """

    service: str
    window: Window
    seen: Seen
    savings: Savings
    targets: tuple[TargetEffect, ...] = ()
    moments: tuple[Moment, ...] = ()
    causes: tuple[tuple[str, int], ...] = ()
    calls_unpriced: int = 0

    @property
    def has_data(self) -> bool:
        """Whether anything at all was published in the window."""
        return bool(self.seen.requests or self.targets or self.savings.spent_usd is not None or self.calls_unpriced)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The models whose price is not known."""
        return tuple(sorted({found.model for one in self.targets for found in one.models if not found.is_priced}))

    @property
    def unascribed_usd(self) -> Decimal:
        """What was spent and belongs to no row."""
        rows = known_sum(target.savings.spent_usd for target in self.targets) or Decimal(0)
        return MONEY.subtract(self.savings.spent_usd or Decimal(0), rows)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth knowing about the figures, in words."""
        found = []
        if not self.seen.requests:
            found.append(NO_TRAFFIC)
        if not self.window.is_listed:
            found.append(
                "CloudWatch names targets that published something in the last two weeks: older ones are in the "
                "totals' traffic and in no row, and their savings are in no sum"
            )
        if self.unpriced:
            count = len(self.unpriced)
            words = (
                "1 model has no known price, so its" if count == 1 else f"{count} models have no known price, so their"
            )
            found.append(f"{words} money is in no sum: {', '.join(self.unpriced)}")
        if self.calls_unpriced:
            found.append(f"{self.calls_unpriced} warm calls were billed at an unknown price and are in no sum")
        if round(self.unascribed_usd, 6) > 0:  # what is smaller is the noise of many binary fractions
            found.append(
                f"{self.unascribed_usd:.6f} USD of what was spent is known for the service only: METRIC_DETAIL was "
                "run, or auto with more than 50 targets"
            )
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Return it as ``report --json`` prints it."""
        return {
            "service": self.service,
            "window": self.window.as_json(),
            "definitions": {**DEFINITIONS, "why": WHY_WORDS, "prices": PRICES_WORDS},
            "total": {**self.seen.as_json(), **self.savings.as_json()},
            "targets": [target.as_json() for target in self.targets],
            "why": dict(self.causes),
            "unpriced_models": list(self.unpriced),
            "warm_calls_unpriced": self.calls_unpriced,
            "unascribed_usd": money_json(self.unascribed_usd),
            "series": [moment.as_json() for moment in self.moments],
            "notices": list(self.notices),
        }


def effect(service: str, window: Window, series: Sequence[Series]) -> Effect:
    """Compute the effect from what was published in a window."""
    own = [one for one in series if one.cause is None]
    totals = _sums(one for one in own if one.target is None)
    by_entry = _grouped(one for one in own if one.target is not None)
    prices: dict[tuple[str, str], Rates | None] = {}
    targets = []
    for name in sorted({target for target, _ in by_entry}):
        models = [model for target, model in by_entry if target == name and model is not None]
        for model in models:
            tokens = Seen.of(_sums(by_entry[name, model])).mean_tokens
            prices[name, model] = rates(model, tokens, at=window.end)
        found = tuple(_model(model, by_entry[name, model], prices[name, model]) for model in sorted(models))
        targets.append(_target(name, found, by_entry.get((name, None), [])))
    saved = [target.savings for target in targets]
    return Effect(
        service=service,
        window=window,
        seen=Seen.of(totals),
        savings=Savings(
            vs_uncached_usd=known_sum(one.vs_uncached_usd for one in saved),
            vs_no_warming_usd=known_sum(one.vs_no_warming_usd for one in saved),
            spent_usd=cost_of(totals),
        ),
        targets=tuple(targets),
        moments=_moments(window, own, prices),
        causes=_causes(series),
        calls_unpriced=round(totals.get(UNPRICED_METRIC, 0)),
    )


def _sums(series: Iterable[Series], at: datetime | None = None) -> _Sums:
    """Add up each metric, over the window or in one bucket."""
    found: _Sums = defaultdict(float)
    for one in series:
        values = one.points.values() if at is None else [one.points[at]] if at in one.points else []
        for value in values:
            found[one.metric] += value
    return dict(found)


def _grouped(series: Iterable[Series]) -> dict[tuple[str, str | None], list[Series]]:
    found: dict[tuple[str, str | None], list[Series]] = defaultdict(list)
    for one in series:
        found[one.target or "", one.model].append(one)
    return dict(found)


def _model(model: str, series: Sequence[Series], price: Rates | None) -> ModelEffect:
    sums = _sums(series)
    seen = Seen.of(sums)
    if price is None:
        return ModelEffect(model, seen, Savings(), is_priced=False)
    savings = Savings(price.vs_uncached_usd(seen.usage), price.vs_no_warming_usd(seen), cost_of(sums))
    return ModelEffect(model, seen, savings, is_priced=True)


def _target(name: str, models: tuple[ModelEffect, ...], series: Sequence[Series]) -> TargetEffect:
    """Put a target together; what it spent was published for it or for its models, never for both at a time."""
    seen = sum((model.seen for model in models), Seen())
    spent = [cost_of(_sums(series)), *(model.savings.spent_usd for model in models)]
    published = [amount for amount in spent if amount is not None]
    savings = Savings(
        vs_uncached_usd=known_sum(model.savings.vs_uncached_usd for model in models),
        vs_no_warming_usd=known_sum(model.savings.vs_no_warming_usd for model in models),
        spent_usd=known_sum(published) if published else None,
    )
    return TargetEffect(name, seen, savings, models)


def _moments(
    window: Window, series: Sequence[Series], prices: Mapping[tuple[str, str], Rates | None]
) -> tuple[Moment, ...]:
    whole = [one for one in series if one.target is None]
    warmed = [one for one in series if one.model is not None and one.metric in WARMED_METRICS]
    by_entry = _grouped(warmed)
    nothing_usd = None if cost_of(_sums(whole)) is None else Decimal(0)  # what a bucket without any cost has spent
    moments = []
    for start in window.starts():
        saved = [
            price.vs_no_warming_usd(Seen.of(_sums(by_entry[entry], start)))
            for entry, price in prices.items()
            if price is not None and entry in by_entry
        ]
        sums = _sums(whole, start)
        moments.append(Moment(start, Seen.of(sums), known_sum(saved) or Decimal(0), cost_of(sums) or nothing_usd))
    return tuple(moments)


def _causes(series: Sequence[Series]) -> tuple[tuple[str, int], ...]:
    counted: dict[str, float] = defaultdict(float)
    for one in series:
        if one.cause is not None and one.metric == MISSED_METRIC:
            counted[one.cause] += sum(one.points.values())
    found = {cause: round(count) for cause, count in counted.items() if round(count)}
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))
