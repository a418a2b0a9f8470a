"""How CloudWatch is asked: which metrics, how many at a time, and what is said when it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from prompt_cache_warmer.adapters.cloudwatch_report import CloudWatchHistory
from prompt_cache_warmer.rules.effect_sources import Series, SourceError
from prompt_cache_warmer.rules.effect_window import window
from tests.fakes import EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudwatch import CloudWatchClient

HOUR = timedelta(hours=1)
WINDOW = window(EPOCH - 7 * 24 * HOUR, now=EPOCH)
SERVICE = {"Name": "service", "Value": "svc"}


def metric(name: str, *dimensions: str) -> dict[str, Any]:
    """Return a metric as ListMetrics names it; dimensions are written NAME=VALUE."""
    pairs = [{"Name": left, "Value": right} for left, _, right in (one.partition("=") for one in dimensions)]
    return {"Namespace": "Ns", "MetricName": name, "Dimensions": pairs}


class FakeCloudWatch:
    """A CloudWatch client that answers every query with what a test says, in two pages."""

    def __init__(self, *listed: dict[str, Any], value: float = 1.0, status: str = "Complete") -> None:
        self.listed = list(listed)
        self.value = value
        self.status = status
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def get_paginator(self, operation: str) -> FakeCloudWatch:
        """Return what asks for pages."""
        self.operation = operation
        return self

    def paginate(self, **asked: Any) -> Iterator[dict[str, Any]]:
        """Answer."""
        if self.error is not None:
            raise self.error
        if self.operation == "list_metrics":
            self.filter = asked
            yield {"Metrics": self.listed[:1]}
            yield {"Metrics": self.listed[1:]}
            return
        self.asked.append(asked)
        for at in (EPOCH - 2 * HOUR, EPOCH - HOUR):
            yield {"MetricDataResults": [self._result(query["Id"], at) for query in asked["MetricDataQueries"]]}

    def _result(self, identifier: str, at: object) -> dict[str, Any]:
        timestamps = [at] if self.value else []
        values = [self.value] if self.value else []
        return {"Id": identifier, "Timestamps": timestamps, "Values": values, "StatusCode": self.status}


def history(client: FakeCloudWatch, service: str = "svc") -> CloudWatchHistory:
    """Return what reads a service's metrics from a client."""
    return CloudWatchHistory(cast("CloudWatchClient", client), namespace="Ns", service=service)


def test_sums_are_asked_for_in_whole_buckets() -> None:
    """One query for each series, all named by their dimensions, over the window's own times."""
    client = FakeCloudWatch(metric("TrafficHits", "service=svc", "Target=a", "Model=m"))
    found = history(client).read(WINDOW)
    (asked,) = client.asked
    assert (asked["StartTime"], asked["EndTime"], asked["ScanBy"]) == (WINDOW.start, WINDOW.end, "TimestampAscending")
    assert client.filter == {"Namespace": "Ns", "Dimensions": [SERVICE]}
    assert asked["MetricDataQueries"][-1] == {
        "Id": f"q{len(asked['MetricDataQueries']) - 1}",
        "MetricStat": {
            "Metric": {
                "Namespace": "Ns",
                "MetricName": "TrafficHits",
                "Dimensions": [SERVICE, {"Name": "Target", "Value": "a"}, {"Name": "Model", "Value": "m"}],
            },
            "Period": 3_600,
            "Stat": "Sum",
        },
    }
    assert found[-1] == Series("TrafficHits", "a", "m", points={EPOCH - 2 * HOUR: 1.0, EPOCH - HOUR: 1.0})
    assert all(query["MetricStat"]["Metric"]["Dimensions"] == [SERVICE] for query in asked["MetricDataQueries"][:-1])
    whole = {query["MetricStat"]["Metric"]["MetricName"] for query in asked["MetricDataQueries"][:-1]}
    assert {"TrafficRequests", "Warmed1hTokens", "CacheReadTokens", "WarmCostUSD", "EntriesUnpriced"} <= whole
    assert [one.metric for one in found if one.target is None] == [
        query["MetricStat"]["Metric"]["MetricName"] for query in asked["MetricDataQueries"][:-1]
    ]


def test_only_what_a_report_reads_is_asked_for() -> None:
    """Other metrics, other dimensions and other services are passed over; causes are read."""
    client = FakeCloudWatch(
        metric("EntriesMissed", "service=svc", "Cause=prefix-drift"),
        metric("WarmCostUSD", "service=svc", "Target=a"),
        metric("WarmLatency", "service=svc", "Target=a"),
        metric("WarmCostUSD", "service=svc", "Model=m"),
        metric("WarmCostUSD", "service=svc", "Target=a", "Host=b"),
        metric("WarmCostUSD", "service=other", "Target=c"),
        metric("WarmCostUSD", "service=svc"),
    )
    found = history(client).read(WINDOW)
    assert [one for one in found if one.target or one.cause] == [
        Series("EntriesMissed", cause="prefix-drift", points=found[-1].points),
        Series("WarmCostUSD", "a", points=found[-1].points),
    ]
    assert sum(one.metric == "WarmCostUSD" for one in found) == 2


def test_no_more_than_500_are_asked_for_at_a_time() -> None:
    """A thousand targets are several calls, each answer put to its own series."""
    client = FakeCloudWatch(*(metric("WarmCostUSD", "service=svc", f"Target=t{number}") for number in range(1_000)))
    found = history(client).read(WINDOW)
    assert [len(asked["MetricDataQueries"]) for asked in client.asked[:2]] == [500, 500]
    assert sum(len(asked["MetricDataQueries"]) for asked in client.asked) == len(found)
    assert {one.target for one in found} == {None, *(f"t{number}" for number in range(1_000))}


@pytest.mark.parametrize("status", ["InternalError", "Forbidden"])
def test_a_part_that_is_not_answered_fails_the_report(status: str) -> None:
    """What is missing must not look like nothing."""
    with pytest.raises(SourceError, match=f"CloudWatch answered {status} for a part: ask again in a minute"):
        history(FakeCloudWatch(status=status)).read(WINDOW)


def test_a_service_that_is_known_may_have_nothing() -> None:
    """No series, no error."""
    assert history(FakeCloudWatch(metric("Paused", "service=svc"), value=0)).read(WINDOW) == ()


def test_a_misspelt_service_is_told_which_ones_there_are() -> None:
    """With the nearest name, and no more than ten."""
    names = ["warmer-prod", *(f"s{number:02}" for number in range(12))]
    client = FakeCloudWatch(*(metric("Paused", f"service={name}") for name in names), value=0)
    with pytest.raises(SourceError) as refusal:
        history(client, "warmer-prd").read(WINDOW)
    assert str(refusal.value) == (
        "no metrics of service 'warmer-prd' in namespace 'Ns'; did you mean 'warmer-prod'?; there are: "
        "s00, s01, s02, s03, s04, s05, s06, s07, s08, s09, ..."
    )


def test_a_namespace_without_any_service_is_told() -> None:
    """The region, the account or the namespace is another one."""
    client = FakeCloudWatch({"MetricName": "Errors"}, value=0)
    with pytest.raises(SourceError, match="namespace 'Ns' has no metrics of any warmer in this region and account"):
        history(client).read(WINDOW)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoRegionError(), "CloudWatch cannot be asked: nothing says which region is meant: set AWS_DEFAULT_REGION"),
        (NoCredentialsError(), "CloudWatch cannot be asked: NoCredentialsError; log in to AWS (aws sso login, or"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no secret"}}, "ListMetrics"),
            "CloudWatch cannot be asked: AccessDenied; your own AWS identity asks here and needs cloudwatch:ListMetr",
        ),
        (EndpointConnectionError(endpoint_url="x"), "CloudWatch cannot be asked: EndpointConnectionError; check the"),
    ],
    ids=["region", "credentials", "permission", "network"],
)
def test_what_fails_says_what_to_do(error: Exception, said: str) -> None:
    """One sentence, without AWS's own words."""
    client = FakeCloudWatch()
    client.error = error
    with pytest.raises(SourceError) as refusal:
        history(client).read(WINDOW)
    assert str(refusal.value).startswith(said)
    assert "secret" not in str(refusal.value)
