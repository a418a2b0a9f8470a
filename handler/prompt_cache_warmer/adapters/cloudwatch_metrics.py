"""Metrics put into CloudWatch by its API, gathered per minute, so that a busy application makes few calls."""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError, ParamValidationError

from prompt_cache_warmer.adapters.forking import hold_at_fork
from prompt_cache_warmer.rules.metrics import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.metrics import MetricSet

DATA_PER_CALL = 500  # PutMetricData takes up to 1,000; half keeps one request far below its 1 MB
VALUES_PER_DATUM = 150  # PutMetricData takes as many different values of one metric
MAX_GATHERED = 50_000  # different metrics and minutes; days of an outage, in some ten megabytes

# What is wrong with the data themselves; CloudWatch's other errors pass.
_REFUSALS = frozenset(
    {
        *("InvalidParameterValue", "InvalidParameterCombination", "MissingParameter", "ValidationError"),
        *("InvalidParameterValueException", "InvalidParameterCombinationException"),
        *("MissingRequiredParameterException", "ValidationException"),
    }
)

_UNITS = {metric.name: metric.unit.value for metric in CATALOGUE}

Series = tuple[tuple[tuple[str, str], ...], str, "datetime"]
"""Dimensions, name and minute."""


class MetricsClient(Protocol):
    """What is used of a boto3 CloudWatch client, so that an application needs no boto3-stubs to read our types."""

    @property
    def put_metric_data(self) -> Callable[..., object]:
        """Put data."""


class CloudWatchMetrics:
    """A ``MetricSink`` that gathers, and puts what it gathered when it is flushed. Safe to use from any thread.

    Args:
        client: makes a boto3 CloudWatch client, or returns the one of this process.
        namespace: the CloudWatch namespace.
    """

    def __init__(self, client: Callable[[], MetricsClient], *, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._gathered: dict[Series, dict[float, int]] = {}
        self._lost = 0
        self._lock = Lock()
        hold_at_fork(self._lock)

    @property
    def lost(self) -> int:
        """How many values were given up because too many had gathered."""
        return self._lost

    @property
    def has_waiting(self) -> bool:
        """Whether anything has gathered."""
        return bool(self._gathered)

    def emit(self, metric_sets: Sequence[MetricSet]) -> None:
        """Gather the sets."""
        with self._lock:
            for metric_set in metric_sets:
                minute = metric_set.at.replace(second=0, microsecond=0)
                for dimensions in (metric_set.dimensions, *metric_set.also):
                    named = tuple(dimensions.items())
                    for name, values in metric_set.values.items():
                        self._add((named, name, minute), values)

    def _add(self, series: Series, values: Sequence[float]) -> None:
        if series not in self._gathered and len(self._gathered) >= MAX_GATHERED:
            self._lost += len(values)
            return
        counted = self._gathered.setdefault(series, defaultdict(int))
        for value in values:
            counted[value] += 1

    def flush(self) -> None:
        """Put everything that has gathered; what cannot be put is kept for the next time.

        What CloudWatch will never take, such as a minute of three weeks ago, is given up.

        Raises:
            Exception: whatever the client raises.
        """
        with self._lock:
            gathered, self._gathered = self._gathered, {}
        data = [(series, datum) for series, counted in gathered.items() for datum in _data(series, counted)]
        batches = deque(data[start : start + DATA_PER_CALL] for start in range(0, len(data), DATA_PER_CALL))
        refusal: Exception | None = None
        while batches:
            batch = batches.popleft()
            try:
                self._client().put_metric_data(Namespace=self._namespace, MetricData=[datum for _, datum in batch])
            except BaseException as error:
                if not isinstance(error, ClientError | ParamValidationError) or not _is_refused(error):
                    self._put_back([*batch, *itertools.chain.from_iterable(batches)])
                    raise
                refusal = error
                if len(batch) > 1:  # one of them is refused, and must not keep the others back
                    middle = len(batch) // 2
                    batches.extendleft((batch[middle:], batch[:middle]))
                else:
                    self._give_up(int(sum(batch[0][1]["Counts"])))
        if refusal is not None:
            raise refusal

    def _put_back(self, rest: Sequence[tuple[Series, Mapping[str, Any]]]) -> None:
        with self._lock:
            for series, datum in rest:
                for value, count in zip(datum["Values"], datum["Counts"], strict=True):
                    self._add(series, [value] * int(count))

    def _give_up(self, values: int) -> None:
        with self._lock:
            self._lost += values

    def forget(self) -> None:
        """Forget what has gathered and what was lost: both are another process's."""
        with self._lock:
            self._gathered = {}
            self._lost = 0


def _is_refused(error: ClientError | ParamValidationError) -> bool:
    """Whether it is the data themselves that are not taken, so that they never will be."""
    return isinstance(error, ParamValidationError) or error.response.get("Error", {}).get("Code") in _REFUSALS


def _data(series: Series, counted: Mapping[float, int]) -> list[dict[str, Any]]:
    dimensions, name, minute = series
    pairs = list(counted.items())
    return [
        {
            "MetricName": name,
            "Unit": _UNITS[name],
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
            "Timestamp": minute,
            "Values": [value for value, _ in pairs[start : start + VALUES_PER_DATUM]],
            "Counts": [float(count) for _, count in pairs[start : start + VALUES_PER_DATUM]],
        }
        for start in range(0, len(pairs), VALUES_PER_DATUM)
    ]
