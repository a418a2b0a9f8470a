"""``prompt-cache-warmer metrics``: the catalogue of what is published, as the code has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from prompt_cache_warmer.cli.examples import examples
from prompt_cache_warmer.cli.known_names import KnownName
from prompt_cache_warmer.cli.stack import json_option
from prompt_cache_warmer.rules.dimension_sets import dimension_sets
from prompt_cache_warmer.rules.metrics import CATALOGUE

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.metrics import Metric

_METRICS = {metric.name: metric for metric in CATALOGUE}


@click.command(epilog=examples("prompt-cache-warmer metrics", "prompt-cache-warmer metrics EntriesLapsed --json"))
@click.argument(
    "name",
    metavar="[NAME]",
    required=False,
    type=KnownName("metric", {name: metric.meaning for name, metric in _METRICS.items()}),
)
@json_option
def metrics(*, name: str | None, as_json: bool) -> None:
    """List the metrics that are published to CloudWatch.

    Each with its unit, its dimensions and its meaning; with the NAME of a metric, that one. Dimensions come in sets:
    a metric is published once under each of them, as far as METRIC_DETAIL asks for it. Names are CloudWatch's, in the
    namespace of the stack.

    --json prints a list of objects with "name", "unit", "dimensions" (a list for each set) and "meaning".
    """
    found = list(CATALOGUE) if name is None else [_METRICS[name]]
    if as_json:
        click.echo(json.dumps([_as_json(metric) for metric in found], indent=2))
    elif name is None:
        Console().print(_table())
    else:
        (metric,) = found
        click.echo(f"{metric.name} ({metric.unit.value}): {metric.meaning}")
        for dimensions in dimension_sets(metric):
            click.echo(f"  by {', '.join(dimensions)}")


def _as_json(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "unit": metric.unit.value,
        "dimensions": [list(dimensions) for dimensions in dimension_sets(metric)],
        "meaning": metric.meaning,
    }


def _table() -> Table:
    table = Table("metric", "unit", "dimensions", "meaning", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.columns[0].no_wrap = True
    for metric in CATALOGUE:
        sets = "\n".join(", ".join(dimensions) for dimensions in dimension_sets(metric))
        table.add_row(metric.name, metric.unit.value, sets, metric.meaning)
    return table
