"""CloudWatch alarms, read out of a resolved template and evaluated over metrics, as CloudWatch would.

Written from AWS's public description: an alarm is evaluated every minute over periods that end at that minute
(the default, sliding window); it looks at more periods than it was asked for, so that a gap can be covered by
real values from farther back; what is still missing then is treated as the alarm says. How many more depends on
the period and is not published; the two of AWS's own example are taken, and every case of its tables is a test:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from infra.local import metric_math
from infra.local.metric_data import MINUTE, MetricData, MetricKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MORE_PERIODS = 2  # AWS's example retrieves 5 data points for 3 evaluation periods
SECONDS_PER_DAY = 86_400  # the longest that periods of less than an hour may reach back together
MAX_DESCRIPTION_CHARACTERS = 1024

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanOrEqualToThreshold": operator.le,
    "LessThanThreshold": operator.lt,
}
_KNOWN = frozenset(
    {
        *("AlarmName", "AlarmDescription", "AlarmActions", "OKActions", "Tags"),
        *("Namespace", "MetricName", "Dimensions", "Statistic", "Period", "Metrics"),
        *("EvaluationPeriods", "DatapointsToAlarm", "Threshold", "ComparisonOperator", "TreatMissingData"),
    }
)


class AlarmError(ValueError):
    """An alarm that CloudWatch would refuse, or that is not understood here."""


class State(StrEnum):
    """The states of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class Missing(StrEnum):
    """How missing data are treated."""

    BREACHING = "breaching"
    NOT_BREACHING = "notBreaching"
    IGNORE = "ignore"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Series:
    """One metric with its statistic."""

    key: MetricKey
    statistic: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm.

    Attributes:
        name: its name.
        description: what is mailed with it.
        series: the metrics it looks at, by id.
        expression: what it makes of them.
        period: how long one period is.
        periods: how many periods are judged: N.
        breaches: how many of them have to breach: M.
        threshold: what is compared with.
        comparison: how.
        missing: how missing data are treated.
        alarm_actions: who is told when it fires.
        ok_actions: who is told when it recovers.
    """

    name: str
    description: str
    series: Mapping[str, Series]
    expression: str
    period: timedelta
    periods: int
    breaches: int
    threshold: float
    comparison: str
    missing: Missing
    alarm_actions: tuple[str, ...]
    ok_actions: tuple[str, ...]

    @classmethod
    def from_template(cls, properties: Mapping[str, Any]) -> Alarm:
        """Read the properties of an ``AWS::CloudWatch::Alarm``, resolved.

        Raises:
            AlarmError: naming what CloudWatch would refuse, or what is not understood here.
        """
        unknown = set(properties) - _KNOWN
        if unknown:
            raise AlarmError(f"{sorted(unknown)} is not understood: one of {sorted(_KNOWN)}")
        series, expression, seconds = _watched(properties)
        periods = int(properties["EvaluationPeriods"])
        breaches = int(properties.get("DatapointsToAlarm", periods))
        if not 1 <= breaches <= periods or periods * seconds > SECONDS_PER_DAY or seconds % MINUTE.seconds:
            raise AlarmError(f"{breaches} of {periods} periods of {seconds} s is nothing CloudWatch takes")
        if set(metric_math.ids_of(expression)) != set(series):
            raise AlarmError(f"{expression!r} does not use {sorted(series)}")
        comparison = properties["ComparisonOperator"]
        if comparison not in _COMPARISONS:
            raise AlarmError(f"{comparison!r} is not understood: one of {sorted(_COMPARISONS)}")
        return cls(
            name=properties["AlarmName"],
            description=properties["AlarmDescription"],
            series=series,
            expression=expression,
            period=timedelta(seconds=seconds),
            periods=periods,
            breaches=breaches,
            threshold=float(properties["Threshold"]),
            comparison=comparison,
            missing=Missing(properties.get("TreatMissingData", "missing")),
            alarm_actions=tuple(properties.get("AlarmActions", ())),
            ok_actions=tuple(properties.get("OKActions", ())),
        )

    def breached(self, data: MetricData, *, until: datetime) -> bool | None:
        """Tell whether the period that ends at a moment breaches the threshold; None where it has no value."""
        values = {
            name: data.value(one.key, one.statistic, since=until - self.period, until=until)
            for name, one in self.series.items()
        }
        value = metric_math.value_of(self.expression, values)
        return None if value is None else _COMPARISONS[self.comparison](value, self.threshold)

    def state_at(self, data: MetricData, at: datetime, *, before: State) -> State:
        """Evaluate the alarm at a minute, after it was in a state."""
        points = [self.breached(data, until=at - index * self.period) for index in range(self.periods + MORE_PERIODS)]
        return judged(points, periods=self.periods, breaches=self.breaches, missing=self.missing, before=before)


def judged(points: Sequence[bool | None], *, periods: int, breaches: int, missing: Missing, before: State) -> State:
    """Judge data points, the newest first.

    Args:
        points: whether each period breached; None where it has no value.
        periods: N.
        breaches: M.
        missing: how missing data are treated.
        before: the state the alarm is in.
    """
    real = [point for point in points if point is not None][:periods]
    counted = sum(real) + (periods - len(real) if missing is Missing.BREACHING else 0)
    if counted >= breaches:
        return State.ALARM
    if len(real) == periods or missing in (Missing.BREACHING, Missing.NOT_BREACHING) or not all(real):
        return State.OK
    if missing is Missing.IGNORE:
        return before
    if not real:
        return State.INSUFFICIENT_DATA
    # The premature state: nothing but breaches is known, and the oldest of them is M periods old.
    oldest = max(index for index, point in enumerate(points, start=1) if point is not None)
    return State.ALARM if oldest >= breaches else before


class Watch:
    """One alarm over time.

    Args:
        alarm: the alarm.
        data: the metrics.
        since: when it was made.
    """

    def __init__(self, alarm: Alarm, data: MetricData, *, since: datetime) -> None:
        self._alarm = alarm
        self._data = data
        self._at = since.replace(second=0, microsecond=0)
        self.state = State.INSUFFICIENT_DATA
        self.changes: list[tuple[datetime, State]] = []

    def until(self, at: datetime) -> State:
        """Evaluate it at every minute up to a moment."""
        while self._at + MINUTE <= at:
            self._at += MINUTE
            state = self._alarm.state_at(self._data, self._at, before=self.state)
            if state is not self.state:
                self.state = state
                self.changes.append((self._at, state))
        return self.state

    def times(self, state: State) -> list[datetime]:
        """Return when it came into a state."""
        return [at for at, found in self.changes if found is state]


def _watched(properties: Mapping[str, Any]) -> tuple[dict[str, Series], str, int]:
    """Return what an alarm looks at: its metrics by id, what it makes of them, and the seconds of a period."""
    if "Metrics" not in properties:
        key = MetricKey.from_api(properties["Namespace"], properties["MetricName"], properties.get("Dimensions", ()))
        return {"metric": Series(key, properties["Statistic"])}, "metric", int(properties["Period"])
    returned = [query for query in properties["Metrics"] if query.get("ReturnData", True)]
    stats = {query["Id"]: query["MetricStat"] for query in properties["Metrics"] if "MetricStat" in query}
    seconds = {int(stat["Period"]) for stat in stats.values()}
    if len(returned) != 1 or "Expression" not in returned[0] or len(seconds) != 1:
        raise AlarmError("an alarm on several metrics needs one expression that is returned, and one period")
    series = {
        name: Series(
            MetricKey.from_api(
                stat["Metric"]["Namespace"], stat["Metric"]["MetricName"], stat["Metric"].get("Dimensions", ())
            ),
            stat["Stat"],
        )
        for name, stat in stats.items()
    }
    return series, returned[0]["Expression"], seconds.pop()
