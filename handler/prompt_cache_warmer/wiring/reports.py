"""The sources of a report: CloudWatch for our own figures, the Usage API for the provider's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError

from prompt_cache_warmer.adapters.cloudwatch_report import CloudWatchHistory, sentence
from prompt_cache_warmer.rules.effect_sources import SourceError
from prompt_cache_warmer.wiring.aws import aws_client

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import Clock
    from prompt_cache_warmer.rules.effect_sources import MetricHistory, UsageReports


def metric_history(*, namespace: str, service: str) -> MetricHistory:
    """Return the metrics of one service, with boto3's own region and credentials.

    Raises:
        SourceError: when nothing says which region is meant.
    """
    try:
        client = aws_client("cloudwatch")
    except BotoCoreError as error:
        raise SourceError(sentence(error)) from error
    return CloudWatchHistory(client, namespace=namespace, service=service)


def usage_reports(admin_key: str, *, base_url: str | None, clock: Clock) -> UsageReports:
    """Return the Usage API of an organization, at the SDK's address unless another one is given."""
    from prompt_cache_warmer.adapters.anthropic_messages import DEFAULT_BASE_URL  # noqa: PLC0415 - the SDK takes seconds
    from prompt_cache_warmer.adapters.usage_report import AnthropicUsageReports  # noqa: PLC0415 - see above

    return AnthropicUsageReports(admin_key, clock=clock, base_url=base_url or DEFAULT_BASE_URL)
