"""The page on metrics: what it counts is what a run publishes, and its ratios are made of metrics there are."""

from __future__ import annotations

import re

from prompt_cache_warmer.rules.diagnosis import Cause
from prompt_cache_warmer.rules.metrics import AUTO_DETAIL_MAX_TARGETS, CATALOGUE, Scope
from tests.docs.pages import page, rows

PAGE = page("metrics.md")


def test_the_counts_are_those_of_the_bill() -> None:
    """27 for a run and 12 more for each target or entry, of which each target has two."""
    assert rows(PAGE, "detail") == [
        ["`run`", "none", "27", "27", "27", "27"],
        ["`target`", rows(PAGE, "detail")[1][1], "39", "147", "627", "60,027"],
        ["`entry`", rows(PAGE, "detail")[2][1], "51", "267", "1,227", "120,027"],
    ]
    assert AUTO_DETAIL_MAX_TARGETS == 50
    assert "up to 50 targets" in PAGE
    assert sum(metric.scope is Scope.TRAFFIC for metric in CATALOGUE) == 12
    assert "An observer adds up to 12" in PAGE
    assert f"at most {len(Cause)} come on top" in PAGE


def test_every_ratio_is_made_of_metrics_there_are() -> None:
    """By their names in the catalogue."""
    table = PAGE.partition("## Ratios")[2].partition("## The catalogue")[0]
    named = set(re.findall(r"`(\w+)`", table))
    assert len(named) >= 8
    assert named <= {metric.name for metric in CATALOGUE}


def test_every_metric_is_in_the_catalogue() -> None:
    """Each with unit, dimensions and meaning."""
    found = rows(PAGE, "metrics")
    assert [cells[0].strip("`") for cells in found] == [metric.name for metric in CATALOGUE]
    assert all(all(cells) for cells in found)
