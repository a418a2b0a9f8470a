"""Metrics as CloudWatch Embedded Metric Format: one JSON line per set on standard output."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

from prompt_cache_warmer.rules.metrics import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.rules.metrics import MetricSet

_UNITS = {metric.name: metric.unit.value for metric in CATALOGUE}


class EmfMetricSink:
    """Writes metric sets as EMF lines.

    A provider of its own per set, because the classes most people use share their state.

    Args:
        namespace: the CloudWatch namespace.
        stream: where to write.
    """

    def __init__(self, *, namespace: str, stream: TextIO) -> None:
        self._namespace = namespace
        self._stream = stream

    def emit(self, metric_sets: Sequence[MetricSet]) -> None:
        """Write one line per set."""
        for metric_set in metric_sets:
            # In one piece, because an application's threads write to the same stream.
            self._stream.write(json.dumps(self._blob(metric_set), allow_nan=False) + "\n")
        self._stream.flush()

    def _blob(self, metric_set: MetricSet) -> object:
        provider = AmazonCloudWatchEMFProvider(
            metric_set={},
            dimension_set=dict(metric_set.dimensions),
            metadata_set=dict(metric_set.properties),
            namespace=self._namespace,
        )
        for dimensions in metric_set.also:
            provider.add_dimensions(**dimensions)
        provider.set_timestamp(metric_set.at)
        for name, values in metric_set.values.items():
            for value in values:
                provider.add_metric(name=name, unit=_UNITS[name], value=value)
        return provider.serialize_metric_set()
