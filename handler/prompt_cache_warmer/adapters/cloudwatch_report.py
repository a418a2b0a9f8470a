"""What one service and its applications have published to CloudWatch: sums by bucket, found by their dimensions.

ListMetrics says which targets, models and causes there are; it names what had data in the last two weeks. What
is published for the service as a whole is asked for in any case. No metric math: sums are added up by the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.aws_advice import reason
from prompt_cache_warmer.rules.effect import MISSED_METRIC
from prompt_cache_warmer.rules.effect_figures import TRAFFIC_METRICS, UNPRICED_METRIC, WARM_METRICS
from prompt_cache_warmer.rules.effect_sources import NothingPublishedError, Series, SourceError
from prompt_cache_warmer.rules.metrics import Dimension
from prompt_cache_warmer.values.problems import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import DimensionFilterTypeDef, MetricDataQueryTypeDef, MetricOutputTypeDef

    from prompt_cache_warmer.rules.effect_window import Window

QUERIES_PER_CALL = 500  # GetMetricData's own limit
SHOWN_SERVICES = 10  # of those that are there, in a message

_SERVICE_METRICS = (*TRAFFIC_METRICS, *WARM_METRICS, UNPRICED_METRIC)
_READ_METRICS = frozenset({*_SERVICE_METRICS, MISSED_METRIC})
# The dimensions beside the service's that a series of a report may have.
_DIMENSION_SETS = frozenset(
    {
        frozenset({Dimension.TARGET.value}),
        frozenset({Dimension.TARGET.value, Dimension.MODEL.value}),
        frozenset({Dimension.CAUSE.value}),
    }
)
_BROKEN = frozenset({"InternalError", "Forbidden"})
_NOT_YET = "a new stack has none before its first tick"
_NEEDS = "cloudwatch:ListMetrics and cloudwatch:GetMetricData"


@dataclass(frozen=True, slots=True)
class _Query:
    """One series that is asked for, by its metric and its dimensions."""

    series: Series
    dimensions: tuple[tuple[str, str], ...]


class CloudWatchHistory:
    """Reads the metrics of one service.

    Args:
        client: a boto3 CloudWatch client.
        namespace: the namespace they are in.
        service: the value of their dimension ``service``.
    """

    def __init__(self, client: CloudWatchClient, *, namespace: str, service: str) -> None:
        self._client = client
        self._namespace = namespace
        self._service = service

    def read(self, window: Window) -> tuple[Series, ...]:
        """Return every series with data in a window.

        Raises:
            SourceError: when CloudWatch cannot be asked, or no such service was ever heard of.
        """
        try:
            named = {(query.series.metric, *sorted(query.dimensions)): query for query in self._listed()}
            queries = [*self._whole(), *named.values()]  # each once, however often pages name it
            found: list[Series] = []
            for start in range(0, len(queries), QUERIES_PER_CALL):
                found += self._read(queries[start : start + QUERIES_PER_CALL], window)
            if not found:
                self._check_service()
        except (BotoCoreError, ClientError) as error:
            raise SourceError(sentence(error)) from error
        return tuple(found)

    def _whole(self) -> Iterator[_Query]:
        """Ask for what is published for the service as a whole."""
        for metric in _SERVICE_METRICS:
            yield _Query(Series(metric), ((Dimension.SERVICE.value, self._service),))

    def _listed(self) -> Iterator[_Query]:
        """Ask for what ListMetrics names by target, model or cause."""
        for metric in self._metrics({"Name": Dimension.SERVICE.value, "Value": self._service}):
            dimensions = _dimensions(metric)
            if dimensions.pop(Dimension.SERVICE.value, None) != self._service:
                continue
            if metric["MetricName"] in _READ_METRICS and frozenset(dimensions) in _DIMENSION_SETS:
                series = Series(
                    metric["MetricName"],
                    target=dimensions.get(Dimension.TARGET.value),
                    model=dimensions.get(Dimension.MODEL.value),
                    cause=dimensions.get(Dimension.CAUSE.value),
                )
                yield _Query(series, ((Dimension.SERVICE.value, self._service), *dimensions.items()))

    def _read(self, queries: Sequence[_Query], window: Window) -> list[Series]:
        points: list[dict[datetime, float]] = [{} for _ in queries]
        asked = [self._asked(f"q{number}", query, window) for number, query in enumerate(queries)]
        pages = self._client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=asked, StartTime=window.start, EndTime=window.end, ScanBy="TimestampAscending"
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                if result.get("StatusCode") in _BROKEN:
                    raise SourceError(f"CloudWatch answered {result['StatusCode']} for a part: ask again in a minute")
                found = zip(result["Timestamps"], result["Values"], strict=True)
                points[int(result["Id"][1:])].update(found)
        return [replace(query.series, points=at) for query, at in zip(queries, points, strict=True) if at]

    def _asked(self, identifier: str, query: _Query, window: Window) -> MetricDataQueryTypeDef:
        return {
            "Id": identifier,
            "MetricStat": {
                "Metric": {
                    "Namespace": self._namespace,
                    "MetricName": query.series.metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in query.dimensions],
                },
                "Period": window.bucket_seconds,
                "Stat": "Sum",
            },
        }

    def _metrics(self, *dimensions: DimensionFilterTypeDef) -> Iterator[MetricOutputTypeDef]:
        pages = self._client.get_paginator("list_metrics").paginate(
            Namespace=self._namespace, Dimensions=list(dimensions)
        )
        for page in pages:
            yield from page["Metrics"]

    def _check_service(self) -> None:
        """Say so where the service is not known, and which ones are."""
        known = {_dimensions(metric).get(Dimension.SERVICE.value) for metric in self._metrics()}
        services = sorted(service for service in known if service is not None)
        if self._service in services:
            return
        if not services:
            message = f"namespace {self._namespace!r} has no metrics of any warmer in this region and account"
            advice = f"{_NOT_YET}; if it has had one, check --namespace, AWS_DEFAULT_REGION and AWS_PROFILE"
            raise NothingPublishedError(f"there is nothing to report: {message}; {advice}")
        there = ", ".join(services[:SHOWN_SERVICES]) + ", ..." * (len(services) > SHOWN_SERVICES)
        near = nearest(self._service, services)
        raise SourceError(
            f"no metrics of service {self._service!r} in namespace {self._namespace!r}"
            f"{near}; there are: {there}" + ("" if near else f"; {_NOT_YET}")
        )


def _dimensions(metric: MetricOutputTypeDef) -> dict[str, str]:
    return {dimension["Name"]: dimension["Value"] for dimension in metric.get("Dimensions", ())}


def sentence(error: BotoCoreError | ClientError) -> str:
    """Say what went wrong and what to do."""
    return f"CloudWatch cannot be asked: {reason(error, needs=_NEEDS)}"
