"""The demo's own tables: verdicts over time, the metrics as CloudWatch returns them, and a day's bills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from prompt_cache_warmer.cli.report_table import VERDICT_STYLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

# Codes of entries that were not called, in words that fit a column.
_SHORT_WORDS = {"outlives-tick": "alive", "breaker-open": "breaker"}


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric as CloudWatch returned it.

    Attributes:
        name: its name.
        run: its sum over the runs (dimension service), None where there is no data.
        target: its sum for one target (dimensions service and Target), None where there is no data.
    """

    name: str
    run: float | None
    target: float | None


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One way to keep a prompt in the cache, and what it came to in a day.

    Attributes:
        name: what it is.
        warm_calls: how many warm calls it made.
        cold_starts: how many users found the cache cold.
        warming_usd: what its warm calls cost.
        traffic_usd: what the prompt cost in the users' requests.
        total_usd: both together.
    """

    name: str
    warm_calls: int
    cold_starts: int
    warming_usd: Decimal
    traffic_usd: Decimal
    total_usd: Decimal


def history_table(seen: Mapping[tuple[str, str], Sequence[str]], minutes: Sequence[int]) -> Table:
    """Make the table of verdicts: one row per entry, one column per tick."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # fits a terminal of 80 columns
    table.add_column("entry", no_wrap=True)
    for minute in minutes:
        table.add_column(f"minute {minute}", no_wrap=True)
    for (target, model), verdicts in seen.items():
        cells = [
            Text(_SHORT_WORDS.get(verdict, verdict), style=VERDICT_STYLES.get(verdict, "")) for verdict in verdicts
        ]
        table.add_row(f"{target}\n  {model}", *cells)
    return table


def metrics_table(rows: Sequence[MetricRow]) -> Table:
    """Make the table of metrics."""
    table = Table(title="\nMetrics over the six ticks, as CloudWatch returns them", title_justify="left")
    table.add_column("metric")
    table.add_column("sum, all runs", justify="right")
    table.add_column("sum, Target=support-agent", justify="right")
    for row in rows:
        table.add_row(row.name, _number(row.run), _number(row.target))
    return table


def day_table(rows: Sequence[ScheduleRow]) -> Table:
    """Make the table of a day's schedules, with what the prompt cost in USD."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))  # fits a terminal of 80 columns
    table.add_column("schedule", no_wrap=True)
    for figure in ("warm\ncalls", "cold\nstarts", "warming\nUSD", "traffic\nUSD", "together\nUSD"):
        table.add_column(figure, justify="right", no_wrap=True)
    for row in rows:
        amounts = [f"{amount:.4f}" for amount in (row.warming_usd, row.traffic_usd, row.total_usd)]
        table.add_row(row.name, str(row.warm_calls), str(row.cold_starts), *amounts)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.6f}"
