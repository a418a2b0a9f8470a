"""Permissions: what the function and the application may do is what their code does, resource by resource."""

from __future__ import annotations

import ast
import json
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore import xform_name

from infra.local.cloud import STATE_TABLE, create_state_table
from prompt_cache_warmer.adapters import state_items
from prompt_cache_warmer.adapters.keyless_clients import IDENTITY_TOKEN_SECONDS, SIGNING_ALGORITHM
from prompt_cache_warmer.values.observation import Sightings
from prompt_cache_warmer.values.state import EntryKey
from prompt_cache_warmer.wiring.aws import state_store
from tests.fakes import EPOCH, MODEL

if TYPE_CHECKING:
    from infra.local.aws import LocalAws
    from infra.local.transform import Template

HANDLER = Path(__file__).resolve().parents[3] / "handler"
FUNCTION = ("app",)
"""Where the function's code begins; what it imports, wherever in the code, runs with the function's role."""

APPLICATION = ("prompt_cache_warmer.library.observing.observer",)
"""Where the code begins that an application with an observer runs with its own role."""

ACTION_OF_CALL = {
    "list_objects_v2": "s3:ListBucket",
    "get_object": "s3:GetObject",
    "put_object": "s3:PutObject",
    "get_bucket_versioning": "s3:GetBucketVersioning",
    "get_secret_value": "secretsmanager:GetSecretValue",
    "get_parameter": "ssm:GetParameter",
    "get_web_identity_token": "sts:GetWebIdentityToken",
    "batch_get_item": "dynamodb:BatchGetItem",
    "update_item": "dynamodb:UpdateItem",
    "send_message_batch": "sqs:SendMessage",
    "put_metric_data": "cloudwatch:PutMetricData",
}
"""The IAM action of each boto3 call the code makes. A new call is added here and to the template."""

ACTIONS_OF_CLIENT = {
    "AsyncAnthropicAWS": {"aws-external-anthropic:CreateInference", "aws-external-anthropic:CountTokens"},
    "AsyncAnthropicBedrock": {"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"},
    "AsyncAnthropicBedrockMantle": {"bedrock-mantle:CreateInference", "bedrock-mantle:CountTokens"},
}
"""The IAM actions of messages, streams and counts of each client of the SDK that signs its requests."""

DONE_BY_AWS = {
    **dict.fromkeys(
        ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
        "Lambda reads the queues of uploads and of due entries",
    ),
    "logs:CreateLogStream": "Lambda writes the log",
    "logs:PutLogEvents": "Lambda writes the log",
    "kms:Decrypt": "S3, Secrets Manager, SSM, DynamoDB and SQS decrypt with the deployer's own key",
    "kms:GenerateDataKey": "SQS encrypts a failed run with the deployer's own key",
}
"""Granted to the function or the application, used by AWS in its name."""

NOT_THE_APPLICATIONS = {
    "dynamodb:BatchGetItem": "only the warmer reads the state; an observer knows what its own writes answer",
    "s3:PutObject": "storing captures is the operator's decision",
    "s3:GetBucketVersioning": "storing captures is the operator's decision",
}
"""What the observer's modules hold the code for and the policy withholds, each with its reason."""

SERVICES = ("s3", "secretsmanager", "dynamodb", "ssm", "sts", "sqs", "sns", "cloudwatch", "kms", "lambda", "scheduler")
"""Services whose calls are recognised in the code."""


def modules(*entries: str, root: Path = HANDLER) -> list[ast.Module]:
    """Parse the modules that some of them import while they run, by name, those of other packages left out."""
    waiting, found = list(entries), dict[str, ast.Module]()
    while waiting:
        name = waiting.pop()
        path = root.joinpath(*name.split("."))
        file = next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)
        if file is None or name in found:
            continue  # another package's, or a name inside a module
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
        waiting += imported(found[name])
    return list(found.values())


def imported(tree: ast.AST) -> list[str]:
    """Name everything a module imports while it runs, and the packages it goes through."""
    names: list[str] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        elif isinstance(node, ast.Import):
            names += [one.name for one in node.names]
        else:
            names += imported(node)
    return [".".join(parts[:end]) for parts in (name.split(".") for name in names) for end in range(1, len(parts) + 1)]


def boto3_calls(parsed: list[ast.Module]) -> set[str]:
    """Return the boto3 client methods that modules name, paginators included."""
    named = set()
    for module in parsed:
        for node in ast.walk(module):
            if isinstance(node, ast.Attribute):
                named.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)  # get_paginator("list_objects_v2")
    return {name for name in named & known_methods() if "_" in name}  # "scan" and "publish" are anybody's words


def signing_clients(parsed: list[ast.Module]) -> set[str]:
    """Return the SDK's clients that modules make whose requests are signed."""
    calls = [node.func for module in parsed for node in ast.walk(module) if isinstance(node, ast.Call)]
    return {func.attr for func in calls if isinstance(func, ast.Attribute)} & set(ACTIONS_OF_CLIENT)


def known_methods() -> set[str]:
    """Return the method names of every recognised service's client."""
    session = botocore.session.get_session()
    return {xform_name(name) for service in SERVICES for name in session.get_service_model(service).operation_names}


def services_used(parsed: list[ast.Module]) -> set[str]:
    """Return the services that modules make clients for."""
    calls = [node for module in parsed for node in ast.walk(module) if isinstance(node, ast.Call)]
    return {
        argument.value
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr in {"client", "resource", "create_client"})
        or (isinstance(call.func, ast.Name) and call.func.id == "aws_client")
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def by_sid(policy: Template) -> dict[str, Template]:
    """Return the statements of a policy by Sid, the conditional one included."""
    written = [one.get("Fn::If", [None, one])[1] for one in policy["PolicyDocument"]["Statement"]]
    found = {statement["Sid"]: statement for statement in written}
    assert len(found) == len(written)
    return found


def actions(statements: dict[str, Template]) -> set[str]:
    """Return every action that statements allow."""
    found: set[str] = set()
    for statement in statements.values():
        found |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return found


@pytest.fixture(scope="module")
def statements(resources: Template) -> dict[str, Template]:
    """The statements of the function's role by Sid."""
    [policy] = resources["WarmerRole"]["Properties"]["Policies"]
    return by_sid(policy)


@pytest.fixture(scope="module")
def application(resources: Template) -> dict[str, Template]:
    """The statements of the application's policy by Sid."""
    return by_sid(resources["ApplicationPolicy"]["Properties"])


def test_every_call_is_granted_and_every_grant_is_called(statements: dict[str, Template]) -> None:
    """The code makes no call it may not make, and may make none that it does not."""
    calls = boto3_calls(modules(*FUNCTION))
    assert calls <= set(ACTION_OF_CALL), "a boto3 call without an IAM action"
    signed = signing_clients(modules(*FUNCTION))
    called = {ACTION_OF_CALL[call] for call in calls}.union(*(ACTIONS_OF_CLIENT[name] for name in signed))
    assert called == actions(statements) - set(DONE_BY_AWS)


def test_the_application_may_do_what_an_observer_calls(application: dict[str, Template]) -> None:
    """Every action is a call of the observer's modules; what they hold beside it is withheld for a reason."""
    calls = boto3_calls(modules(*APPLICATION))
    assert calls <= set(ACTION_OF_CALL), "a boto3 call without an IAM action"
    called = {ACTION_OF_CALL[call] for call in calls}
    assert called - set(NOT_THE_APPLICATIONS) == actions(application) - set(DONE_BY_AWS)
    assert actions(application) == {
        *("s3:ListBucket", "s3:GetObject", "dynamodb:UpdateItem", "cloudwatch:PutMetricData", "kms:Decrypt")
    }


@pytest.mark.parametrize("entry", [*FUNCTION, *APPLICATION])
def test_every_client_is_of_a_recognised_service(entry: str) -> None:
    """A client of a service this test does not know would make calls it does not see."""
    used = services_used(modules(entry))
    assert used <= set(SERVICES)
    assert used >= (
        {"s3", "secretsmanager", "ssm", "sts", "sqs", "dynamodb"}
        if entry in FUNCTION
        else {"s3", "dynamodb", "cloudwatch"}
    )


def test_calls_are_found_in_code(tmp_path: Path) -> None:
    """Called, handed on, paginated, imported late: each is found; what only types or others import is not."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "__init__.py").write_text("def g(s3): s3.delete_object()\n")
    (tmp_path / "ours" / "typed.py").write_text("def g(s3): s3.copy_object()\n")
    (tmp_path / "ours" / "others.py").write_text("def g(s3): s3.head_object()\n")
    (tmp_path / "ours" / "late.py").write_text("import ours.later\n")
    (tmp_path / "ours" / "later.py").write_text("def g(s3): s3.put_object()\n")
    (tmp_path / "app.py").write_text(
        "import boto3\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from ours import typed\n"
        "s3 = boto3.client('s3')\n"
        "def f(pool, key):\n"
        "    from ours import late\n"
        "    for page in s3.get_paginator('list_objects_v2').paginate(): page.get('Contents')\n"
        "    pool.submit(s3.get_object, Key=key)\n"
    )
    found = modules("app", root=tmp_path)
    assert boto3_calls(found) == {"list_objects_v2", "get_object", "put_object", "delete_object"}
    assert services_used(found) == {"s3"}


def test_no_statement_reaches_everything(statements: dict[str, Template]) -> None:
    """Every statement allows named actions on named resources; an identity token has none, but an audience."""
    for sid, statement in statements.items():
        assert statement["Effect"] == "Allow", sid
        assert "*" not in str(statement["Action"]), sid
        assert (statement["Resource"] == "*") is (sid == "ProveIdentity"), sid


def test_only_the_two_prefixes_are_listed_and_read(statements: dict[str, Template]) -> None:
    """The function sees targets and prompts and nothing else in the bucket."""
    assert statements["ListTargets"]["Condition"] == {
        "StringLike": {"s3:prefix": [{"Fn::Sub": "${TargetsPrefix}*"}, {"Fn::Sub": "${PromptsPrefix}*"}]}
    }
    read = [resource["Fn::Sub"][0] for resource in statements["ReadTargets"]["Resource"]]
    assert read == [
        "arn:${AWS::Partition}:s3:::${Bucket}/${TargetsPrefix}*",
        "arn:${AWS::Partition}:s3:::${Bucket}/${PromptsPrefix}*",
    ]


def test_only_the_one_secret_is_read(statements: dict[str, Template]) -> None:
    """The function reads the secret or the parameter it was given and no other."""
    assert statements["ReadAnthropicKey"]["Resource"] == {"Ref": "AnthropicSecretArn"}
    parameter = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${AnthropicParameterName}"
    assert statements["ReadAnthropicParameter"]["Resource"] == {"Fn::Sub": parameter}


CONDITIONS_OF_CREDENTIALS = {
    "ReadAnthropicKey": "ReadsSecret",
    "ReadAnthropicParameter": "ReadsParameter",
    "ProveIdentity": "Federates",
    "CallClaudePlatform": "CallsPlatform",
    "InvokeBedrock": "InvokesBedrock",
    "InvokeBedrockThroughProfiles": "InvokesBedrock",
    "CallBedrockMessages": "CallsMantle",
}
"""Which statement appears only where which condition holds."""


def test_a_way_to_claude_that_is_not_asked_for_is_not_granted(
    resources: Template, source: Template, statements: dict[str, Template]
) -> None:
    """Every statement for a credential hangs on the one parameter that asks for it, and nothing else does."""
    [policy] = resources["WarmerRole"]["Properties"]["Policies"]
    written = [one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
    hanging = {one[1]["Sid"]: one[0] for one in written if one[2] == {"Ref": "AWS::NoValue"}}
    assert CONDITIONS_OF_CREDENTIALS.items() <= hanging.items()
    parameters = {name: source["Conditions"][name] for name in set(CONDITIONS_OF_CREDENTIALS.values())}
    assert {name: one["Fn::Not"][0]["Fn::Equals"][0]["Ref"] for name, one in parameters.items()} == {
        "ReadsSecret": "AnthropicSecretArn",
        "ReadsParameter": "AnthropicParameterName",
        "Federates": "FederationRuleId",
        "CallsPlatform": "ClaudePlatformWorkspaceId",
        "InvokesBedrock": "BedrockRegions",
        "CallsMantle": "BedrockMantleRegions",
    }
    prefixes = ("secretsmanager:", "ssm:", "sts:", "aws-external-anthropic:", "bedrock:", "bedrock-mantle:")
    reaching = {sid for sid, one in statements.items() if str(one["Action"]).lstrip("['").startswith(prefixes)}
    assert reaching == set(CONDITIONS_OF_CREDENTIALS)


def test_an_identity_is_proved_to_one_audience_only(statements: dict[str, Template]) -> None:
    """No other audience, no other algorithm and no longer life than the code asks STS for; and never without one."""
    assert statements["ProveIdentity"]["Condition"] == {
        "ForAllValues:StringEquals": {"sts:IdentityTokenAudience": {"Ref": "FederationAudience"}},
        "Null": {"sts:IdentityTokenAudience": "false"},
        "StringEquals": {"sts:SigningAlgorithm": SIGNING_ALGORITHM},
        "NumericLessThanEquals": {"sts:DurationSeconds": IDENTITY_TOKEN_SECONDS},
    }


def test_bedrock_is_called_in_the_named_regions_only(statements: dict[str, Template]) -> None:
    """Anthropic's models and the profiles that hold them; elsewhere only by way of a profile that was called here."""
    model = {"Fn::Sub": "arn:${AWS::Partition}:bedrock:*::foundation-model/anthropic.*"}
    profile = {"Fn::Sub": "arn:${AWS::Partition}:bedrock:*:${AWS::AccountId}:inference-profile/*anthropic.*"}
    named, mantle = ({"Fn::Split": [",", {"Ref": name}]} for name in ("BedrockRegions", "BedrockMantleRegions"))
    direct, through = statements["InvokeBedrock"], statements["InvokeBedrockThroughProfiles"]
    assert (direct["Resource"], direct["Condition"]) == (
        [model, profile],
        {"StringEquals": {"aws:RequestedRegion": named}},
    )
    assert (through["Resource"], through["Condition"]) == (
        model,
        {"StringLike": {"bedrock:InferenceProfileArn": profile}},
    )
    messages = statements["CallBedrockMessages"]
    assert messages["Resource"] == {
        "Fn::Sub": "arn:${AWS::Partition}:bedrock-mantle:*:${AWS::AccountId}:project/default"
    }
    assert messages["Condition"] == {"StringEquals": {"aws:RequestedRegion": mantle}}


def test_the_platform_is_called_in_one_workspace(statements: dict[str, Template]) -> None:
    """The one that was named, in its own region or else in the stack's."""
    text, names = statements["CallClaudePlatform"]["Resource"]["Fn::Sub"]
    assert text == (
        "arn:${AWS::Partition}:aws-external-anthropic:${Home}:${AWS::AccountId}:workspace/${ClaudePlatformWorkspaceId}"
    )
    home = ["NamesPlatformRegion", {"Ref": "ClaudePlatformRegion"}, {"Ref": "AWS::Region"}]
    assert names == {"Home": {"Fn::If": home}}


def test_only_the_one_table_is_remembered_in(statements: dict[str, Template]) -> None:
    """The function reads and changes items of its own table; it can neither scan it nor delete from it."""
    assert statements["RememberState"]["Resource"] == {"Fn::GetAtt": ["StateTable", "Arn"]}
    assert set(statements["RememberState"]["Action"]) == {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}


def test_the_log_may_be_written_and_nothing_else(statements: dict[str, Template], resources: Template) -> None:
    """The function writes into its own log group; no managed policy grants it any other."""
    assert statements["WriteLogs"]["Resource"] == {"Fn::GetAtt": ["WarmerLogGroup", "Arn"]}
    assert "ManagedPolicyArns" not in resources["WarmerRole"]["Properties"]


def test_a_key_is_used_only_through_the_services_that_need_it(
    statements: dict[str, Template], resources: Template
) -> None:
    """Decryption is granted only for a key that was named, and only by way of S3 and of where the keys stand."""
    [policy] = resources["WarmerRole"]["Properties"]["Policies"]
    conditions = [one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
    assert [(one[1]["Sid"], one[2]) for one in conditions if one[0] == "HasDecryptKey"] == [
        ("DecryptWithYourKey", {"Ref": "AWS::NoValue"})
    ]
    assert statements["DecryptWithYourKey"]["Resource"] == {"Ref": "DecryptKeyArn"}
    services = statements["DecryptWithYourKey"]["Condition"]["StringEquals"]["kms:ViaService"]
    asked = [("", one, "") if "Fn::Sub" in one else one["Fn::If"] for one in services]
    assert [(condition, one["Fn::Sub"].split(".")[0]) for condition, one, _ in asked] == [
        ("", "s3"),
        ("ReadsSecret", "secretsmanager"),
        ("ReadsParameter", "ssm"),
    ]


def test_the_application_is_limited_by_resource_or_condition(application: dict[str, Template]) -> None:
    """Named actions, and named resources but for metrics, which have none: there the namespace is the stack's."""
    for sid, statement in application.items():
        assert statement["Effect"] == "Allow", sid
        assert "*" not in str(statement["Action"]), sid
        assert (statement["Resource"] == "*") is (statement["Action"] == "cloudwatch:PutMetricData"), sid
    assert application["CountTraffic"]["Condition"] == {
        "StringEquals": {"cloudwatch:namespace": {"Ref": "MetricsNamespace"}}
    }


def test_the_application_sees_of_the_bucket_what_the_function_sees(
    application: dict[str, Template], statements: dict[str, Template]
) -> None:
    """Targets and prompts, to read them; nothing to write, and no other object."""
    for sid in ("ListTargets", "ReadTargets"):
        assert application[sid] == statements[sid]


def test_the_application_reaches_the_items_of_targets_only(application: dict[str, Template]) -> None:
    """Pauses, credentials and the stack's spending are other items; without any key nothing is allowed."""
    assert application["RememberTraffic"] == {
        "Sid": "RememberTraffic",
        "Effect": "Allow",
        "Action": "dynamodb:UpdateItem",
        "Resource": {"Fn::GetAtt": ["StateTable", "Arn"]},
        "Condition": {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": "target/*"},
            "Null": {"dynamodb:LeadingKeys": "false"},
        },
    }
    assert fnmatchcase(state_items.target_key("support"), "target/*")
    others = (state_items.STACK_KEY, state_items.PAUSE_KEY, state_items.credential_key("default"))
    assert not [key for key in others if fnmatchcase(key, "target/*")]


@pytest.mark.enable_socket
async def test_what_an_observer_writes_is_within_reach(aws: LocalAws, application: dict[str, Template]) -> None:
    """One request or several that are refused first: updates of the target's item and nothing else."""
    create_state_table(aws)
    asked: list[tuple[str, str]] = []

    def record(params: dict[str, Any], model: Any, **_: object) -> None:
        asked.append((f"dynamodb:{model.name}", json.loads(params["body"])["Key"]["pk"]["S"]))

    aws.dynamodb.meta.events.register("before-call.dynamodb", record)
    store = state_store(STATE_TABLE, client=aws.dynamodb)
    for minutes in (0, 5, 2):
        at = EPOCH + timedelta(minutes=minutes)
        await store.observe(EntryKey("support", "default", MODEL), Sightings(hits=1, touched_at=at))
    statement = application["RememberTraffic"]
    assert set(asked) == {(statement["Action"], "target/support")}
    assert len(asked) >= 3


def test_the_applications_key_is_used_only_through_s3(application: dict[str, Template], resources: Template) -> None:
    """Decryption is granted only for a key that was named; the secret is not the application's."""
    written = resources["ApplicationPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    conditions = [one["Fn::If"] for one in written if "Fn::If" in one]
    assert [(one[0], one[1]["Sid"], one[2]) for one in conditions] == [
        ("HasDecryptKey", "DecryptWithYourKey", {"Ref": "AWS::NoValue"}),
        ("HasEncryptionKey", "DecryptWhatTheStackMade", {"Ref": "AWS::NoValue"}),
    ]
    assert application["DecryptWithYourKey"]["Resource"] == {"Ref": "DecryptKeyArn"}
    via = application["DecryptWithYourKey"]["Condition"]
    assert via == {"StringEquals": {"kms:ViaService": {"Fn::Sub": "s3.${AWS::Region}.${AWS::URLSuffix}"}}}


def test_the_applications_policy_is_attached_by_its_owner(resources: Template) -> None:
    """It comes with no name of its own and no role, and the function does not use it."""
    policy = resources["ApplicationPolicy"]
    assert policy["Type"] == "AWS::IAM::ManagedPolicy"
    assert set(policy["Properties"]) == {"Description", "PolicyDocument"}
    assert "Condition" not in policy
