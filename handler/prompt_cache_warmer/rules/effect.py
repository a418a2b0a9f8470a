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
    WHY_WORDS,
    Savings,
    Seen,
    cost_of,
    is_unpriced,
    known_sum,
)
from prompt_cache_warmer.rules.effect_rows import added_up, grouped, in_buckets, model_effect, target_effect
from prompt_cache_warmer.rules.entry_result import money_json
from prompt_cache_warmer.values.money import MONEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.effect_rows import TargetEffect
    from prompt_cache_warmer.rules.effect_sources import Series
    from prompt_cache_warmer.rules.effect_window import Window

MISSED_METRIC = "EntriesMissed"

NO_TRAFFIC = "no traffic was reported: add CacheObserver to the application, or nothing proves what warming saves"


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
        calls_unpriced: warm calls that whole runs found billed at an unknown price; they are in no sum.
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
                "1 model has no known price, so what it"
                if count == 1
                else f"{count} models have no known price, so what they"
            )
            found.append(f"{words} saved is in no sum: {', '.join(self.unpriced)}")
        if self.savings.has_unpriced:
            found.append(self._unpriced_words())
        if round(self.unascribed_usd, 6) > 0:  # what is smaller is the noise of many binary fractions
            found.append(
                f"{self.unascribed_usd:.6f} USD of what was spent is known for the service only: METRIC_DETAIL was "
                "run, or auto with more than 50 targets"
            )
        return tuple(found)

    @property
    def targets_unpriced(self) -> int:
        """How many targets' spending is known in part or not at all."""
        return sum(target.savings.has_unpriced for target in self.targets)

    def _unpriced_words(self) -> str:
        """Say what is not known of what was spent."""
        calls = f"{self.calls_unpriced} warm calls" if self.calls_unpriced else "warm calls"
        count = self.targets_unpriced
        nets = "the net of 1 target is unknown" if count == 1 else f"the nets of {count} targets are unknown"
        return (
            f"{calls} were billed at an unknown price and are in no sum: "
            f"{nets if count else 'of which targets is not known'}, and of all targets together spent is a lower bound "
            "and net an upper bound"
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as ``report --json`` prints it."""
        return {
            "service": self.service,
            "window": self.window.as_json(),
            "definitions": {**DEFINITIONS, "why": WHY_WORDS, "prices": PRICES_WORDS},
            "total": {
                **self.seen.as_json(),
                **self.savings.as_json(),
                "net_usd": money_json(self.savings.most_net_usd),
            },
            "spent_is_lower_bound": self.savings.has_unpriced,
            "net_is_upper_bound": self.savings.has_unpriced,
            "targets_with_unknown_net": self.targets_unpriced,
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
    whole = in_buckets(one for one in own if one.target is None)
    totals = added_up(whole.values())
    calls_unpriced = round(totals.get(UNPRICED_METRIC, 0))
    by_entry = grouped(one for one in own if one.target is not None)
    targets = []
    saved: dict[datetime, Decimal] = defaultdict(Decimal)
    for name in sorted({target for target, _ in by_entry}):
        models = sorted(model for target, model in by_entry if target == name and model is not None)
        found = []
        for model in models:
            priced = model_effect(model, in_buckets(by_entry[name, model]))
            found.append(priced)
            for at, amount in priced.saved_usd_at.items():
                saved[at] = MONEY.add(saved[at], amount)
        sums = in_buckets(by_entry.get((name, None), ()))
        targets.append(target_effect(name, found, sums, is_any_unpriced=bool(calls_unpriced)))
    savings = [target.savings for target in targets]
    spent = cost_of(totals)
    nothing_usd = None if spent is None else Decimal(0)  # what a bucket without any cost has spent
    return Effect(
        service=service,
        window=window,
        seen=Seen.of(totals),
        savings=Savings(
            vs_uncached_usd=known_sum(one.vs_uncached_usd for one in savings),
            vs_no_warming_usd=known_sum(one.vs_no_warming_usd for one in savings),
            spent_usd=spent,
            has_unpriced=bool(calls_unpriced)
            or any(one.has_unpriced for one in savings)
            or any(map(is_unpriced, whole.values())),
        ),
        targets=tuple(targets),
        moments=tuple(
            Moment(at, Seen.of(sums), saved.get(at, Decimal(0)), cost_of(sums) or nothing_usd)
            for at, sums in ((at, whole.get(at, {})) for at in window.starts())
        ),
        causes=_causes(series),
        calls_unpriced=calls_unpriced,
    )


def _causes(series: Sequence[Series]) -> tuple[tuple[str, int], ...]:
    counted: dict[str, float] = defaultdict(float)
    for one in series:
        if one.cause is not None and one.metric == MISSED_METRIC:
            counted[one.cause] += sum(one.points.values())
    found = {cause: round(count) for cause, count in counted.items() if round(count)}
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))
