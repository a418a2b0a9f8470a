"""The evaluator: every case of AWS's own tables, sliding periods, statistics, exact dimensions, metric math."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local import metric_math
from infra.local.alarms import Alarm, AlarmError, Missing, State, Watch, judged
from infra.local.metric_data import MetricData, MetricKey, UnknownStatisticError

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = MetricKey("PromptCacheWarmer", "EntriesFailed", frozenset({("service", "warmer")}))
POINTS = {"0": False, "X": True, "-": None}
WORDS = {"OK": State.OK, "ALARM": State.ALARM, "INSUFFICIENT": State.INSUFFICIENT_DATA}

# Row by row from "How alarm state is evaluated when data is missing": the newest point stands on the right.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
AWS_TABLES = [
    (3, "0 - X - X", ("OK", "OK", "OK", "OK")),
    (3, "0 - - - -", ("OK", "OK", "OK", "OK")),
    (3, "- - - - -", ("INSUFFICIENT", "retain", "ALARM", "OK")),
    (3, "0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, "- - X - -", ("ALARM", "retain", "ALARM", "OK")),
    (2, "0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0 - X - -", ("OK", "OK", "ALARM", "OK")),
    (2, "- - - - 0", ("OK", "OK", "ALARM", "OK")),
    (2, "- - - X -", ("ALARM", "retain", "ALARM", "OK")),
]
TREATMENTS = (Missing.MISSING, Missing.IGNORE, Missing.BREACHING, Missing.NOT_BREACHING)


def defined(**changes: Any) -> Alarm:
    """Return an alarm that fires on any failure in five minutes, unless it is told otherwise."""
    properties = {
        "AlarmName": "warmer-failing",
        "AlarmDescription": "Calls fail.",
        "Namespace": KEY.namespace,
        "MetricName": KEY.name,
        "Dimensions": [{"Name": "service", "Value": "warmer"}],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "AlarmActions": ["topic"],
        "OKActions": ["topic"],
        "Tags": [],
    }
    return Alarm.from_template({name: value for name, value in (properties | changes).items() if value is not None})


def filled(*values: float, key: MetricKey = KEY, every: int = 5) -> MetricData:
    """Return a metric with one value every five minutes from noon on."""
    data = MetricData()
    for index, value in enumerate(values):
        data.put(key, value, at=NOON + timedelta(minutes=every * index))
    return data


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("treatment", range(len(TREATMENTS)), ids=[one.value for one in TREATMENTS])
@pytest.mark.parametrize(("breaches", "points", "states"), AWS_TABLES)
def test_every_case_of_awss_tables(
    breaches: int, points: str, states: tuple[str, ...], treatment: int, before: State
) -> None:
    """M of 3 data points, five of them known, each treatment of what is missing, whatever the state was."""
    newest_first = [POINTS[point] for point in reversed(points.split())]
    found = judged(newest_first, periods=3, breaches=breaches, missing=TREATMENTS[treatment], before=before)
    assert found is WORDS.get(states[treatment], before)


@pytest.mark.parametrize(("points", "fires"), [("- - - - X", False), ("- - - X -", False), ("- - X - X", True)])
def test_no_premature_alarm_on_young_breaches(points: str, *, fires: bool) -> None:
    """AWS's own examples with 3 of 3: a breach that is younger than three periods waits for the next value."""
    newest_first = [POINTS[point] for point in reversed(points.split())]
    found = judged(newest_first, periods=3, breaches=3, missing=Missing.MISSING, before=State.OK)
    assert (found is State.ALARM) is fires


def test_an_alarm_is_evaluated_every_minute_over_periods_that_slide() -> None:
    """A value counts from the minute it is put on until the period has passed it by."""
    watch = Watch(defined(), filled(0, 0, 1, 0), since=NOON)
    watch.until(NOON + timedelta(minutes=20))
    assert watch.changes == [
        (NOON + timedelta(minutes=1), State.OK),
        (NOON + timedelta(minutes=11), State.ALARM),
        (NOON + timedelta(minutes=16), State.OK),
    ]
    assert watch.times(State.ALARM) == [NOON + timedelta(minutes=11)]


def test_m_of_n_counts_periods_and_not_values() -> None:
    """Three failures within a period are one breach; two periods are two."""
    alarm = defined(EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    once = filled(1, 1, 1, every=1)
    assert Watch(alarm, once, since=NOON - timedelta(minutes=20)).until(NOON + timedelta(minutes=3)) is State.OK
    twice = filled(1, 0, 1)
    assert Watch(alarm, twice, since=NOON).until(NOON + timedelta(minutes=11)) is State.ALARM


def test_a_gap_is_covered_by_older_values_before_missing_is_asked() -> None:
    """With all its values there, however old within two periods more, silence is not yet missing data."""
    alarm = defined(EvaluationPeriods=2, ComparisonOperator="LessThanThreshold", TreatMissingData="breaching")
    watch = Watch(alarm, filled(1, 1), since=NOON)
    assert watch.until(NOON + timedelta(minutes=10)) is State.OK
    assert watch.until(NOON + timedelta(minutes=20)) is State.OK
    watch.until(NOON + timedelta(minutes=40))
    # The last value stands on minute 5: four periods later nothing is left in the evaluation range.
    assert watch.times(State.ALARM) == [NOON + timedelta(minutes=26)]


@pytest.mark.parametrize(
    ("statistic", "value"), [("Sum", 6), ("Maximum", 3), ("Minimum", 1), ("Average", 2), ("SampleCount", 3)]
)
def test_statistics(statistic: str, value: float) -> None:
    """Over the values of the minutes asked for and no others."""
    data = filled(1, 2, 3, 100, every=1)
    assert data.value(KEY, statistic, since=NOON, until=NOON + timedelta(minutes=3)) == value
    assert data.value(KEY, statistic, since=NOON - timedelta(hours=1), until=NOON) is None


def test_an_unknown_statistic_is_an_error() -> None:
    """A percentile in an alarm would need more than this."""
    with pytest.raises(UnknownStatisticError, match="'p90' is not known here: one of"):
        filled(1).value(KEY, "p90", since=NOON, until=NOON + timedelta(minutes=1))


@pytest.mark.parametrize(
    "dimensions",
    [
        [],
        [{"Name": "Service", "Value": "warmer"}],
        [{"Name": "service", "Value": "Warmer"}],
        [{"Name": "service", "Value": "warmer"}, {"Name": "Target", "Value": "bot"}],
    ],
    ids=["none", "other name", "other value", "one more"],
)
def test_other_dimensions_are_another_metric(dimensions: list[dict[str, str]]) -> None:
    """CloudWatch adds nothing up over dimensions: an alarm on others never sees the value."""
    watch = Watch(defined(Dimensions=dimensions), filled(5), since=NOON)
    assert watch.until(NOON + timedelta(minutes=2)) is State.INSUFFICIENT_DATA


def test_data_are_put_as_boto3_puts_them() -> None:
    """One value, or values with their counts, rounded down to the minute."""
    data = MetricData()
    at = NOON + timedelta(seconds=59)
    common = {"MetricName": KEY.name, "Dimensions": [{"Name": "service", "Value": "warmer"}], "Timestamp": at}
    data.put_metric_data(
        Namespace=KEY.namespace, MetricData=[{**common, "Value": 2.0}, {**common, "Values": [5.0], "Counts": [3.0]}]
    )
    assert data.keys == {KEY}
    assert data.value(KEY, "Sum", since=NOON, until=NOON + timedelta(minutes=1)) == 17


MATH = [
    ("IF(requests >= 20, 100 * hits / requests)", {"hits": 15.0, "requests": 20.0}, 75.0),
    ("IF(requests >= 20, 100 * hits / requests)", {"hits": 15.0, "requests": 19.0}, None),
    ("IF(requests >= 20, 100 * hits / requests)", {"hits": None, "requests": None}, None),
    ("IF(requests >= 20, 100 * hits / requests)", {"hits": None, "requests": 40.0}, 0.0),
    ("IF(hits > 1, 7, 3)", {"hits": 1.0}, 3.0),
    ("IF(hits != 1, hits, 3)", {"hits": 0.0}, 0.0),
    ("hits / requests", {"hits": 1.0, "requests": 0.0}, None),
    ("hits - requests", {"hits": 1.0, "requests": None}, 1.0),
    ("hits + 1", {"hits": None}, None),
    ("2", {}, 2.0),
]


@pytest.mark.parametrize(("expression", "values", "value"), MATH)
def test_metric_math(expression: str, values: dict[str, float | None], value: float | None) -> None:
    """Arithmetic, comparisons and IF, as AWS describes them: a missing value beside one counts as 0."""
    assert metric_math.value_of(expression, values) == value


@pytest.mark.parametrize(
    "expression", ["FILL(hits, 0)", "hits ** 2", "other + 1", "IF(hits)", "IF(hits, 1, 2, 3)", "hits +", "'text'"]
)
def test_metric_math_that_is_not_known_is_an_error(expression: str) -> None:
    """Rather than a wrong value."""
    with pytest.raises(metric_math.MetricMathError):
        metric_math.value_of(expression, {"hits": 1.0})


def query(name: str, **stat: Any) -> dict[str, Any]:
    """Return one metric of an alarm on several."""
    metric = {"Namespace": "N", "MetricName": name, "Dimensions": [{"Name": "service", "Value": "warmer"}]}
    return {
        "Id": name.lower(),
        "ReturnData": False,
        "MetricStat": {"Metric": metric, "Stat": "Sum", "Period": 60} | stat,
    }


RATIO = {"Id": "ratio", "Expression": "100 * hits / requests", "ReturnData": True}
ON_SEVERAL = {"Namespace": None, "MetricName": None, "Dimensions": None, "Statistic": None, "Period": None}


def test_an_alarm_on_several_metrics() -> None:
    """The expression is what is compared, over the same minutes of each."""
    alarm = defined(
        **ON_SEVERAL,
        Metrics=[query("Hits"), query("Requests"), RATIO],
        ComparisonOperator="LessThanThreshold",
        Threshold=90,
    )
    data = filled(8, key=alarm.series["hits"].key)
    data.put(alarm.series["requests"].key, 10, at=NOON)
    assert Watch(alarm, data, since=NOON).until(NOON + timedelta(minutes=1)) is State.ALARM
    data.put(alarm.series["hits"].key, 1, at=NOON)
    assert Watch(alarm, data, since=NOON).until(NOON + timedelta(minutes=1)) is State.OK


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Unit": "Count"}, "Unit"),
        ({"ExtendedStatistic": "p90"}, "ExtendedStatistic"),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, "LessThanLowerThreshold"),
        ({"TreatMissingData": "notbreaching"}, "notbreaching"),
        ({"EvaluationPeriods": 2, "DatapointsToAlarm": 3}, "3 of 2 periods"),
        ({"EvaluationPeriods": 289}, "289 of 289 periods of 300 s"),
        ({"Period": 90}, "1 of 1 periods of 90 s"),
        ({**ON_SEVERAL, "Metrics": [query("Hits"), RATIO]}, "does not use"),
        ({**ON_SEVERAL, "Metrics": [query("Hits"), query("Requests")]}, "one expression"),
        ({**ON_SEVERAL, "Metrics": [query("Hits"), query("Requests", Period=300), RATIO]}, "one period"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_cloudwatch_refuses_or_nobody_understands_here_is_an_error(changes: dict[str, Any], said: str) -> None:
    """An alarm that is not understood is never passed over."""
    with pytest.raises((AlarmError, ValueError), match=said):
        defined(**changes)
