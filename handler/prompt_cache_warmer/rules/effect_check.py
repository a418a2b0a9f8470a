"""Our metrics beside what the provider says it billed: ours can be less, never more.

The Usage API counts every request of the organization, also those nobody observes, so that only one direction
proves something: where our figure is the larger one, one of the two is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.effect_figures import add_usage, traffic_usage_of, usage_of
from prompt_cache_warmer.rules.entry_result import usage_json
from prompt_cache_warmer.values.pricing import undated
from prompt_cache_warmer.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prompt_cache_warmer.rules.effect_sources import ReportedUsage, Series
    from prompt_cache_warmer.rules.effect_window import Window

CHECK_WORDS = (
    "ours are the tokens of observed traffic and of warm calls; the Usage API's are all of the organization's, those "
    "nobody observes too, so that it has to be as much or more. Whole hours, minutes or days, those of the last five "
    "minutes left out, because the Usage API is that late."
)
ALL_MODELS = "all models"
NO_MODEL = "(no model named)"

_MORE = (
    "our metrics count more than the Usage API: a request at the window's edge may be counted on the other side of "
    "it; anything larger means another organization's admin key, a provider other than Anthropic, or an application "
    "that is observed twice"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One model's tokens on both sides.

    Attributes:
        model: the model's id without its date.
        ours: the tokens our metrics count.
        theirs: the tokens the Usage API counts.
        has_warm_calls: whether ours hold the warm calls: by model they are only known with METRIC_DETAIL=entry.
    """

    model: str
    ours: Usage
    theirs: Usage
    has_warm_calls: bool

    @property
    def is_consistent(self) -> bool:
        """Whether ours is nowhere more than theirs."""
        return all(ours <= theirs for ours, theirs in zip(_counts(self.ours), _counts(self.theirs), strict=True))

    def as_json(self) -> dict[str, Any]:
        """Return it as a report lists it."""
        sides = [usage_json(usage) for usage in (self.ours, self.theirs)]
        for side in sides:
            del side["output_tokens"]  # ours are not published
        ours, theirs = sides
        return {
            "model": self.model,
            "ours": ours,
            "usage_api": theirs,
            "difference": {name: theirs[name] - ours[name] for name in ours},
            "has_warm_calls": self.has_warm_calls,
            "is_consistent": self.is_consistent,
        }


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """Both sides over the settled part of a window.

    Attributes:
        window: that part.
        total: all models together, all warm calls counted.
        models: each model.
        workspaces: how many workspaces the Usage API names.
    """

    window: Window
    total: Comparison
    models: tuple[Comparison, ...]
    workspaces: int

    @property
    def is_consistent(self) -> bool:
        """Whether ours is nowhere more than theirs."""
        return self.total.is_consistent and all(model.is_consistent for model in self.models)

    @property
    def notices(self) -> tuple[str, ...]:
        """What is worth knowing, in words."""
        return () if self.is_consistent else (_MORE,)

    def as_json(self) -> dict[str, Any]:
        """Return it as ``report --json`` prints it."""
        return {
            "definition": CHECK_WORDS,
            "window": self.window.as_json(),
            "workspaces": self.workspaces,
            "is_consistent": self.is_consistent,
            "total": self.total.as_json(),
            "models": [model.as_json() for model in self.models],
        }


def cross_check(window: Window, series: Sequence[Series], reported: Sequence[ReportedUsage]) -> CrossCheck:
    """Put our tokens of a window beside the Usage API's."""
    whole = _sums(window, series)
    ours: dict[str, Usage] = defaultdict(Usage)
    with_warm_calls = set()
    for (target, model), sums in whole.items():
        if target is None or model is None:
            continue
        warm = usage_of(sums)
        ours[undated(model)] = add_usage(ours[undated(model)], add_usage(traffic_usage_of(sums), warm))
        if warm.input_tokens:
            with_warm_calls.add(undated(model))
    theirs: dict[str, Usage] = defaultdict(Usage)
    for one in reported:
        name = NO_MODEL if one.model is None else undated(one.model)
        theirs[name] = add_usage(theirs[name], one.usage)
    all_ours = whole.get((None, None), {})
    total = Comparison(
        ALL_MODELS,
        add_usage(traffic_usage_of(all_ours), usage_of(all_ours)),
        _total(theirs),
        has_warm_calls=True,
    )
    models = tuple(
        Comparison(name, ours[name], theirs[name], has_warm_calls=name in with_warm_calls)
        for name in sorted({*ours, *theirs})
    )
    return CrossCheck(window, total, models, workspaces=len({one.workspace_id for one in reported}))


def _sums(window: Window, series: Sequence[Series]) -> dict[tuple[str | None, str | None], dict[str, float]]:
    found: dict[tuple[str | None, str | None], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in series:
        if one.cause is None:
            points = (value for at, value in one.points.items() if window.holds(at))
            found[one.target, one.model][one.metric] += sum(points)
    return dict(found)


def _total(by_model: Mapping[str, Usage]) -> Usage:
    total = Usage()
    for usage in by_model.values():
        total = add_usage(total, usage)
    return total


def _counts(usage: Usage) -> tuple[int, int, int, int]:
    return usage.read_tokens, usage.write_5m_tokens, usage.write_1h_tokens, usage.uncached_tokens
