"""A deployed stack on the local cloud, and the command line as its operator types it: one name, nothing patched.

The stack has what a deployment has: outputs, a function with its environment, a schedule, a bucket with versions, a
state table. Its bucket has no TLS policy: moto reads no conditions, and would deny everything. Only the clock is not
the machine's.
"""

from __future__ import annotations

import io
import json
import zipfile
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import boto3
from click.testing import CliRunner, Result
from moto.s3.models import s3_backends

from infra.local.cloud import BUCKET, NAMESPACE, STATE_TABLE, LocalCloud, create_state_table
from prompt_cache_warmer.adapters.dynamodb_state import DynamoDbState
from prompt_cache_warmer.adapters.state_table import StateTable
from prompt_cache_warmer.cli.commands import commands
from prompt_cache_warmer.cli.stack import Seams
from tests.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.messages_api import LocalMessagesApi

STACK = "shop"
FUNCTION = "shop-WarmerFunction"
ACCOUNT = "123456789012"
VARIABLES = (
    *("WARMER_STACK", "WARMER_FUNCTION", "STATE_TABLE", "TARGETS_BUCKET", "TARGETS_PREFIX", "PROMPTS_PREFIX"),
    *("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "ANTHROPIC_ADMIN_KEY", "ANTHROPIC_API_KEY"),
    *("NO_COLOR", "FORCE_COLOR", "COLUMNS"),
)
"""What a test takes out of the environment, so that nothing of this machine is in the way."""


class LocalStack(LocalCloud):
    """The local cloud with a deployed stack, as long as the ``with`` block lasts.

    Args:
        api: the Messages API to use.
        settings: the function's settings beside the usual ones.
    """

    def __init__(self, api: LocalMessagesApi | None = None, **settings: str) -> None:
        super().__init__(api, state=True)
        self.clock: Any = FakeClock()  # or whatever other clock a test puts in its place
        self._settings = settings
        self._session: boto3.Session | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        aws = self.aws
        aws.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        role = aws.client("iam").create_role(RoleName="warmer", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "")
        made = self.functions.create_function(
            FunctionName=FUNCTION,
            Runtime="python3.13",
            Role=role,
            Handler="app.lambda_handler",
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": self.settings()},
        )
        aws.client("scheduler").create_schedule(
            Name="tick",
            ScheduleExpression="rate(4 minutes)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": made["FunctionArn"], "RoleArn": role},
        )
        self.create_stack(STACK, {"TargetsBucketName": BUCKET, "StateTableName": STATE_TABLE, "FunctionName": FUNCTION})
        return self

    def settings(self) -> dict[str, str]:
        """Return the environment of the deployed function: what it reads, and nothing of AWS."""
        whole = self.environment(POWERTOOLS_SERVICE_NAME=STACK, **self._settings)
        return {name: value for name, value in whole.items() if not name.startswith("AWS_")}

    def empty(self) -> None:
        """Forget every object, the whole state and what was changed of the function; the clock starts anew."""
        self.clock = FakeClock()
        for found in self.aws.s3.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            self.aws.s3.delete_object(Bucket=BUCKET, Key=found["Key"])
        dynamodb = self.aws.dynamodb
        if STATE_TABLE in dynamodb.list_tables()["TableNames"]:
            dynamodb.delete_table(TableName=STATE_TABLE)
        create_state_table(self.aws)
        self.reconfigure()

    def put(self, key: str, content: str | bytes | Mapping[str, Any]) -> None:
        """Upload one object, at the time that the stack's clock shows."""
        super().put(key, content)
        stored = s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys[key]
        stored.last_modified = self.clock.now().replace(tzinfo=None)  # moto's times are UTC's without saying so

    def create_stack(self, name: str, outputs: dict[str, str]) -> None:
        """Create another stack, with these outputs."""
        template = {
            "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
            "Outputs": {key: {"Value": value} for key, value in outputs.items()},
        }
        self.aws.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))

    @cached_property
    def functions(self) -> Any:
        """A Lambda client."""
        return self.aws.client("lambda")

    def reconfigure(self, **settings: str) -> None:
        """Change the function's environment."""
        self.functions.update_function_configuration(
            FunctionName=FUNCTION, Environment={"Variables": {**self.settings(), **settings}}
        )

    @property
    def store(self) -> DynamoDbState:
        """The state, as a tick opens it."""
        return DynamoDbState(StateTable(self.aws.dynamodb, STATE_TABLE))

    def run(self, *arguments: str, **environment: str | None) -> Result:
        """Type a command as the operator does; a crash fails the test."""
        if boto3.DEFAULT_SESSION is not self._session or any(name.startswith("AWS_") for name in environment):
            boto3.DEFAULT_SESSION = None  # boto3 keeps the first one it made, with its region and account
        own: dict[str, Any] = {**dict.fromkeys(VARIABLES), **self.aws.environment(), **environment}
        runner = CliRunner(env=own, catch_exceptions=False)
        result = runner.invoke(commands, arguments, obj=Seams(clock=self.clock), prog_name="prompt-cache-warmer")
        self._session = None if any(name.startswith("AWS_") for name in environment) else boto3.DEFAULT_SESSION
        return result


__all__ = ["ACCOUNT", "BUCKET", "FUNCTION", "NAMESPACE", "STACK", "STATE_TABLE", "LocalStack"]
