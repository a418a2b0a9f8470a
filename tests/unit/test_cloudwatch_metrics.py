"""Metrics put by CloudWatch's API: gathered by the minute, split as it takes them, and kept when it does not."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from prompt_cache_warmer.adapters.cloudwatch_metrics import MAX_GATHERED, CloudWatchMetrics
from prompt_cache_warmer.rules.metrics import MetricSet
from tests.fakes import EPOCH

SERVICE = {"service": "s"}
ENTRY = {"service": "s", "Target": "t", "Model": "m"}


class Cloud:
    """Takes metric data; it may refuse.

    Attributes:
        calls: the data of each call that it took.
        script: what to raise instead, call by call.
        refuses: data of this name are refused, with everything they are sent with.
    """

    def __init__(self) -> None:
        self.calls: list[list[dict[str, Any]]] = []
        self.namespaces: set[str] = set()
        self.script: list[BaseException | None] = []
        self.refuses: str | None = None
        self.refusal: Exception = refused("InvalidParameterValue")

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803 - the API's
        """Take data."""
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error
        if any(datum["MetricName"] == self.refuses for datum in MetricData):
            raise self.refusal
        self.namespaces.add(Namespace)
        self.calls.append(MetricData)

    @property
    def taken(self) -> Counter[tuple[str, int]]:
        """Return how often each metric was given each value, by the number of its dimensions."""
        counted: Counter[tuple[str, int]] = Counter()
        for datum in (datum for call in self.calls for datum in call):
            for value, count in zip(datum["Values"], datum["Counts"], strict=True):
                counted[datum["MetricName"], len(datum["Dimensions"])] += value * count
        return counted


def refused(code: str) -> ClientError:
    """Return an error as boto3 raises it."""
    return ClientError({"Error": {"Code": code, "Message": "-"}}, "PutMetricData")


def measured(*values: float, name: str = "TrafficRequests", seconds: float = 0.0, also: bool = True) -> MetricSet:
    """Return a set of one metric."""
    return MetricSet(SERVICE, {name: values}, EPOCH + timedelta(seconds=seconds), also=(ENTRY,) if also else ())


def made() -> tuple[Cloud, CloudWatchMetrics]:
    """Return a cloud, and what puts metrics into it."""
    cloud = Cloud()
    return cloud, CloudWatchMetrics(lambda: cloud, namespace="Mine")


def test_a_minute_is_one_datum_for_each_set_of_dimensions() -> None:
    """Values with how often each came, the unit and the minute they are of."""
    cloud, metrics = made()
    metrics.emit([measured(1, seconds=1), measured(1, 7, seconds=59.9)])
    metrics.emit([measured(2.5, name="TimeToFirstToken", seconds=60)])
    metrics.flush()
    minute = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    both: Any = [[{"Name": "service", "Value": "s"}]]
    both.append([{"Name": name, "Value": value} for name, value in ENTRY.items()])
    (call,) = cloud.calls
    assert call == [
        {
            "MetricName": name,
            "Unit": unit,
            "Dimensions": dimensions,
            "Timestamp": at,
            "Values": values,
            "Counts": counts,
        }
        for name, unit, at, values, counts in (
            ("TrafficRequests", "Count", minute, [1, 7], [2.0, 1.0]),
            ("TimeToFirstToken", "Milliseconds", minute + timedelta(minutes=1), [2.5], [1.0]),
        )
        for dimensions in both
    ]
    assert cloud.namespaces == {"Mine"}


def test_what_was_put_is_not_put_again() -> None:
    """And nothing is put where there is nothing."""
    cloud, metrics = made()
    metrics.emit([measured(1)])
    metrics.flush()
    metrics.flush()
    assert len(cloud.calls) == 1


def test_more_than_150_values_are_several_data_and_more_than_500_data_several_calls() -> None:
    """As many as the API takes; every value once."""
    cloud, metrics = made()
    metrics.emit([measured(*range(301), also=False)])
    metrics.flush()
    assert [len(datum["Values"]) for datum in cloud.calls[0]] == [150, 150, 1]
    metrics.emit([measured(1, seconds=60 * minute, also=False) for minute in range(1_001)])
    metrics.flush()
    assert [len(call) for call in cloud.calls[1:]] == [500, 500, 1]
    assert cloud.taken == {("TrafficRequests", 1): sum(range(301)) + 1_001}


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="http://x"),
        refused("AccessDenied"),
        refused("Throttling"),
        ClientError({}, "PutMetricData"),
        KeyboardInterrupt(),
    ],
    ids=["network", "denied", "throttled", "odd", "interrupt"],
)
def test_what_could_not_be_put_is_kept_and_put_once(error: BaseException) -> None:
    """What was put before the failure is not put again, and what came since is added."""
    cloud, metrics = made()
    metrics.emit([measured(1, 1, seconds=60 * minute, also=False) for minute in range(1_200)])
    cloud.script = [None, error]
    with pytest.raises(type(error)):
        metrics.flush()
    assert sum(map(len, cloud.calls)) == 500
    metrics.emit([measured(1, seconds=60 * 1_199, also=False)])
    metrics.flush()
    assert cloud.taken == {("TrafficRequests", 1): 2_401}
    assert metrics.lost == 0


@pytest.mark.parametrize(
    "refusal",
    [refused("InvalidParameterValue"), ParamValidationError(report="no"), refused("InvalidParameterCombination")],
    ids=["value", "client-side", "combination"],
)
def test_a_datum_that_is_never_taken_keeps_no_other_back(refusal: Exception) -> None:
    """It is given up and counted, and the refusal is told."""
    cloud, metrics = made()
    cloud.refuses, cloud.refusal = "TimeToFirstToken", refusal
    metrics.emit([measured(1, seconds=60 * minute, also=False) for minute in range(40)])
    metrics.emit([measured(1, 2, 2, name="TimeToFirstToken", also=False)])
    metrics.emit([measured(1, seconds=60 * minute, also=False) for minute in range(40, 80)])
    with pytest.raises(type(refusal)):
        metrics.flush()
    assert cloud.taken == {("TrafficRequests", 1): 80}
    assert metrics.lost == 3
    metrics.flush()
    assert metrics.lost == 3


def test_so_much_is_gathered_and_no_more() -> None:
    """What is known already goes on counting, what is new is lost and counted, also when it comes back."""

    class Meanwhile:
        """Something is measured while the rest is put."""

        def put_metric_data(self, **_: Any) -> None:
            metrics.emit([measured(1, seconds=-60, also=False)])
            raise refused("AccessDenied")

    metrics = CloudWatchMetrics(Meanwhile, namespace="Mine")
    metrics.emit([measured(1, seconds=60 * minute, also=False) for minute in range(MAX_GATHERED)])
    metrics.emit([measured(1, also=False), measured(1, 1, seconds=-60, also=False)])
    assert (metrics.lost, MAX_GATHERED) == (2, 50_000)
    with pytest.raises(ClientError):
        metrics.flush()
    assert metrics.lost == 3


def test_a_child_has_gathered_and_lost_nothing() -> None:
    """Both are its parent's."""
    cloud, metrics = made()
    metrics.emit([measured(1, seconds=60 * minute, also=False) for minute in range(MAX_GATHERED + 1)])
    metrics.forget()
    metrics.flush()
    assert (cloud.calls, metrics.lost) == ([], 0)


def test_threads_gather_exactly_while_another_puts() -> None:
    """No value is lost and none is put twice."""
    cloud, metrics = made()
    is_over = threading.Event()

    def put() -> None:
        while not is_over.is_set():
            metrics.flush()

    def gather() -> None:
        for _ in range(500):
            metrics.emit([measured(1)])

    putter = threading.Thread(target=put)
    gatherers = [threading.Thread(target=gather) for _ in range(8)]
    for thread in (putter, *gatherers):
        thread.start()
    for thread in gatherers:
        thread.join()
    is_over.set()
    putter.join()
    metrics.flush()
    assert cloud.taken == {("TrafficRequests", 1): 4_000, ("TrafficRequests", 3): 4_000}
