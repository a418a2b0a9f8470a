"""The catalogue of metrics: every name, unit, dimension and meaning.

Template, alarms, dashboard, docs and tests read the names from here. How many custom metrics there
are is bounded by the detail: ``run`` publishes the sums only, ``target`` adds one set per target and
``entry`` one per target and model; ``auto`` means ``target`` up to 50 targets and ``run`` beyond. A cause for
which traffic missed has a set of its own in the runs that find it: at most one metric for each cause there is.
The savings estimate is never a metric: summed over ticks it would be counted 360 times a day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Detail = Literal["auto", "run", "target", "entry"]

AUTO_DETAIL_MAX_TARGETS = 50  # CloudWatch bills each custom metric; 50 targets stay below 200 USD a month


class Unit(StrEnum):
    """CloudWatch's own names of units."""

    COUNT = "Count"
    MILLISECONDS = "Milliseconds"
    PERCENT = "Percent"
    NONE = "None"


class Scope(StrEnum):
    """Which dimension sets carry a metric."""

    RUN = "run"
    ENTRY = "entry"
    TRAFFIC = "traffic"


class Dimension(StrEnum):
    """The names of all dimensions."""

    SERVICE = "service"
    TARGET = "Target"
    MODEL = "Model"
    CAUSE = "Cause"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of the catalogue.

    Attributes:
        name: its CloudWatch name.
        unit: its CloudWatch unit.
        scope: ``run``: only the run's own set has it; ``entry``: also sets per target or entry; ``traffic``:
            no run has it, an application's observer publishes it, for the service and per target and model.
        meaning: one sentence for the docs and the dashboard.
    """

    name: str
    unit: Unit
    scope: Scope
    meaning: str


CATALOGUE: tuple[Metric, ...] = (
    Metric("TargetsLoaded", Unit.COUNT, Scope.RUN, "valid targets there are"),
    Metric("TargetsInvalid", Unit.COUNT, Scope.RUN, "documents that are not a valid target"),
    Metric("EntriesDue", Unit.COUNT, Scope.RUN, "entries a run decided to warm"),
    Metric("EntriesWarmed", Unit.COUNT, Scope.RUN, "entries whose warm call was answered, whatever it proved"),
    Metric("EntriesDeferred", Unit.COUNT, Scope.RUN, "due entries left to the next tick"),
    Metric("EntriesUnpriced", Unit.COUNT, Scope.RUN, "entries whose call was billed at an unknown price"),
    Metric("EntriesSkipped", Unit.COUNT, Scope.RUN, "entries a run decided not to warm, for whatever reason"),
    Metric("EntriesCapped", Unit.COUNT, Scope.RUN, "due entries a cap kept from being warmed"),
    Metric("EntriesMissed", Unit.COUNT, Scope.RUN, "entries whose traffic missed though warm calls should hold them"),
    Metric("EntriesToMend", Unit.COUNT, Scope.RUN, "of them, those whose cause somebody has to correct: no evictions"),
    Metric("BreakersOpen", Unit.COUNT, Scope.RUN, "breakers of due entries and of credentials that keep calls back"),
    Metric("Paused", Unit.COUNT, Scope.RUN, "1 while all warming is paused, else 0"),
    Metric(
        "DayBudgetUsed", Unit.PERCENT, Scope.RUN, "of the stack's cap for the UTC day in USD, spent or reserved; if set"
    ),
    Metric(
        "MonthBudgetUsed", Unit.PERCENT, Scope.RUN, "of the stack's cap for the month in USD, spent or reserved; if set"
    ),
    Metric("RunDuration", Unit.MILLISECONDS, Scope.RUN, "how long a run took"),
    Metric("EntriesRefreshed", Unit.COUNT, Scope.ENTRY, "entries a warm call found alive"),
    Metric("EntriesWritten", Unit.COUNT, Scope.ENTRY, "entries a warm call found cold and wrote in full"),
    Metric(
        "EntriesPartial",
        Unit.COUNT,
        Scope.ENTRY,
        "entries of which a shorter prefix was alive and the rest was written",
    ),
    Metric("EntriesUncached", Unit.COUNT, Scope.ENTRY, "entries of which nothing was cached after the call"),
    Metric(
        "EntriesFailed",
        Unit.COUNT,
        Scope.ENTRY,
        "due entries that were not warmed: their call failed, or their credential was stopped in this run",
    ),
    Metric(
        "EntriesLapsed",
        Unit.COUNT,
        Scope.ENTRY,
        "entries found lapsed that should have been held: a tick came late, or was missed",
    ),
    Metric("CacheReadTokens", Unit.COUNT, Scope.ENTRY, "tokens warm calls read from the cache"),
    Metric("CacheWrite5mTokens", Unit.COUNT, Scope.ENTRY, "tokens warm calls wrote for 5 minutes"),
    Metric("CacheWrite1hTokens", Unit.COUNT, Scope.ENTRY, "tokens warm calls wrote for 1 hour"),
    Metric("UncachedInputTokens", Unit.COUNT, Scope.ENTRY, "tokens warm calls paid as plain input"),
    Metric("WarmCostUSD", Unit.NONE, Scope.ENTRY, "what warm calls and verifications cost at known prices, in USD"),
    Metric("WarmLatency", Unit.MILLISECONDS, Scope.ENTRY, "time from a warm call's start to its answer"),
    Metric(
        "TrafficRequests",
        Unit.COUNT,
        Scope.TRAFFIC,
        "answered requests of the application ascribed to a target: hits, cold starts and drifts; hit ratio = "
        "TrafficHits / TrafficRequests",
    ),
    Metric("TrafficHits", Unit.COUNT, Scope.TRAFFIC, "of them, those that read the target's prefix from the cache"),
    Metric(
        "TrafficColdStarts", Unit.COUNT, Scope.TRAFFIC, "of them, those that carried the prefix and did not read it"
    ),
    Metric("PrefixDrift", Unit.COUNT, Scope.TRAFFIC, "of them, those that carried another prefix than their target"),
    Metric("TrafficReadTokens", Unit.COUNT, Scope.TRAFFIC, "tokens they read from the cache"),
    Metric("TrafficWrite5mTokens", Unit.COUNT, Scope.TRAFFIC, "tokens they wrote for 5 minutes"),
    Metric("TrafficWrite1hTokens", Unit.COUNT, Scope.TRAFFIC, "tokens they wrote for 1 hour"),
    Metric("TrafficUncachedTokens", Unit.COUNT, Scope.TRAFFIC, "tokens they paid as plain input"),
    Metric(
        "WarmedHits",
        Unit.COUNT,
        Scope.TRAFFIC,
        "hits that came a whole time to live or more after the last real request: only a warm call can have kept them",
    ),
    Metric("Warmed5mTokens", Unit.COUNT, Scope.TRAFFIC, "tokens of the prefix such hits would have written for 5 min"),
    Metric("Warmed1hTokens", Unit.COUNT, Scope.TRAFFIC, "tokens of the prefix such hits would have written for 1 hour"),
    Metric(
        "TimeToFirstToken",
        Unit.MILLISECONDS,
        Scope.TRAFFIC,
        "time from a streamed request's start to its first token",
    ),
)


@dataclass(frozen=True, slots=True)
class MetricSet:
    """Values that are published together under one set of dimensions.

    Attributes:
        dimensions: dimension names to values.
        values: metric names to one or more values, at most 99 each.
        properties: what the log line carries beside them, not as metrics.
        at: the time stamp of the values.
        also: further dimensions under which the same values are published.
    """

    dimensions: Mapping[str, str]
    values: Mapping[str, tuple[float, ...]]
    at: datetime
    properties: Mapping[str, str] = field(default_factory=dict)
    also: tuple[Mapping[str, str], ...] = ()


def resolve_detail(detail: Detail, *, targets: int) -> Literal["run", "target", "entry"]:
    """Turn ``auto`` into the detail that fits a number of targets."""
    if detail != "auto":
        return detail
    return "target" if targets <= AUTO_DETAIL_MAX_TARGETS else "run"


def custom_metric_count(detail: Detail, *, targets: int, entries: int) -> int:
    """Count the custom metrics of the runs that CloudWatch bills for a number of targets and entries.

    Those of the causes for which traffic missed come on top, in the months in which it did: one for each.
    """
    per_set = sum(metric.scope is Scope.ENTRY for metric in CATALOGUE)
    sets = {"run": 0, "target": targets, "entry": entries}[resolve_detail(detail, targets=targets)]
    published = sum(metric.scope is not Scope.TRAFFIC for metric in CATALOGUE)
    return published + per_set * sets
