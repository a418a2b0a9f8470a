"""The template deployed on the local AWS with every way to reach Claude, and what runs there with its roles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import anthropic
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.aws import REGION
from infra.local.cloud import API_KEY, BUCKET, NAMESPACE, STATE_TABLE, LocalCloud, schedule_event
from infra.local.function import InProcessFunction, LocalClock
from infra.local.lambda_emulator import ROOT
from infra.local.messages_api import AwsCaller
from infra.local.template_values import ResolvedStack
from infra.local.transform import read, transform
from infra.local.uploads import UploadTrigger
from prompt_cache_warmer import CacheObserver
from prompt_cache_warmer.errors import RunError
from tests.aws_calls import AwsCall, default_session, note
from tests.deployments import codes, prompt
from tests.enforced_roles import assumed, enforced
from tests.fakes import MODEL, document
from tests.policies import allowed
from tests.provider_clouds import (
    AUDIENCE,
    EUROPE,
    KINDS,
    ORGANIZATION,
    PLATFORM_WORKSPACE,
    RULE,
    SERVICE_ACCOUNT,
    provider_api,
    provider_settings,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from infra.local.transform import Template
    from tests.policies import Statement

PARAMETER = "/warmer/key"
PROMPT = "prompts/handbook.md"
OTHER_SECRET, OTHER_PARAMETER, OTHER_TABLE, OTHER_BUCKET = "prod/database", "/prod/database", "orders", "invoices"
LOG_GROUP, OTHER_LOG_GROUP = "/aws/lambda/warmer", "/aws/lambda/orders"
_LONGER_THAN_ANY_ENTRY_SECONDS = 7200
WORLDWIDE = "eu-west-1"  # where a profile may pass a request on to
_RESOURCE = "arn:aws:{service}:{region}:123456789012:{name}"


@cache
def transformed() -> Template:
    """Return the template as AWS sees it."""
    return transform(read(ROOT / "template.yaml"))


@dataclass
class World:
    """One account with the stack in it, and with more.

    Attributes:
        cloud: the account and the Messages API.
        calls: what the function, or the application, asked of AWS so far.
        said: what the function printed.
    """

    calls: list[AwsCall] = field(default_factory=list)
    said: str = ""

    def __post_init__(self) -> None:
        self._callers: dict[str, AwsCaller] = {}
        self._numbers = itertools.count(1)
        self.cloud = LocalCloud(provider_api(aws_callers=self._callers), state=True)

    def __enter__(self) -> Self:
        self.cloud.__enter__()
        aws = self.cloud.aws
        aws.parameters.put_parameter(Name=PARAMETER, Value=API_KEY, Type="SecureString")
        aws.parameters.put_parameter(Name=OTHER_PARAMETER, Value="theirs", Type="SecureString")
        self.other_secret = aws.secrets.create_secret(Name=OTHER_SECRET, SecretString="theirs")["ARN"]
        aws.s3.create_bucket(Bucket=OTHER_BUCKET)
        for group in (LOG_GROUP, OTHER_LOG_GROUP):
            aws.client("logs").create_log_group(logGroupName=group)
        self.trigger = UploadTrigger(aws, BUCKET)
        self.due_url = aws.client("sqs").create_queue(QueueName="due")["QueueUrl"]
        keys = [aws.client("kms").create_key()["KeyMetadata"]["Arn"] for _ in range(3)]
        self.decrypt_key, self.encryption_key, self.other_key = keys
        self.cloud.put(PROMPT, "You are a bot. " * 1_000)
        self.cloud.put("secrets/salaries.csv", "theirs")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cloud.__exit__(kind, error, trace)

    @cached_property
    def stack(self) -> ResolvedStack:
        """The template with every way to reach Claude, both keys of one's own, and workers."""
        aws = self.cloud.aws
        secret = aws.secrets.list_secrets()["SecretList"][0]["ARN"]
        return ResolvedStack(
            "warmer",
            transformed(),
            {
                "ExistingBucketName": BUCKET,
                "AnthropicSecretArn": secret,
                "AnthropicParameterName": PARAMETER,
                "FederationRuleId": RULE,
                "FederationOrganizationId": ORGANIZATION,
                "FederationServiceAccountId": SERVICE_ACCOUNT,
                "FederationAudience": AUDIENCE,
                "ClaudePlatformWorkspaceId": PLATFORM_WORKSPACE,
                "ClaudePlatformRegion": EUROPE,
                "BedrockRegions": EUROPE,
                "BedrockMantleRegions": EUROPE,
                "DecryptKeyArn": self.decrypt_key,
                "EncryptionKeyArn": self.encryption_key,
                "FanOut": "ENABLED",
            },
            {
                "StateTable.Arn": _RESOURCE.format(service="dynamodb", region=REGION, name=f"table/{STATE_TABLE}"),
                "FailuresQueue.Arn": self._queue_arn(self.trigger.failures_url),
                "UploadsQueue.Arn": self._queue_arn(self.trigger.queue_url),
                "DueQueue.Arn": self._queue_arn(self.due_url),
                "WarmerLogGroup.Arn": _RESOURCE.format(service="logs", region=REGION, name=f"log-group:{LOG_GROUP}:*"),
            },
            region=REGION,
        )

    @property
    def function_statements(self) -> list[Statement]:
        """What the function's role may do."""
        (policy,) = self.stack.resources()["WarmerRole"]["Policies"]
        return list(policy["PolicyDocument"]["Statement"])

    @property
    def application_statements(self) -> list[Statement]:
        """What the application's policy allows."""
        return list(self.stack.resources()["ApplicationPolicy"]["PolicyDocument"]["Statement"])

    def warms(self, kind: str, statements: list[Statement]) -> bool:
        """Run the real handler with a kind of credential and just what statements allow; tell whether it warmed."""
        settings, credential, model = KINDS[kind]
        answer = self._tick(statements, settings, credential=credential, model=model)
        return codes(answer) == ["written"]

    def sends(self, statements: list[Statement]) -> bool:
        """Run it with a queue of workers; tell whether it sent them what is due."""
        settings, credential, model = KINDS["secret"]
        answer = self._tick(statements, {**settings, "DUE_QUEUE_URL": self.due_url}, credential=credential, model=model)
        return [entry["outcome"] for entry in answer["entries"]] == ["sent"]

    def _tick(
        self, statements: list[Statement], settings: dict[str, str], *, credential: str, model: str
    ) -> dict[str, Any]:
        """Run the real handler over one target; it answers no entries where it could not run."""
        request = {"system": [{"type": "text", "text_from": PROMPT, "cache_control": {"type": "ephemeral"}}]}
        self.cloud.put("targets/bot.json", document("bot", models=[model], credential=credential, request=request))
        stored = {"ANTHROPIC_SECRET_ID": str(self.stack.given["AnthropicSecretArn"])}
        environment = self.cloud.environment(**provider_settings(self.cloud, {**stored, **settings}))
        role = self.assume(statements)
        self._lend(role, statements)
        function = InProcessFunction({**environment, **role}, clock=LocalClock(self.cloud.api.clock))
        with default_session() as calls, enforced():
            try:
                answer = function.invoke(schedule_event("tick-1", function.now()))
            except (RunError, ClientError):
                answer = {"entries": []}
        self.calls += calls
        self.said += function.output()
        return answer

    def observes(self, statements: list[Statement]) -> bool:
        """Let an application with just what statements allow send a request; tell whether all of it was counted."""
        self.cloud.put("targets/bot.json", document("bot", request=prompt()))
        service = f"service-{next(self._numbers)}"
        observer = CacheObserver(
            targets=f"s3://{BUCKET}/targets/",
            state_table=STATE_TABLE,
            metrics="cloudwatch",
            service=service,
            session=self.session(statements),
        )
        with (
            enforced(),
            anthropic.Anthropic(
                api_key=API_KEY, base_url=self.cloud.api.base_url, middleware=[observer], max_retries=0
            ) as client,
        ):
            client.messages.create(
                model=MODEL, max_tokens=1, messages=[{"role": "user", "content": "Hello?"}], **prompt()
            )
            observer.close()
        items = self.cloud.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"]
        listed = self.cloud.aws.cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]
        counted = [{each["Value"] for each in metric["Dimensions"]} for metric in listed]
        return [item["pk"]["S"] for item in items] == ["target/bot"] and any(
            {service, "bot"} <= values for values in counted
        )

    def forget(self) -> None:
        """Begin anew: nothing remembered, nothing cached, nothing said."""
        for item in self.cloud.aws.dynamodb.scan(TableName=STATE_TABLE)["Items"]:
            self.cloud.aws.dynamodb.delete_item(TableName=STATE_TABLE, Key={"pk": item["pk"]})
        self.cloud.api.clock.advance(_LONGER_THAN_ANY_ENTRY_SECONDS)
        self.calls, self.said = [], ""

    def session(self, statements: list[Statement]) -> Session:
        """Return a session of boto3 that may do what statements say, and whose calls are written down."""
        return Session(self, self.assume(statements))

    def assume(self, statements: list[Statement]) -> dict[str, str]:
        """Return the credentials of a new role that may do what statements say."""
        return assumed(self.cloud.aws, statements, name=f"role-{next(self._numbers)}")

    def _lend(self, role: dict[str, str], statements: list[Statement]) -> None:
        """Let the providers that are not moto's judge by the same statements."""
        granted = frozenset(action for action, resource in PROVIDERS if allowed(statements, action, resource, _ASKED))
        self._callers.clear()
        self._callers[role["AWS_ACCESS_KEY_ID"]] = AwsCaller(
            secret_key=role["AWS_SECRET_ACCESS_KEY"], workspaces=(PLATFORM_WORKSPACE,), actions=granted
        )
        asked = {**_ASKED, "sts:IdentityTokenAudience": [AUDIENCE]}
        proves = allowed(statements, "sts:GetWebIdentityToken", "*", asked)
        self.cloud.aws.refuse_identity_tokens(None if proves else "AccessDenied")

    def _queue_arn(self, url: str) -> str:
        sqs = self.cloud.aws.client("sqs")
        return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


_ASKED: dict[str, str | list[str]] = {
    "aws:RequestedRegion": EUROPE,
    "sts:SigningAlgorithm": "RS256",
    "sts:DurationSeconds": "300",
}
PROVIDERS = [
    *(
        (
            f"aws-external-anthropic:{name}",
            _RESOURCE.format(service="aws-external-anthropic", region=EUROPE, name=f"workspace/{PLATFORM_WORKSPACE}"),
        )
        for name in ("CreateInference", "CountTokens")
    ),
    *(
        (
            f"bedrock:{name}",
            _RESOURCE.format(service="bedrock", region=EUROPE, name="inference-profile/eu.anthropic.claude-sonnet-4-6"),
        )
        for name in ("InvokeModel", "InvokeModelWithResponseStream")
    ),
    *(
        (
            f"bedrock-mantle:{name}",
            _RESOURCE.format(service="bedrock-mantle", region=EUROPE, name="project/default"),
        )
        for name in ("CreateInference", "CountTokens")
    ),
]
"""What the providers' own requests need, and on what."""


class Session:
    """A session of boto3 with a role's credentials on the local AWS.

    Args:
        world: where it is.
        environment: the credentials, as the environment has them.
    """

    def __init__(self, world: World, environment: dict[str, str]) -> None:
        self._world = world
        self._session = boto3.Session(
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment["AWS_SESSION_TOKEN"],
            region_name=REGION,
        )

    def client(self, service: str, *, config: Any = None) -> Any:
        """Make a client whose calls are written down."""
        make: Any = self._session.client
        # moto judges a signature by the body it has unpacked
        plain = (config or Config()).merge(Config(disable_request_compression=True))
        made = make(service, endpoint_url=self._world.cloud.aws.endpoint_url, config=plain)
        made.meta.events.register("before-parameter-build", note(self._world.calls))
        return made

    def plain(self, service: str) -> Any:
        """Make a client for anything at all."""
        make: Any = self._session.client
        return make(service, endpoint_url=self._world.cloud.aws.endpoint_url)
