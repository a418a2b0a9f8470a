"""What an observer is connected to: the targets of a bucket, the state's table, CloudWatch. Each process its own."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Protocol, cast

import boto3
from botocore.config import Config

from prompt_cache_warmer.adapters.aws_answers import checked
from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.cloudwatch_metrics import CloudWatchMetrics
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.s3_capture import CaptureBucket, Stored, store_captured
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.settings import MIB_BYTES
from prompt_cache_warmer.wiring.aws import aws_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from prompt_cache_warmer.adapters.cloudwatch_metrics import MetricsClient
    from prompt_cache_warmer.ports import StateStore
    from prompt_cache_warmer.rules.draft import Draft
    from prompt_cache_warmer.values.targets import TargetSummary

# The observer tries again by itself, and what is under way holds up the interpreter's exit: seconds, not minutes.
CONNECT_TIMEOUT_SECONDS = 2
READ_TIMEOUT_SECONDS = 3
ATTEMPTS = 2

# Summaries are kept and bodies are not; what is being read is bounded as in the smallest function.
INFLIGHT_BYTES = 16 * MIB_BYTES


class AwsSession(Protocol):
    """What is used of a ``boto3.session.Session``."""

    @property
    def client(self) -> Callable[..., Any]:
        """Make a client."""


class AwsConnections:
    """Makes AWS clients, anew in a forked child: connections cannot be shared with a parent.

    Args:
        session: a boto3 session; None for the default one.
    """

    def __init__(self, session: AwsSession | None) -> None:
        self._session = session
        self._made: dict[str, tuple[int, Any]] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """Return this process's client of a service."""
        made = self._made.get(service)
        if made is None or made[0] != os.getpid():
            session: AwsSession = self._session or cast("AwsSession", boto3.session.Session())
            made = self._made[service] = (os.getpid(), checked(session.client, service, config=_config()))
        return made[1]

    def metrics(self, namespace: str) -> CloudWatchMetrics:
        """Return what gathers metrics and puts them."""
        return CloudWatchMetrics(lambda: cast("MetricsClient", self.client("cloudwatch")), namespace=namespace)

    def store(self, table: str) -> StateStore:
        """Return the state in a table."""
        client = cast("DynamoDBClient", _Dynamo(self))
        return DynamoDbState(StateTable(client, table), in_threads=False)

    def targets(self, bucket: str, *, targets_prefix: str, prompts_prefix: str) -> BucketTargets:
        """Return the targets of a bucket."""
        return BucketTargets(self, bucket, targets_prefix=targets_prefix, prompts_prefix=prompts_prefix)


class _Dynamo:
    """What an observer uses of this process's client of DynamoDB, whichever process it is."""

    def __init__(self, connections: AwsConnections) -> None:
        self._connections = connections

    @property
    def update_item(self) -> Callable[..., Mapping[str, Any]]:
        return cast("Callable[..., Mapping[str, Any]]", self._connections.client("dynamodb").update_item)


class BucketTargets:
    """The targets of a bucket, without their prompts; unchanged documents are listed and not read again.

    Args:
        connections: makes the client.
        bucket: its name.
        targets_prefix: the prefix of the documents' keys.
        prompts_prefix: the prefix of what they may refer to.
    """

    def __init__(self, connections: AwsConnections, bucket: str, *, targets_prefix: str, prompts_prefix: str) -> None:
        self._connections = connections
        self._bucket = bucket
        self._targets_prefix = targets_prefix
        self._prompts_prefix = prompts_prefix
        self._made: tuple[int, CaptureBucket, S3Targets] | None = None

    def load(self) -> tuple[TargetSummary, ...]:
        """Read what there is now.

        Raises:
            TargetsUnreadableError: when the bucket cannot be listed.
        """
        return asyncio.run(self._here()[1].load()).targets

    def store(self, draft: Draft, /, *, may_replace: bool) -> Stored:
        """Store a captured prefix, if none of the targets has it.

        Raises:
            CaptureError: when it may not be stored or could not be; nothing was written.
            TargetsUnreadableError: when the bucket cannot be listed.
        """
        bucket, targets = self._here()
        prefix = self._targets_prefix
        return asyncio.run(
            store_captured(bucket, draft, targets=targets, targets_prefix=prefix, may_replace=may_replace)
        )

    def _here(self) -> tuple[CaptureBucket, S3Targets]:
        """Return this process's own: their threads and connections cannot be shared with a parent."""
        if self._made is None or self._made[0] != os.getpid():
            bucket = CaptureBucket(cast("S3Client", self._connections.client("s3")), self._bucket)
            targets = S3Targets(
                bucket,
                targets_prefix=self._targets_prefix,
                prompts_prefix=self._prompts_prefix,
                bodies=BodyCache(0),
                max_inflight_bytes=INFLIGHT_BYTES,
            )
            self._made = os.getpid(), bucket, targets
        return self._made[1:]


def _config() -> Config:
    return aws_config().merge(
        Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        )
    )
