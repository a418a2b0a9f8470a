"""The part of CloudWatch Logs that turns EMF lines into metrics, which moto does not have.

Every line is checked first: against a JSON Schema of the format, that each named metric and dimension
is a member of the line, and that no number is NaN. A line CloudWatch would drop is an error here.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

    from prompt_cache_warmer.adapters.cloudwatch_metrics import MetricsClient

_SCHEMA = Path(__file__).with_name("emf.schema.json")
_MILLISECONDS = 1000
_DATA_PER_CALL = 500  # put_metric_data takes up to 1,000; half keeps one request small


class EmfError(ValueError):
    """A line is not what CloudWatch takes."""


def emf_lines(output: str) -> list[dict[str, Any]]:
    """Pick the EMF lines out of a function's output and check each.

    Raises:
        EmfError: naming what is wrong with a line.
    """
    return [blob for line in output.splitlines() if (blob := _parse(line)) is not None]


def publish(output: str, cloudwatch: MetricsClient) -> int:
    """Publish every metric of a function's output; returns how many data points there were."""
    by_namespace: dict[str, list[MetricDatumTypeDef]] = {}
    for blob in emf_lines(output):
        for namespace, datum in _data(blob):
            by_namespace.setdefault(namespace, []).append(datum)
    for namespace, data in by_namespace.items():
        for start in range(0, len(data), _DATA_PER_CALL):
            cloudwatch.put_metric_data(Namespace=namespace, MetricData=data[start : start + _DATA_PER_CALL])
    return sum(len(data) for data in by_namespace.values())


def _parse(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        blob = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(blob, dict) or "_aws" not in blob:
        return None
    for error in _validator().iter_errors(blob):
        raise EmfError(f"{error.json_path}: {error.message}")
    for directive in blob["_aws"]["CloudWatchMetrics"]:
        names = [metric["Name"] for metric in directive["Metrics"]]
        for name in [*names, *(dimension for group in directive["Dimensions"] for dimension in group)]:
            if name not in blob:
                raise EmfError(f"{name} is named but is no member of the line")
        for name in names:
            _check_numbers(name, _values(blob[name]))
    return blob


def _check_numbers(name: str, values: list[object]) -> None:
    for value in values:
        if not isinstance(value, int | float):  # a dimension's text, which the schema takes too
            raise EmfError(f"{name} is a metric, and its value is no number")
        if value != value:  # noqa: PLR0124 - NaN alone is not equal to itself, and no integer is too large to be asked
            raise EmfError(f"{name} is NaN")


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def _data(blob: dict[str, Any]) -> Iterator[tuple[str, MetricDatumTypeDef]]:
    at = datetime.fromtimestamp(blob["_aws"]["Timestamp"] / _MILLISECONDS, UTC)
    for directive in blob["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                for value in _values(blob[metric["Name"]]):
                    yield (
                        directive["Namespace"],
                        {
                            "MetricName": metric["Name"],
                            "Unit": metric.get("Unit", "None"),
                            "Dimensions": [{"Name": name, "Value": blob[name]} for name in dimensions],
                            "Timestamp": at,
                            "Value": value,
                        },
                    )


def _values(value: Any) -> list[Any]:  # noqa: ANN401 - whatever stands there
    return value if isinstance(value, list) else [value]
