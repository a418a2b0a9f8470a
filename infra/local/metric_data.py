"""What CloudWatch keeps of metrics: values by minute, found by namespace, name and exactly their dimensions.

It is put into as CloudWatch is, by ``put_metric_data``, so that EMF lines and an observer's own calls go the way
they go in the cloud. moto has no percentiles, no metric math and no alarms, and alarms are what this is for.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

MINUTE = timedelta(minutes=1)

_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
    "SampleCount": lambda values: float(len(values)),
    "Sum": sum,
}


class UnknownStatisticError(ValueError):
    """A statistic that is not known here."""


@dataclass(frozen=True, slots=True)
class MetricKey:
    """What a metric is found by: other dimensions, or fewer, are another metric.

    Attributes:
        namespace: its namespace.
        name: its name.
        dimensions: its dimensions, names and values.
    """

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def from_api(cls, namespace: str, name: str, dimensions: Iterable[Mapping[str, Any]]) -> MetricKey:
        """Make one of dimensions as the API and the templates write them."""
        return cls(namespace, name, frozenset((one["Name"], one["Value"]) for one in dimensions))

    @property
    def dimension_names(self) -> frozenset[str]:
        """The names of its dimensions."""
        return frozenset(name for name, _ in self.dimensions)


class MetricData:
    """Metrics and their values by minute."""

    def __init__(self) -> None:
        self._minutes: dict[MetricKey, dict[datetime, list[float]]] = defaultdict(lambda: defaultdict(list))

    @property
    def keys(self) -> set[MetricKey]:
        """Every metric that was put."""
        return set(self._minutes)

    def put_metric_data(self, *, Namespace: str, MetricData: Iterable[Mapping[str, Any]]) -> None:  # noqa: N803 - boto3's
        """Put data as boto3's CloudWatch client does."""
        for datum in MetricData:
            values = datum.get("Values", [datum["Value"]] if "Value" in datum else [])
            counts = datum.get("Counts", [1.0] * len(values))
            for value, count in zip(values, counts, strict=True):
                self.put(
                    MetricKey.from_api(Namespace, datum["MetricName"], datum["Dimensions"]),
                    value,
                    at=datum["Timestamp"],
                    count=int(count),
                )

    def put(self, key: MetricKey, value: float, *, at: datetime, count: int = 1) -> None:
        """Put one value, or several that are the same."""
        self._minutes[key][at.replace(second=0, microsecond=0)] += [float(value)] * count

    def value(self, key: MetricKey, statistic: str, *, since: datetime, until: datetime) -> float | None:
        """Return a statistic over whole minutes; None where there is no value.

        Args:
            key: which metric.
            statistic: CloudWatch's name of it.
            since: the first minute.
            until: the minute after the last one.

        Raises:
            UnknownStatisticError: naming those that are known.
        """
        if statistic not in _STATISTICS:
            raise UnknownStatisticError(f"{statistic!r} is not known here: one of {sorted(_STATISTICS)}")
        minutes = self._minutes.get(key, {})
        asked = (since + index * MINUTE for index in range((until - since) // MINUTE))
        values = [value for minute in asked for value in minutes.get(minute, ())]
        return _STATISTICS[statistic](values) if values else None
