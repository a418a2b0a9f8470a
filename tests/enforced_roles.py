"""The template's roles on the local AWS under moto's own IAM enforcement: who calls may do what its policy allows.

A role is made with ``put_role_policy`` from the transformed template, and assumed: its credentials are what the
function or the application runs with. moto judges signature, action and resource. It does not judge conditions, so
each statement stands there without its own; ``tests/policies.py`` judges those. And it reads the resource of a
request for some services only and takes it for ``*`` elsewhere, which no statement that names its resource allows:
what it does not read is read here, from the same request. It also names actions after the service that a signature
is for, which for CloudWatch is ``monitoring``, and after the operation, where IAM has one action for two.
"""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

from moto.core.authorization import enable_iam_authentication
from moto.dynamodb.responses import DynamoHandler
from moto.kms.responses import KmsResponse
from moto.logs.responses import LogsResponse
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.ssm.responses import SimpleSystemManagerResponse

from infra.local.aws import REGION
from infra.local.template_values import ACCOUNT
from tests.policies import without_conditions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from infra.local.aws import LocalAws
    from tests.policies import Statement

_NAMES = {'"cloudwatch:': '"monitoring:', '"sqs:SendMessage"': '["sqs:SendMessage", "sqs:SendMessageBatch"]'}
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}


def assumed(aws: LocalAws, statements: Sequence[Statement], *, name: str) -> dict[str, str]:
    """Make a role that may do what statements say, and return the environment of whoever assumed it."""
    iam, sts = aws.client("iam"), aws.client("sts")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]
    plain = json.dumps(without_conditions(statements))
    for real, as_moto_names_it in _NAMES.items():  # see the module
        plain = plain.replace(real, as_moto_names_it)
    policy = {"Version": "2012-10-17", "Statement": json.loads(plain)}
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
    given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName=name)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


@contextmanager
def enforced() -> Iterator[None]:
    """Let nobody do what their policies do not allow, for as long as the block lasts."""
    with ExitStack() as stack:
        for responses, resource in _RESOURCES.items():
            stack.enter_context(mock.patch.object(responses, "_determine_resource", resource, create=True))
        stack.enter_context(enable_iam_authentication())
        yield


def _table(request: Any) -> str:
    asked = request.params
    tables = [asked["TableName"]] if "TableName" in asked else sorted(asked.get("RequestItems", {}))
    return _arn("dynamodb", f"table/{tables[0]}" if len(tables) == 1 else "*")


def _secret(request: Any) -> str:
    return str(request._get_param("SecretId"))  # by its ARN, as the template names it


def _parameter(request: Any) -> str:
    return _arn("ssm", f"parameter{request._get_param('Name')}")


def _log(request: Any) -> str:
    group, stream = request._get_param("logGroupName"), request._get_param("logStreamName")
    return _arn("logs", f"log-group:{group}:log-stream:{stream}")


def _key(request: Any) -> str:
    return str(request._get_param("KeyId"))


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


_RESOURCES: dict[type, Any] = {
    DynamoHandler: _table,
    SecretsManagerResponse: _secret,
    SimpleSystemManagerResponse: _parameter,
    LogsResponse: _log,
    KmsResponse: _key,
}
