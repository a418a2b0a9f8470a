"""``metrics``: the catalogue, as a table, as JSON, and one by one."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.rules.dimension_sets import dimension_sets
from prompt_cache_warmer.rules.metrics import CATALOGUE, Scope


def run(*arguments: str) -> Result:
    """Run ``metrics``; a crash fails the test."""
    return CliRunner(catch_exceptions=False, env={"COLUMNS": "200"}).invoke(commands, ["metrics", *arguments])


def test_every_metric_is_in_the_table() -> None:
    """With its unit, the sets of its dimensions below each other, and its meaning."""
    result = run()
    assert result.exit_code == 0
    lines = [line.split() for line in result.output.splitlines()]
    assert lines[0] == ["metric", "unit", "dimensions", "meaning"]
    assert {line[0] for line in lines} >= {metric.name for metric in CATALOGUE}
    at = next(at for at, line in enumerate(lines) if line[0] == "EntriesWritten")
    assert lines[at][:3] == ["EntriesWritten", "Count", "service"]
    assert lines[at][3:] == ["entries", "a", "warm", "call", "found", "cold", "and", "wrote", "in", "full"]
    assert lines[at + 1 : at + 3] == [["service,", "Target"], ["service,", "Target,", "Model"]]


def test_one_metric_is_a_sentence_and_its_dimensions() -> None:
    """The two that are not like the others included."""
    assert run("RunDuration").output == "RunDuration (Milliseconds): how long a run took\n  by service\n"
    assert run("EntriesMissed").output.splitlines()[1:] == ["  by service", "  by service, Cause"]
    assert run("TrafficHits").output.splitlines()[1:] == ["  by service", "  by service, Target, Model"]


def test_the_json_is_a_list_of_objects() -> None:
    """The whole catalogue, or one of it."""
    whole = json.loads(run("--json").output)
    assert [metric["name"] for metric in whole] == [metric.name for metric in CATALOGUE]
    assert json.loads(run("Paused", "--json").output) == [
        {
            "name": "Paused",
            "unit": "Count",
            "dimensions": [["service"]],
            "meaning": "1 while all warming is paused, else 0",
        }
    ]


def test_a_misspelt_name_is_told_the_nearest() -> None:
    """With exit code 2."""
    result = run("EntriesLapse")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'EntriesLapse' is no metric; did you mean 'EntriesLapsed'?" in result.stderr


def test_each_scope_has_its_sets() -> None:
    """Every metric is published for the service at least."""
    assert {metric.scope for metric in CATALOGUE} == set(Scope)
    assert all(dimension_sets(metric)[0] == ("service",) for metric in CATALOGUE)
