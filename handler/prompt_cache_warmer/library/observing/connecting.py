"""What an observer is connected to: targets, state, and where its metrics go."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prompt_cache_warmer.errors import ArgumentValueError
from prompt_cache_warmer.library.observing.arguments import BucketPlace
from prompt_cache_warmer.values.installation import from_a_clone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_cache_warmer.adapters.cloudwatch_metrics import CloudWatchMetrics
    from prompt_cache_warmer.library.observing.capturing import Storing
    from prompt_cache_warmer.ports import MetricSink, StateStore
    from prompt_cache_warmer.values.targets import TargetSummary
    from prompt_cache_warmer.wiring.observing import AwsSession

_NEEDS = f"it needs {{}}; install it {from_a_clone('aws')}"


class TargetSource(Protocol):
    """Targets that may change."""

    @property
    def store(self) -> Storing:
        """Store a captured one."""
        ...

    def load(self) -> Sequence[TargetSummary]:
        """Read them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """What an observer works with.

    Attributes:
        known: the targets, where they do not change.
        source: where they are read from, None where they do not change.
        store: the state, None for none.
        sink: publishes metrics, None for nothing.
        gathered: the same, where it is to be flushed.
    """

    known: tuple[TargetSummary, ...] | None = None
    source: TargetSource | None = None
    store: StateStore | None = None
    sink: MetricSink | None = None
    gathered: CloudWatchMetrics | None = None

    @property
    def has_network(self) -> bool:
        """Whether there is anything to do in the background."""
        return self.source is not None or self.store is not None or self.gathered is not None


def connect(
    targets: BucketPlace | tuple[TargetSummary, ...],
    *,
    prompts_prefix: str,
    state_table: str | None,
    metrics: str | None,
    namespace: str,
    session: AwsSession | None,
) -> Connected:
    """Connect an observer; nothing goes over the network yet.

    Raises:
        ArgumentValueError: when a library is not installed that an argument needs.
    """
    known = None if isinstance(targets, BucketPlace) else targets
    emf = _emf(namespace) if metrics == "emf" else None
    if known is not None and state_table is None and metrics != "cloudwatch":
        return Connected(known=known, sink=emf)
    try:
        from prompt_cache_warmer.wiring.observing import AwsConnections  # noqa: PLC0415 - boto3 only where it is used
    except ModuleNotFoundError as error:
        argument = "targets" if known is None else "state_table" if state_table is not None else "metrics"
        raise ArgumentValueError(argument, _NEEDS.format(error.name)) from error
    aws = AwsConnections(session)
    gathered = aws.metrics(namespace) if metrics == "cloudwatch" else None
    return Connected(
        known=known,
        source=aws.targets(targets.bucket, targets_prefix=targets.prefix, prompts_prefix=prompts_prefix)
        if isinstance(targets, BucketPlace)
        else None,
        store=None if state_table is None else aws.store(state_table),
        sink=gathered or emf,
        gathered=gathered,
    )


def _emf(namespace: str) -> MetricSink:
    try:
        from prompt_cache_warmer.adapters.emf import EmfMetricSink  # noqa: PLC0415 - Powertools only where it is used
    except ModuleNotFoundError as error:
        raise ArgumentValueError("metrics", _NEEDS.format(error.name)) from error
    return EmfMetricSink(namespace=namespace, stream=sys.stdout)
