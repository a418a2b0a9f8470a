"""Permissions: what the function may do is what its code does, resource by resource."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.session
import pytest
from botocore import xform_name

if TYPE_CHECKING:
    from infra.local.transform import Template

PACKAGE = Path(__file__).resolve().parents[3] / "handler" / "prompt_cache_warmer"
OPERATOR = "cli"  # runs with the operator's own permissions, not with the function's

ACTION_OF_CALL = {
    "list_objects_v2": "s3:ListBucket",
    "get_object": "s3:GetObject",
    "get_secret_value": "secretsmanager:GetSecretValue",
    "batch_get_item": "dynamodb:BatchGetItem",
    "update_item": "dynamodb:UpdateItem",
}
"""The IAM action of each boto3 call the code makes. A new call is added here and to the template."""

DONE_BY_AWS = {
    "sqs:SendMessage": "Lambda sends a failed run to the queue",
    "logs:CreateLogStream": "Lambda writes the log",
    "logs:PutLogEvents": "Lambda writes the log",
    "kms:Decrypt": "S3 and Secrets Manager decrypt with the deployer's own key",
}
"""Granted to the function, used by AWS in its name."""

SERVICES = ("s3", "secretsmanager", "dynamodb", "ssm", "sts", "sqs", "sns", "cloudwatch", "kms", "lambda", "scheduler")
"""Services whose calls are recognised in the code."""


def boto3_calls(folder: Path) -> set[str]:
    """Return the boto3 client methods that the modules of a folder name, paginators included."""
    methods = known_methods()
    named = set()
    for module in folder.rglob("*.py"):
        if OPERATOR in module.relative_to(folder).parts:
            continue
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                named.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)  # get_paginator("list_objects_v2")
    return {name for name in named & methods if "_" in name}  # "scan", "query" and "publish" are anybody's words


def known_methods() -> set[str]:
    """Return the method names of every recognised service's client."""
    session = botocore.session.get_session()
    return {xform_name(name) for service in SERVICES for name in session.get_service_model(service).operation_names}


def services_used(folder: Path) -> set[str]:
    """Return the services that the modules of a folder make clients for."""
    calls = [
        node
        for module in folder.rglob("*.py")
        if OPERATOR not in module.relative_to(folder).parts
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    return {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"client", "resource", "create_client"}
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


@pytest.fixture(scope="module")
def statements(resources: Template) -> dict[str, Template]:
    """The statements of the function's role by Sid, the conditional one included."""
    [policy] = resources["WarmerRole"]["Properties"]["Policies"]
    written = [one.get("Fn::If", [None, one])[1] for one in policy["PolicyDocument"]["Statement"]]
    by_sid = {statement["Sid"]: statement for statement in written}
    assert len(by_sid) == len(written)
    return by_sid


@pytest.fixture(scope="module")
def granted(statements: dict[str, Template]) -> set[str]:
    """Every action the function's role allows."""
    actions: set[str] = set()
    for statement in statements.values():
        actions |= {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
    return actions


def test_every_call_is_granted_and_every_grant_is_called(granted: set[str]) -> None:
    """The code makes no call it may not make, and may make none that it does not."""
    calls = boto3_calls(PACKAGE)
    assert calls <= set(ACTION_OF_CALL), "a boto3 call without an IAM action"
    assert {ACTION_OF_CALL[call] for call in calls} == granted - set(DONE_BY_AWS)


def test_every_client_is_of_a_recognised_service() -> None:
    """A client of a service this test does not know would make calls it does not see."""
    assert services_used(PACKAGE) <= set(SERVICES)
    assert services_used(PACKAGE) >= {"s3", "secretsmanager", "dynamodb"}


def test_calls_are_found_in_code(tmp_path: Path) -> None:
    """Called, handed on, paginated: each is found; the operator's commands are not the function's."""
    (tmp_path / "adapter.py").write_text(
        "import boto3\n"
        "s3 = boto3.client('s3')\n"
        "def f(pool, key):\n"
        "    for page in s3.get_paginator('list_objects_v2').paginate(): page.get('Contents')\n"
        "    pool.submit(s3.get_object, Key=key)\n"
        "    s3.put_object(Key=key)\n"
    )
    (tmp_path / OPERATOR).mkdir()
    (tmp_path / OPERATOR / "command.py").write_text("def g(s3): s3.delete_object()\n")

    assert boto3_calls(tmp_path) == {"list_objects_v2", "get_object", "put_object"}
    assert services_used(tmp_path) == {"s3"}


def test_no_statement_reaches_everything(statements: dict[str, Template]) -> None:
    """Every statement allows named actions on named resources."""
    for sid, statement in statements.items():
        assert statement["Effect"] == "Allow", sid
        assert "*" not in str(statement["Action"]), sid
        assert statement["Resource"] != "*", sid


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
    """The function reads the secret it was given and no other."""
    assert statements["ReadAnthropicKey"]["Resource"] == {"Ref": "AnthropicSecretArn"}


def test_only_the_one_table_is_remembered_in(statements: dict[str, Template]) -> None:
    """The function reads and changes items of its own table; it can neither scan it nor delete from it."""
    assert statements["RememberState"]["Resource"] == {"Fn::GetAtt": ["StateTable", "Arn"]}
    assert set(statements["RememberState"]["Action"]) == {"dynamodb:BatchGetItem", "dynamodb:UpdateItem"}


def test_the_log_may_be_written_and_nothing_else(statements: dict[str, Template], resources: Template) -> None:
    """The function writes into its own log group; no managed policy grants it any other."""
    assert statements["WriteLogs"]["Resource"] == {"Fn::GetAtt": ["WarmerLogGroup", "Arn"]}
    assert "ManagedPolicyArns" not in resources["WarmerRole"]["Properties"]


def test_a_key_is_used_only_through_the_two_services(statements: dict[str, Template], resources: Template) -> None:
    """Decryption is granted only for a key that was named, and only by way of S3 and Secrets Manager."""
    [policy] = resources["WarmerRole"]["Properties"]["Policies"]
    conditions = [one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
    assert [(one[0], one[1]["Sid"], one[2]) for one in conditions] == [
        ("HasDecryptKey", "DecryptWithYourKey", {"Ref": "AWS::NoValue"})
    ]
    assert statements["DecryptWithYourKey"]["Resource"] == {"Ref": "DecryptKeyArn"}
    services = statements["DecryptWithYourKey"]["Condition"]["StringEquals"]["kms:ViaService"]
    assert [service["Fn::Sub"].split(".")[0] for service in services] == ["s3", "secretsmanager"]
