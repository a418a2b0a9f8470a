"""What the function prints: EMF lines CloudWatch takes, and JSON log lines."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from infra.local.emf import EmfError, emf_lines
from prompt_cache_warmer.adapters.emf import EmfMetricSink
from prompt_cache_warmer.adapters.json_log import JsonRunLog
from prompt_cache_warmer.rules.entry_result import EntryResult, Outcome
from prompt_cache_warmer.rules.metrics import CATALOGUE, MetricSet
from prompt_cache_warmer.rules.order import Order
from prompt_cache_warmer.rules.report import RunReport
from prompt_cache_warmer.rules.verdict import Verdict
from prompt_cache_warmer.values.problems import Problem, ProblemCode
from prompt_cache_warmer.values.targets import Entry
from tests.fakes import target

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def printed(*sets: MetricSet) -> str:
    """Return what the sink prints."""
    stream = io.StringIO()
    EmfMetricSink(namespace="NS", stream=stream).emit(sets)
    return stream.getvalue()


def test_a_set_becomes_one_line_that_cloudwatch_takes() -> None:
    """Namespace, dimensions, units, values, time stamp and properties stand where the format wants them."""
    line = printed(MetricSet({"service": "s", "Target": "a"}, {"WarmLatency": (1.0, 2.0)}, AT, {"execution_id": "e"}))
    (blob,) = emf_lines(line)
    assert blob == {
        "_aws": {
            "Timestamp": 1795348800000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "NS",
                    "Dimensions": [["service", "Target"]],
                    "Metrics": [{"Name": "WarmLatency", "Unit": "Milliseconds"}],
                }
            ],
        },
        "service": "s",
        "Target": "a",
        "execution_id": "e",
        "WarmLatency": [1.0, 2.0],
    }


def test_two_sets_share_no_state() -> None:
    """The second line has nothing of the first."""
    first, second = emf_lines(
        printed(
            MetricSet({"service": "s", "Target": "a"}, {"CacheReadTokens": (1,)}, AT),
            MetricSet({"service": "s"}, {"EntriesDue": (2,)}, AT),
        )
    )
    assert "Target" in first
    assert ("Target" in second, "CacheReadTokens" in second) == (False, False)


def test_99_values_of_every_metric_fit_in_one_line() -> None:
    """Powertools prints on its own at 100 values; the bound keeps it from doing so."""
    values = {metric.name: tuple(float(n) for n in range(99)) for metric in CATALOGUE}
    (blob,) = emf_lines(printed(MetricSet({"service": "s"}, values, AT)))
    assert all(len(blob[name]) == 99 for name in values)


@pytest.mark.parametrize("value", ["", float("nan"), [float("nan")]], ids=repr)
def test_the_emf_reader_refuses_metrics_that_are_no_numbers(value: object) -> None:
    """The format's schema lets a metric be text, as a dimension is; a number of any size is one."""
    directive = {"Namespace": "NS", "Dimensions": [["service"]], "Metrics": [{"Name": "M"}]}
    line = {"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, "service": "s"}
    with pytest.raises(EmfError, match="M is"):
        emf_lines(json.dumps({**line, "M": value}))
    assert len(emf_lines(json.dumps({**line, "M": [1, 2.5, 10**400]}))) == 1


def test_nan_is_refused_instead_of_printed() -> None:
    """NaN is not JSON, and CloudWatch would drop the line."""
    with pytest.raises(ValueError, match="Out of range float"):
        printed(MetricSet({"service": "s"}, {"EntriesDue": (float("nan"),)}, AT))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"Dimensions": [["nobody"]]}, "nobody is named but is no member"),
        ({"Metrics": [{"Name": "missing"}]}, "missing is named but is no member"),
        ({"Metrics": [{"Name": "M", "Unit": "Parsec"}]}, "'Parsec' is not one of"),
        ({"Dimensions": []}, "should be non-empty"),
    ],
)
def test_the_emf_reader_refuses_what_cloudwatch_would_drop(broken: dict[str, Any], message: str) -> None:
    """Each line is checked against the format before it counts as a metric."""
    directive = {"Namespace": "NS", "Dimensions": [["service"]], "Metrics": [{"Name": "M"}], **broken}
    line = json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, "service": "s", "M": 1})
    with pytest.raises(EmfError, match=message):
        emf_lines(line)


def test_the_emf_reader_passes_over_everything_else() -> None:
    """Log lines, START and REPORT lines and broken JSON are no metrics."""
    assert emf_lines('START RequestId\n{"level":"INFO"}\n{not json\n[1]\n') == []


def logged(write: str, *arguments: Any) -> dict[str, Any]:
    """Return the one line a log method writes."""
    stream = io.StringIO()
    log = JsonRunLog(service=f"svc-{write}", level="INFO", stream=stream)
    getattr(log, write)(*arguments)
    line: dict[str, Any] = json.loads(stream.getvalue())
    return line


@pytest.mark.parametrize(
    ("outcome", "level"),
    [(Outcome.FAILED, "ERROR"), (Outcome.DEFERRED, "WARNING"), (Outcome.WARMED, "INFO")],
)
def test_the_level_of_an_entrys_line_says_how_bad_it_is(outcome: Outcome, level: str) -> None:
    """A failure is an error, a deferral a warning, a warm call news."""
    stream = io.StringIO()
    log = JsonRunLog(service=f"svc-{level}", level="INFO", stream=stream)
    entry = Entry(target().summary, "m")
    log.entry(EntryResult(entry, outcome, "why", verdict=Verdict.FAILED, cost_usd=Decimal("0.1")))
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"], line["reason"]) == (level, f"entry {outcome}", "why")
    assert (line["target"], line["model"], line["cost_usd"]) == ("support", "m", "0.1")


def test_an_invalid_documents_line_names_key_path_and_problem() -> None:
    """Enough to correct the document without opening the report."""
    line = logged("document", Problem(ProblemCode.SYNTAX, "targets/a.json", "$.x", "not JSON"))
    assert (line["level"], line["source"], line["path"], line["problem"]) == (
        "ERROR",
        "targets/a.json",
        "$.x",
        "not JSON",
    )


def test_the_runs_line_has_its_totals() -> None:
    """One line per run, with the tick's identity."""
    report = RunReport(Order(execution_id="e"), AT, duration_ms=7, targets_loaded=1, targets_invalid=2)
    line = logged("finished", report)
    assert (line["message"], line["execution_id"], line["duration_ms"]) == ("run finished", "e", 7)
    assert (line["targets_loaded"], line["targets_invalid"], line["entries"]) == (1, 2, 0)
