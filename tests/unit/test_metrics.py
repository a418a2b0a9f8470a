"""Metrics: what a run publishes at each detail, and how many custom metrics that is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from prompt_cache_warmer.rules.entry_result import CallFacts, EntryResult, Outcome
from prompt_cache_warmer.rules.measurement import measure
from prompt_cache_warmer.rules.metrics import CATALOGUE, Scope, custom_metric_count, resolve_detail
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.report import RunReport, RunStanding
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.rules.verification import Finding, Verification
from prompt_cache_warmer.values.caps import Caps
from prompt_cache_warmer.values.money import Amount
from prompt_cache_warmer.values.targets import Entry
from prompt_cache_warmer.values.usage import Usage
from tests.fakes import target

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def warmed(name: str, model: str, usage: Usage, *, cost: str | None = "0.5", latency_ms: int = 100) -> EntryResult:
    """Return a warmed entry's result."""
    return EntryResult(
        Entry(target(name=name).summary, model),
        Outcome.WARMED,
        "",
        verdict=Verdict.REFRESHED,
        usage=usage,
        cost_usd=None if cost is None else Decimal(cost),
        call=CallFacts(form="zero", form_reason="", attempts=1, latency_ms=latency_ms),
    )


def report(*results: EntryResult, targets: int = 2, standing: RunStanding | None = None) -> RunReport:
    """Return a run's report."""
    return RunReport(
        order=Order(execution_id="exec-1"),
        started_at=AT,
        duration_ms=1234,
        targets_loaded=targets,
        targets_invalid=1,
        results=results,
        standing=standing or RunStanding(),
    )


TWO_TARGETS = report(
    warmed("a", "m1", Usage(read_tokens=10, uncached_tokens=1)),
    warmed("a", "m2", Usage(write_1h_tokens=20), cost="0.25"),
    warmed("b", "m1", Usage(write_5m_tokens=40), cost=None, latency_ms=300),
)


def test_the_runs_own_set_has_every_metric_of_the_catalogue() -> None:
    """The sums over all entries stand beside the run's own figures, under the service alone."""
    capped = RunStanding(
        spent_today=Amount(Decimal("0.5")),
        spent_this_month=Amount(Decimal(8)),
        caps=Caps(usd_per_day=Decimal(2), usd_per_month=Decimal(10)),
    )
    (run, *_) = measure(replace(TWO_TARGETS, standing=capped), detail="run", service="svc")
    assert set(run.values) == {metric.name for metric in CATALOGUE if metric.scope is not Scope.TRAFFIC}
    assert (run.dimensions, run.at, run.properties) == ({"service": "svc"}, AT, {"execution_id": "exec-1"})
    assert {name: sum(values) for name, values in run.values.items()} == {
        "TargetsLoaded": 2,
        "TargetsInvalid": 1,
        "EntriesDue": 3,
        "EntriesWarmed": 3,
        "EntriesDeferred": 0,
        "EntriesUnpriced": 1,
        "EntriesSkipped": 0,
        "EntriesCapped": 0,
        "EntriesMissed": 0,
        "EntriesToMend": 0,
        "BreakersOpen": 0,
        "Paused": 0,
        "DayBudgetUsed": 25,
        "MonthBudgetUsed": 80,
        "RunDuration": 1234,
        "EntriesRefreshed": 3,
        "EntriesWritten": 0,
        "EntriesPartial": 0,
        "EntriesUncached": 0,
        "EntriesFailed": 0,
        "EntriesLapsed": 0,
        "CacheReadTokens": 10,
        "CacheWrite5mTokens": 40,
        "CacheWrite1hTokens": 20,
        "UncachedInputTokens": 1,
        "WarmCostUSD": 0.75,
        "WarmLatency": 500,
    }


def test_a_budget_is_measured_only_where_there_is_a_cap() -> None:
    """Without a cap there is nothing to be a part of; a cap of 0 is always used up."""
    (free,) = measure(TWO_TARGETS, detail="run", service="svc")
    assert {"DayBudgetUsed", "MonthBudgetUsed"}.isdisjoint(free.values)
    nothing = RunStanding(caps=Caps(usd_per_day=Decimal(0)))
    (run,) = measure(replace(TWO_TARGETS, standing=nothing), detail="run", service="svc")
    assert run.values["DayBudgetUsed"] == (100,)


def test_detail_run_publishes_nothing_per_target() -> None:
    """One set, whatever the number of targets."""
    assert len(measure(TWO_TARGETS, detail="run", service="svc")) == 1


def test_detail_target_adds_one_set_per_target() -> None:
    """The models of a target are summed under its name."""
    _, first, second = measure(TWO_TARGETS, detail="target", service="svc")
    assert (first.dimensions, second.dimensions) == (
        {"service": "svc", "Target": "a"},
        {"service": "svc", "Target": "b"},
    )
    assert (first.values["CacheReadTokens"], first.values["CacheWrite1hTokens"]) == ((10,), (20,))
    assert first.values["WarmCostUSD"] == (0.75,)
    assert first.values["WarmLatency"] == (100.0, 100.0)
    assert set(first.values) == {metric.name for metric in CATALOGUE if metric.scope is Scope.ENTRY}


def test_detail_entry_adds_one_set_per_target_and_model() -> None:
    """Each model has its own dimensions."""
    sets = measure(TWO_TARGETS, detail="entry", service="svc")[1:]
    assert [(found.dimensions["Target"], found.dimensions["Model"]) for found in sets] == [
        ("a", "m1"),
        ("a", "m2"),
        ("b", "m1"),
    ]


def asked(result: EntryResult, cost: str | None, shared_with: str | None = None) -> Verification:
    """Return what was found of an entry by a real request of that cost."""
    real = replace(result, usage=Usage(read_tokens=10), cost_usd=None if cost is None else Decimal(cost))
    return Verification(result.entry, Finding.READ, result, real, shared_with)


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("run", {(): 0.875}),
        ("target", {(): 0.875, ("a",): 0.875, ("b",): 0}),
        ("entry", {(): 0.875, ("a", "m1"): 0.5625, ("a", "m2"): 0.3125, ("b", "m1"): 0}),
    ],
)
@pytest.mark.parametrize("names", [None, ("a", "b")], ids=["all", "selection"])
def test_the_real_requests_of_verifications_are_money_spent_on_warming(
    detail: Any, expected: dict[tuple[str, ...], float], names: tuple[str, ...] | None
) -> None:
    """Each in its entry's set and in the run's; shared ones once, unknown ones not; tokens are warm calls' alone."""
    first, second, third = TWO_TARGETS.results
    found = (asked(first, "0.0625"), asked(second, "0.0625"), asked(third, None), asked(third, "0.0625", "a"))
    ordered = replace(TWO_TARGETS, order=Order(verify=names), verifications=found)
    sets = measure(ordered, detail=detail, service="svc")
    published = {
        tuple(value for name, value in one.dimensions.items() if name != "service"): one.values["WarmCostUSD"]
        for one in sets
    }
    assert published == {names: (cost,) for names, cost in expected.items()}
    assert [sum(sets[0].values[name]) for name in ("CacheReadTokens", "WarmLatency")] == [10, 500]
    assert ("EntriesUnpriced" in sets[0].values) is (names is None)
    plain = measure(replace(ordered, verifications=()), detail="run", service="svc")
    assert plain[0].values["WarmCostUSD"] == (0.75,)


def test_an_entry_that_was_neither_called_nor_failed_has_no_set() -> None:
    """Skipped and deferred entries publish nothing under their own name."""
    skipped = EntryResult(Entry(target(name="c").summary, "m1"), Outcome.SKIPPED, "")
    deferred = EntryResult(Entry(target(name="d").summary, "m1"), Outcome.DEFERRED, "")
    (run,) = measure(report(skipped, deferred), detail="target", service="svc")
    assert (run.values["EntriesDue"], run.values["EntriesDeferred"]) == ((1,), (1,))
    assert "WarmLatency" not in run.values


@pytest.mark.parametrize(("targets", "detail"), [(0, "target"), (50, "target"), (51, "run"), (5000, "run")])
def test_auto_is_per_target_up_to_50_targets(targets: int, detail: str) -> None:
    """Beyond 50 targets the custom metrics would cost more than the service."""
    assert resolve_detail("auto", targets=targets) == detail


def test_no_metric_has_more_values_than_one_emf_line_takes() -> None:
    """250 latencies are spread over three sets; every other metric stands once."""
    many = report(*(warmed("a", f"m{n}", Usage(read_tokens=1)) for n in range(250)))
    sets = measure(many, detail="run", service="svc")
    assert [len(found.values["WarmLatency"]) for found in sets] == [99, 99, 52]
    assert sum(sum(found.values.get("CacheReadTokens", ())) for found in sets) == 250


@pytest.mark.parametrize(
    ("detail", "targets", "entries", "count"),
    [("run", 5000, 10000, 27), ("target", 10, 30, 147), ("entry", 10, 30, 387), ("auto", 5000, 10000, 27)],
)
def test_the_number_of_custom_metrics_is_known_beforehand(detail: str, targets: int, entries: int, count: int) -> None:
    """27 for the run, 12 more for each target or entry."""
    assert custom_metric_count(detail, targets=targets, entries=entries) == count  # type: ignore[arg-type] # a column of the table


def test_the_catalogue_has_no_two_metrics_of_one_name_and_says_what_each_means() -> None:
    """Names are CloudWatch's own style, and each has its meaning."""
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Z][A-Za-z0-9]+", name) for name in names)
    assert all(metric.meaning for metric in CATALOGUE)


def test_the_savings_estimate_is_never_a_metric() -> None:
    """Summed over ticks it would be counted 360 times a day."""
    assert not [metric.name for metric in CATALOGUE if "saving" in metric.name.lower()]
