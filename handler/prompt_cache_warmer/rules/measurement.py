"""How a run is measured: the values its report has for each metric of the catalogue."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome
from prompt_cache_warmer.rules.metrics import Detail, Dimension, MetricSet, resolve_detail
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.rules.verification import requests_usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal

    from prompt_cache_warmer.rules.report import RunReport
    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.state import EntryKey

MAX_VALUES = 99  # EMF takes 100 values a metric; Powertools prints on its own at 100, so stay below

_VERDICT_METRICS = {
    Verdict.REFRESHED: "EntriesRefreshed",
    Verdict.WRITTEN: "EntriesWritten",
    Verdict.PARTIAL: "EntriesPartial",
    Verdict.UNCACHED: "EntriesUncached",
    Verdict.FAILED: "EntriesFailed",
}


def measure(report: RunReport, *, detail: Detail, service: str) -> list[MetricSet]:
    """Measure a run: one set for the run, and one per target or entry where the detail asks for it."""
    run = {Dimension.SERVICE.value: service}
    properties = {"execution_id": report.order.execution_id or ""}
    asked_usd = requests_usd(report.verifications)
    whole = _entry_values(report.results, asked_usd)
    if not report.order.is_selection:  # a selection is no picture of the whole, and alarms read these
        whole = {**_run_values(report), **whole}
    elif report.order.due is not None:  # what became of entries that a tick has sent, it does not see
        whole = {**_call_values(report), **whole}
    sets = _bounded(run, whole, report.started_at, properties)
    for cause, count in () if report.order.is_selection else report.causes.items():
        dimensions = {**run, Dimension.CAUSE.value: cause.value}
        sets.append(MetricSet(dimensions, {"EntriesMissed": (count,)}, report.started_at, properties))
    chosen = resolve_detail(detail, targets=_targets(report))
    if chosen == "run":
        return sets
    grouped: dict[tuple[tuple[str, str], ...], list[EntryResult]] = defaultdict(list)
    for result in report.results:
        if result.verdict is not None or (result.decision is not None and result.decision.is_lapse):
            dimensions = {**run, Dimension.TARGET.value: result.entry.target.name}
            if chosen == "entry":
                dimensions[Dimension.MODEL.value] = result.entry.model
            grouped[tuple(dimensions.items())].append(result)
    for dimensions_key, results in grouped.items():
        sets += _bounded(dict(dimensions_key), _entry_values(results, asked_usd), report.started_at, properties)
    return sets


def _run_values(report: RunReport) -> dict[str, list[float]]:
    standing = report.standing
    used = {
        "DayBudgetUsed": _percent(standing.spent_today, standing.caps.usd_per_day),
        "MonthBudgetUsed": _percent(standing.spent_this_month, standing.caps.usd_per_month),
    }
    return {
        "TargetsLoaded": [report.targets_loaded],
        "TargetsInvalid": [report.targets_invalid],
        "EntriesDue": [report.entries_due],
        **_call_values(report),
        "EntriesSkipped": [report.count(Outcome.SKIPPED)],
        "EntriesMissed": [report.entries_missed],
        "EntriesToMend": [report.entries_to_mend],
        "BreakersOpen": [report.breakers_open],
        "Paused": [int(standing.pause is not None)],
        **{name: [percent] for name, percent in used.items() if percent is not None},
        "RunDuration": [report.duration_ms],
    }


def _call_values(report: RunReport) -> dict[str, list[float]]:
    """Measure what became of due entries; of what a tick sends to workers, only the worker's run can."""
    return {
        "EntriesWarmed": [report.count(Outcome.WARMED)],
        "EntriesDeferred": [report.count(Outcome.DEFERRED)],
        "EntriesUnpriced": [report.entries_unpriced],
        "EntriesCapped": [report.entries_capped],
    }


def _targets(report: RunReport) -> int:
    """Say how many targets there are, which bounds what is published of each; a worker's run reads a few of them."""
    due = report.order.due
    return report.targets_loaded if due is None else max(message.targets for message in due)


def _percent(spent: Amount, cap_usd: Decimal | None) -> float | None:
    """Say how much of a cap is used; a cap of 0 is always used up."""
    if cap_usd is None:
        return None
    return float(spent.known_usd / cap_usd * 100) if cap_usd else 100.0


def _entry_values(results: Iterable[EntryResult], asked_usd: Mapping[EntryKey, Decimal]) -> dict[str, list[float]]:
    """Measure entries; twins that shared a call have a verdict each and one usage, real requests count by cost only."""
    results = list(results)
    costs = [result.cost_usd for result in results if result.cost_usd is not None]
    costs += [asked_usd[result.entry.key] for result in results if result.entry.key in asked_usd]
    usages = [result.usage for result in results if result.usage is not None]
    values: dict[str, list[float]] = {
        name: [sum(result.verdict is verdict for result in results)] for verdict, name in _VERDICT_METRICS.items()
    }
    values |= {
        "EntriesLapsed": [sum(result.decision is not None and result.decision.is_lapse for result in results)],
        "CacheReadTokens": [sum(usage.read_tokens for usage in usages)],
        "CacheWrite5mTokens": [sum(usage.write_5m_tokens for usage in usages)],
        "CacheWrite1hTokens": [sum(usage.write_1h_tokens for usage in usages)],
        "UncachedInputTokens": [sum(usage.uncached_tokens for usage in usages)],
        "WarmCostUSD": [float(sum(costs))],
    }
    latencies = [float(result.call.latency_ms) for result in results if result.call and result.usage is not None]
    return {**values, "WarmLatency": latencies} if latencies else values


def _bounded(
    dimensions: Mapping[str, str], values: Mapping[str, list[float]], at: datetime, properties: Mapping[str, str]
) -> list[MetricSet]:
    """Split a set so that no metric has more values than one EMF line takes."""
    longest = max(len(found) for found in values.values())
    return [
        MetricSet(
            dimensions,
            {
                name: tuple(found[start : start + MAX_VALUES])
                for name, found in values.items()
                if found[start : start + MAX_VALUES]
            },
            at,
            properties,
        )
        for start in range(0, longest, MAX_VALUES)
    ]
