"""The local cloud: AWS and the Messages API on loopback, with a bucket, a secret and a schedule.

What the schedule sends and what CloudWatch makes of the function's output are done here as the real
services do them; everything else is the real handler over real HTTP.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from infra.local import emf
from infra.local.aws import LocalAws
from infra.local.messages_api import LocalMessagesApi
from prompt_cache_warmer.adapters.state_items import EXPIRES_AT, PARTITION_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.local.function import Function

BUCKET = "prompt-cache-warmer-local"
STATE_TABLE = "prompt-cache-warmer-local-state"
SECRET = "prompt-cache-warmer/anthropic"  # noqa: S105 - a name, not a secret
API_KEY = "sk-ant-local-demo-key"
WORKSPACE = "wrkspc_local"
NAMESPACE = "PromptCacheWarmer"
SERVICE = "prompt-cache-warmer"
PREFIXES = ("targets", "prompts")

_PERIOD_SECONDS = 3600
_ONE_SECOND = timedelta(seconds=1)  # moto cuts times to whole seconds


class LocalCloud:
    """Everything the function talks to, as long as the ``with`` block lasts.

    Args:
        api: the Messages API to use; one that knows just the key of the local secret when absent.
        state: whether there is a state table that the function knows of.
    """

    def __init__(self, api: LocalMessagesApi | None = None, *, state: bool = False) -> None:
        self.aws = LocalAws()
        self._state = state
        self.api = api or LocalMessagesApi(api_keys={API_KEY: WORKSPACE})
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.aws)
        self._stack.enter_context(self.api)
        self.aws.s3.create_bucket(Bucket=BUCKET)
        self.aws.secrets.create_secret(Name=SECRET, SecretString=API_KEY)
        if self._state:
            create_state_table(self.aws)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the function's whole environment, with any setting on top."""
        return {
            **self.aws.environment(),
            "ANTHROPIC_BASE_URL": self.api.base_url,
            "ANTHROPIC_SECRET_ID": SECRET,
            "TARGETS_BUCKET": BUCKET,
            **({"STATE_TABLE": STATE_TABLE} if self._state else {}),
            "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
            "POWERTOOLS_SERVICE_NAME": SERVICE,
            **settings,
        }

    def put(self, key: str, content: str | bytes | Mapping[str, Any]) -> None:
        """Upload one object; an object of Python's is written as JSON."""
        body = content if isinstance(content, str | bytes) else json.dumps(content)
        self.aws.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def upload(self, folder: Path) -> list[str]:
        """Upload a folder's ``targets/`` and ``prompts/``, as ``aws s3 sync`` would; returns the keys."""
        s3 = self.aws.s3
        keys = []
        for path in sorted(path for prefix in PREFIXES for path in (folder / prefix).rglob("*") if path.is_file()):
            keys.append(path.relative_to(folder).as_posix())
            s3.put_object(Bucket=BUCKET, Key=keys[-1], Body=path.read_bytes())
        return keys

    def tick(self, function: Function, execution_id: str) -> dict[str, Any]:
        """Invoke the function as the schedule does, and publish the metrics it printed."""
        before = len(function.output())
        try:
            return function.invoke(schedule_event(execution_id, function.now()))
        finally:
            emf.publish(function.output()[before:], self.aws.cloudwatch)

    def metric_sum(self, name: str, since: datetime, **dimensions: str) -> float | None:
        """Read a metric back from CloudWatch: its sum since a time, None where there is no data.

        By ``get_metric_data``, because moto's ``get_metric_statistics`` also counts sets with more dimensions.
        """
        wanted = {"service": SERVICE, **dimensions}
        answer = self.aws.cloudwatch.get_metric_data(
            MetricDataQueries=[
                {
                    "Id": "wanted",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": NAMESPACE,
                            "MetricName": name,
                            "Dimensions": [{"Name": key, "Value": value} for key, value in wanted.items()],
                        },
                        "Period": _PERIOD_SECONDS,
                        "Stat": "Sum",
                    },
                }
            ],
            StartTime=since,
            EndTime=max(datetime.now(UTC), datetime.fromtimestamp(self.api.clock.now_seconds(), UTC)) + _ONE_SECOND,
        )
        values = answer["MetricDataResults"][0]["Values"]
        return sum(values) if values else None


def create_state_table(aws: LocalAws, name: str = STATE_TABLE) -> None:
    """Create the state table as the template does (a test of the template compares)."""
    dynamodb = aws.dynamodb
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": PARTITION_KEY, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": PARTITION_KEY, "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRES_AT})


def schedule_event(execution_id: str, at: datetime) -> dict[str, str]:
    """Return what the template's schedule sends, its placeholders filled in; the time rounded up to the second.

    Ticks are four minutes apart and here often milliseconds: rounded down, a tick could seem to have been
    due before the one ahead of it made its calls.
    """
    due = at if at.microsecond == 0 else at.replace(microsecond=0) + _ONE_SECOND
    return {
        "source": "prompt-cache-warmer.schedule",
        "scheduled_time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution_id": execution_id,
    }
