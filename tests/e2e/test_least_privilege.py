"""Least privilege, proved by enforcing it: what the policies allow is what the features need, and nothing else.

The real handler and a real observer run against moto's IAM enforcement with just the template's statements. moto
judges no conditions; every call that was made is judged once more here with the conditions in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from botocore.exceptions import ClientError

from infra.local.cloud import BUCKET, STATE_TABLE
from infra.local.lambda_emulator import ROOT
from infra.local.transform import read
from tests.enforced_roles import enforced
from tests.granted_worlds import (
    LOG_GROUP,
    OTHER_BUCKET,
    OTHER_LOG_GROUP,
    OTHER_PARAMETER,
    OTHER_SECRET,
    OTHER_TABLE,
    PROMPT,
    PROVIDERS,
    WORLDWIDE,
    World,
)
from tests.policies import allowed
from tests.provider_clouds import AUDIENCE, EUROPE, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.granted_worlds import Session
    from tests.policies import Statement

    Feature = Callable[[World, list[Statement]], bool]

# Powertools warns of time stamps that CloudWatch would refuse; the clock here stands at a day long past.
pytestmark = pytest.mark.filterwarnings("ignore:This metric doesn't meet the requirements")

MODEL_ELSEWHERE = f"arn:aws:bedrock:{WORLDWIDE}::foundation-model/anthropic.claude-sonnet-4-6"
PROFILE = f"arn:aws:bedrock:{EUROPE}:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-6"
STREAM = {"logGroupName": LOG_GROUP, "logStreamName": "2026/01/05/[$LATEST]1"}


@pytest.fixture(scope="module")
def account() -> Iterator[World]:
    """Return an account with the stack in it."""
    with World() as started:
        yield started


@pytest.fixture
def world(account: World) -> World:
    """Return the account as if nothing had run there yet."""
    account.forget()
    return account


def does(world: World, statements: list[Statement], *calls: tuple[str, str, dict[str, Any]]) -> bool:
    """Make calls with a role, as AWS does in its name; tell whether all of them were allowed."""
    session = world.session(statements)
    with enforced():
        return not any(is_refused(session, *call) for call in calls)


def is_refused(session: Session, service: str, method: str, asked: dict[str, Any]) -> bool:
    """Make a call; tell whether IAM refused it."""
    try:
        getattr(session.plain(service), method)(**asked)
    except ClientError as error:
        if "AccessDenied" in str(error):  # in whichever form: moto answers some services in others' protocols
            return True
        raise
    return False


def reports_a_failed_run(world: World, statements: list[Statement]) -> bool:
    """Put a failed run into the queue of failures, as Lambda does."""
    return does(
        world, statements, ("sqs", "send_message", {"QueueUrl": world.trigger.failures_url, "MessageBody": "{}"})
    )


def reads_uploads(world: World, statements: list[Statement]) -> bool:
    """Read the queue of uploads and take a message out of it, as Lambda does."""
    url = world.trigger.queue_url
    world.cloud.put("targets/new.json", {})
    return reads(world, statements, url)


def sends_due(world: World, statements: list[Statement]) -> bool:
    """Send what is due to the workers."""
    return world.sends(statements)


def reads_due(world: World, statements: list[Statement]) -> bool:
    """Read the workers' queue and take a message out of it, as Lambda does."""
    world.cloud.aws.client("sqs").send_message(QueueUrl=world.due_url, MessageBody="{}")
    return reads(world, statements, world.due_url)


def reads(world: World, statements: list[Statement], url: str) -> bool:
    """Read a queue and take a message out of it."""
    receipt = world.cloud.aws.client("sqs").receive_message(QueueUrl=url)["Messages"][0]["ReceiptHandle"]
    return does(
        world,
        statements,
        ("sqs", "get_queue_attributes", {"QueueUrl": url, "AttributeNames": ["All"]}),
        ("sqs", "receive_message", {"QueueUrl": url}),
        ("sqs", "delete_message", {"QueueUrl": url, "ReceiptHandle": receipt}),
    )


def writes_the_log(world: World, statements: list[Statement]) -> bool:
    """Begin a log stream and write into it, as Lambda does."""
    line = {"timestamp": 1_767_571_200_000, "message": "{}"}
    return does(
        world,
        statements,
        ("logs", "create_log_stream", STREAM),
        ("logs", "put_log_events", {**STREAM, "logEvents": [line]}),
    )


def by_way_of(service: str) -> dict[str, str]:
    """Return what a request comes with that a service makes to KMS."""
    return {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"}


def passes_requests_on(_: World, statements: list[Statement]) -> bool:
    """Invoke a model in another region by way of a profile; moto has no Bedrock, the statements are asked."""
    keys = {"aws:RequestedRegion": WORLDWIDE, "bedrock:InferenceProfileArn": PROFILE}
    return allowed(statements, "bedrock:InvokeModel", MODEL_ELSEWHERE, keys)


def decrypts(key: str, *services: str) -> Feature:
    """Return a feature that decrypts with a key by way of services; moto's do not ask KMS, the statements are asked."""

    def feature(world: World, statements: list[Statement]) -> bool:
        arn = getattr(world, key)
        return all(allowed(statements, "kms:Decrypt", arn, by_way_of(service)) for service in services)

    return feature


def encrypts_failed_runs(world: World, statements: list[Statement]) -> bool:
    """Let SQS encrypt what is put into the queue of failures."""
    return allowed(statements, "kms:GenerateDataKey", world.encryption_key, by_way_of("sqs"))


def warms(kind: str) -> Feature:
    """Return the feature of a tick with a kind of credential."""
    return lambda world, statements: world.warms(kind, statements)


def observes(world: World, statements: list[Statement]) -> bool:
    """Count a request of the application."""
    return world.observes(statements)


FUNCTION: dict[str, Feature] = {
    "ListTargets": warms("secret"),
    "ReadTargets": warms("secret"),
    "ReadAnthropicKey": warms("secret"),
    "ReadAnthropicParameter": warms("parameter"),
    "ProveIdentity": warms("federation"),
    "CallClaudePlatform": warms("platform"),
    "InvokeBedrock": warms("bedrock"),
    "InvokeBedrockThroughProfiles": passes_requests_on,
    "CallBedrockMessages": warms("mantle"),
    "RememberState": warms("secret"),
    "ReportFailedRuns": reports_a_failed_run,
    "ReadUploads": reads_uploads,
    "SendDue": sends_due,
    "ReadDue": reads_due,
    "WriteLogs": writes_the_log,
    "DecryptWithYourKey": decrypts("decrypt_key", "s3", "secretsmanager", "ssm"),
    "DecryptWhatTheStackMade": decrypts("encryption_key", "dynamodb", "sqs"),
    "EncryptFailedRuns": encrypts_failed_runs,
}
"""Every statement of the function's role, with a feature that does not work without it."""

APPLICATION: dict[str, Feature] = {
    "ListTargets": observes,
    "ReadTargets": observes,
    "RememberTraffic": observes,
    "CountTraffic": observes,
    "DecryptWithYourKey": decrypts("decrypt_key", "s3"),
    "DecryptWhatTheStackMade": decrypts("encryption_key", "dynamodb"),
}
"""The same for the application's policy."""


def test_every_statement_has_its_feature(world: World) -> None:
    """So that none can be added to the template without what it is for."""
    assert [each["Sid"] for each in world.function_statements] == list(FUNCTION)
    assert [each["Sid"] for each in world.application_statements] == list(APPLICATION)


@pytest.mark.parametrize("kind", KINDS)
def test_the_function_warms_with_just_its_role(world: World, kind: str) -> None:
    """Each kind of credential, each on its own; and every call it made is one the conditions let through too."""
    assert world.warms(kind, world.function_statements), world.said
    assert [call for call in world.calls if not allowed(world.function_statements, *call)] == []
    assert {"s3:ListBucket", "s3:GetObject", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"} <= {
        call.action for call in world.calls
    }


def test_the_application_counts_with_just_its_policy(world: World) -> None:
    """Targets read, the request ascribed, the table told and the metrics put; the conditions let it through too."""
    assert world.observes(world.application_statements)
    assert [call for call in world.calls if not allowed(world.application_statements, *call)] == []
    assert {call.action for call in world.calls} == {
        *("s3:ListBucket", "s3:GetObject", "dynamodb:UpdateItem", "cloudwatch:PutMetricData")
    }


@pytest.mark.parametrize("feature", ["ReportFailedRuns", "ReadUploads", "SendDue", "ReadDue", "WriteLogs"])
def test_lambda_works_in_the_functions_name(world: World, feature: str) -> None:
    """What Lambda itself does with the role is allowed, and so is what goes to the workers."""
    assert FUNCTION[feature](world, world.function_statements)


@pytest.mark.parametrize("sid", FUNCTION)
def test_without_a_statement_a_feature_of_the_function_fails(world: World, sid: str) -> None:
    """None of them is there for nothing."""
    remaining = [each for each in world.function_statements if each["Sid"] != sid]
    assert not FUNCTION[sid](world, remaining)


@pytest.mark.parametrize("sid", APPLICATION)
def test_without_a_statement_a_feature_of_the_application_fails(world: World, sid: str) -> None:
    """None of them is there for nothing."""
    remaining = [each for each in world.application_statements if each["Sid"] != sid]
    assert not APPLICATION[sid](world, remaining)


@pytest.mark.parametrize("sid", ["InvokeBedrockThroughProfiles", *(sid for sid in FUNCTION if "crypt" in sid)])
def test_what_moto_does_not_serve_is_allowed(world: World, sid: str) -> None:
    """With all statements in place; without one it is not, as the test above says."""
    assert FUNCTION[sid](world, world.function_statements)


@pytest.mark.parametrize("prefix", ["targets/", "prompts/"])
def test_both_prefixes_have_to_be_read(world: World, prefix: str) -> None:
    """A role that may read one of them only does not warm a target whose prompt stands in the other."""
    statements = [
        {**each, "Resource": [arn for arn in each["Resource"] if prefix not in arn]}
        if each["Sid"] == "ReadTargets"
        else each
        for each in world.function_statements
    ]
    assert not world.warms("secret", statements)


KEY = {"pk": {"S": "target/bot"}}
OTHER_KEY = {"pk": {"S": "stack"}}

FORBIDDEN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "write a target": ("s3", "put_object", {"Bucket": BUCKET, "Key": "targets/a.json", "Body": b"{}"}),
    "write a prompt": ("s3", "put_object", {"Bucket": BUCKET, "Key": PROMPT, "Body": b"{}"}),
    "delete a target": ("s3", "delete_object", {"Bucket": BUCKET, "Key": "targets/bot.json"}),
    "read another prefix": ("s3", "get_object", {"Bucket": BUCKET, "Key": "secrets/salaries.csv"}),
    "read another bucket": ("s3", "get_object", {"Bucket": OTHER_BUCKET, "Key": "targets/a.json"}),
    "list another bucket": ("s3", "list_objects_v2", {"Bucket": OTHER_BUCKET, "Prefix": "targets/"}),
    "list the buckets": ("s3", "list_buckets", {}),
    "read the bucket's policy": ("s3", "get_bucket_policy", {"Bucket": BUCKET}),
    "delete the bucket": ("s3", "delete_bucket", {"Bucket": BUCKET}),
    "scan the table": ("dynamodb", "scan", {"TableName": STATE_TABLE}),
    "delete an item": ("dynamodb", "delete_item", {"TableName": STATE_TABLE, "Key": KEY}),
    "put an item": ("dynamodb", "put_item", {"TableName": STATE_TABLE, "Item": KEY}),
    "delete the table": ("dynamodb", "delete_table", {"TableName": STATE_TABLE}),
    "update another table": ("dynamodb", "update_item", {"TableName": OTHER_TABLE, "Key": KEY}),
    "read another table": ("dynamodb", "batch_get_item", {"RequestItems": {OTHER_TABLE: {"Keys": [KEY]}}}),
    "read another secret": ("secretsmanager", "get_secret_value", {"SecretId": OTHER_SECRET}),
    "write a secret": ("secretsmanager", "put_secret_value", {"SecretId": OTHER_SECRET, "SecretString": "s"}),
    "list the secrets": ("secretsmanager", "list_secrets", {}),
    "read another parameter": ("ssm", "get_parameter", {"Name": OTHER_PARAMETER}),
    "read a tree of parameters": ("ssm", "get_parameters_by_path", {"Path": "/"}),
    "write a parameter": ("ssm", "put_parameter", {"Name": OTHER_PARAMETER, "Value": "v", "Type": "String"}),
    "delete its log": ("logs", "delete_log_group", {"logGroupName": LOG_GROUP}),
    "write another log": ("logs", "create_log_stream", {"logGroupName": OTHER_LOG_GROUP, "logStreamName": "s"}),
    "put a metric by the API": ("cloudwatch", "put_metric_data", {"Namespace": "N", "MetricData": []}),
    "change the function": ("lambda", "update_function_configuration", {"FunctionName": "warmer"}),
    "give itself more": ("iam", "put_role_policy", {"RoleName": "role", "PolicyName": "p", "PolicyDocument": "{}"}),
    "become somebody else": (
        "sts",
        "assume_role",
        {"RoleArn": "arn:aws:iam::123456789012:role/x", "RoleSessionName": "session"},
    ),
    "empty the failures": ("sqs", "purge_queue", {"QueueUrl": "failures"}),
    "read the failures": ("sqs", "receive_message", {"QueueUrl": "failures"}),
    "ask for a run": ("sqs", "send_message", {"QueueUrl": "uploads", "MessageBody": "{}"}),
}
"""What neither the function nor the application may do, but for what ``ALLOWED_TO_ONE`` names."""

ALLOWED_TO_ONE = {"application": {"put a metric by the API"}, "function": set[str]()}
ONLY_THE_FUNCTIONS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "read the state": ("dynamodb", "batch_get_item", {"RequestItems": {STATE_TABLE: {"Keys": [OTHER_KEY]}}}),
    "read the parameter": ("ssm", "get_parameter", {"Name": "/warmer/key"}),
    "write the log": ("logs", "create_log_stream", STREAM),
}


def asked_of(world: World, call: tuple[str, str, dict[str, Any]]) -> tuple[str, str, dict[str, Any]]:
    """Return a call with the addresses of this world."""
    service, method, asked = call
    urls = {"failures": world.trigger.failures_url, "uploads": world.trigger.queue_url}
    return service, method, {**asked, **({"QueueUrl": urls[asked["QueueUrl"]]} if "QueueUrl" in asked else {})}


@pytest.mark.parametrize("who", ["function", "application"])
def test_what_is_forbidden_is_refused(world: World, who: str) -> None:
    """Each of a list, one by one: none of them goes through."""
    statements = world.function_statements if who == "function" else world.application_statements
    calls = {name: call for name, call in FORBIDDEN.items() if name not in ALLOWED_TO_ONE[who]}
    if who == "application":
        calls |= ONLY_THE_FUNCTIONS
    session = world.session(statements)
    asked = {name: asked_of(world, call) for name, call in calls.items()}
    with enforced():
        assert [name for name, call in asked.items() if not is_refused(session, *call)] == []


BUCKET_ARN = f"arn:aws:s3:::{BUCKET}"
TABLE_ARN = f"arn:aws:dynamodb:us-east-1:123456789012:table/{STATE_TABLE}"


class Asked(NamedTuple):
    """A request that a condition decides on."""

    action: str
    resource: str
    keys: dict[str, str | list[str]]


FUNCTION_CONDITIONS: dict[str, Asked] = {
    "list another prefix": Asked("s3:ListBucket", BUCKET_ARN, {"s3:prefix": "secrets/"}),
    "list the whole bucket": Asked("s3:ListBucket", BUCKET_ARN, {"s3:prefix": ""}),
    "list without a prefix": Asked("s3:ListBucket", BUCKET_ARN, {}),
    "prove itself to another audience": Asked(
        "sts:GetWebIdentityToken",
        "*",
        {
            "sts:IdentityTokenAudience": ["https://elsewhere.example"],
            "sts:SigningAlgorithm": "RS256",
            "sts:DurationSeconds": "300",
        },
    ),
    "prove itself to one more audience": Asked(
        "sts:GetWebIdentityToken",
        "*",
        {
            "sts:IdentityTokenAudience": [AUDIENCE, "https://elsewhere.example"],
            "sts:SigningAlgorithm": "RS256",
            "sts:DurationSeconds": "300",
        },
    ),
    "prove itself to nobody in particular": Asked(
        "sts:GetWebIdentityToken", "*", {"sts:SigningAlgorithm": "RS256", "sts:DurationSeconds": "300"}
    ),
    "prove itself for an hour": Asked(
        "sts:GetWebIdentityToken",
        "*",
        {"sts:IdentityTokenAudience": [AUDIENCE], "sts:SigningAlgorithm": "RS256", "sts:DurationSeconds": "3600"},
    ),
    "invoke a model elsewhere by itself": Asked(
        "bedrock:InvokeModel", MODEL_ELSEWHERE, {"aws:RequestedRegion": WORLDWIDE}
    ),
    "invoke a model that is not Anthropic's": Asked(
        "bedrock:InvokeModel",
        f"arn:aws:bedrock:{EUROPE}::foundation-model/amazon.nova-pro-v1:0",
        {"aws:RequestedRegion": EUROPE},
    ),
    "call the Messages endpoint elsewhere": Asked(
        "bedrock-mantle:CreateInference", PROVIDERS[-1][1], {"aws:RequestedRegion": WORLDWIDE}
    ),
    "put a metric": Asked("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "PromptCacheWarmer"}),
}
APPLICATION_CONDITIONS: dict[str, Asked] = {
    "list another prefix": FUNCTION_CONDITIONS["list another prefix"],
    "list without a prefix": FUNCTION_CONDITIONS["list without a prefix"],
    "change the stack's spending": Asked("dynamodb:UpdateItem", TABLE_ARN, {"dynamodb:LeadingKeys": ["stack"]}),
    "end a pause": Asked("dynamodb:UpdateItem", TABLE_ARN, {"dynamodb:LeadingKeys": ["pause"]}),
    "change an item without naming it": Asked("dynamodb:UpdateItem", TABLE_ARN, {}),
    "count for another service": Asked("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "AWS/Lambda"}),
    "count for nobody": Asked("cloudwatch:PutMetricData", "*", {}),
}


@pytest.mark.parametrize("what", FUNCTION_CONDITIONS)
def test_a_condition_of_the_function_refuses(world: World, what: str) -> None:
    """What moto would let through, because it judges no conditions."""
    assert not allowed(world.function_statements, *FUNCTION_CONDITIONS[what])


@pytest.mark.parametrize("what", APPLICATION_CONDITIONS)
def test_a_condition_of_the_application_refuses(world: World, what: str) -> None:
    """What moto would let through, because it judges no conditions."""
    assert not allowed(world.application_statements, *APPLICATION_CONDITIONS[what])


@pytest.mark.parametrize("action", ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant"])
def test_a_key_is_never_used_directly_nor_another_one_at_all(world: World, action: str) -> None:
    """By way of the services that were named, and no other; the application never encrypts."""
    statements = world.function_statements
    keys = (world.decrypt_key, world.encryption_key)
    assert not any(allowed(statements, action, key) for key in keys)
    assert not any(allowed(statements, action, key, by_way_of("ebs")) for key in keys)
    assert not allowed(statements, action, world.other_key, by_way_of("s3"))
    if action != "kms:Decrypt":
        assert not any(allowed(world.application_statements, action, key, by_way_of("s3")) for key in keys)


def test_secrets_are_in_no_value_of_the_environment(world: World) -> None:
    """With every parameter given, what the function's environment holds are names, numbers and addresses."""
    variables = world.stack.resources()["WarmerFunction"]["Environment"]["Variables"]
    stored = [
        world.cloud.aws.secrets.get_secret_value(SecretId=world.stack.given["AnthropicSecretArn"])["SecretString"]
    ]
    assert not [name for name, value in variables.items() for secret in stored if secret in str(value)]
    assert not [name for name in variables if name.endswith(("_KEY", "_TOKEN", "_SECRET", "_PASSWORD"))]
    written = read(ROOT / "template.yaml")["Resources"]["WarmerFunction"]["Properties"]["Environment"]["Variables"]
    dynamic = [name for name, value in written.items() if "{{resolve:" in str(value)]
    assert dynamic == []  # a dynamic reference would put the secret itself there
