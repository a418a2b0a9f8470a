"""What our code asks of AWS, as IAM sees it: the action, the resource and the condition keys of each call of boto3."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3

from infra.local.aws import REGION
from infra.local.template_values import ACCOUNT
from prompt_cache_warmer.adapters.state_items import PARTITION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class AwsCall(NamedTuple):
    """One call.

    Attributes:
        action: the IAM action it needs.
        resource: the ARN it needs it on, ``*`` where there is none.
        keys: the condition keys it comes with.
    """

    action: str
    resource: str
    keys: dict[str, str | list[str]]


def action_of(model: Any) -> str:
    """Return the IAM action of an operation, by its service and its name where it is none of ours."""
    return _ACTIONS.get(model.name, f"{model.service_model.service_name}:{model.name}")


def note(calls: list[AwsCall]) -> Callable[..., None]:
    """Return a handler of ``before-parameter-build`` that writes calls down; one it does not know fails."""

    def written(*, params: dict[str, Any], model: Any, **_: object) -> None:
        calls.append(_CALLS[model.name](params))

    return written


@contextmanager
def default_session() -> Iterator[list[AwsCall]]:
    """Give the block a default session of its own, with the credentials of its environment; yields its calls."""
    calls: list[AwsCall] = []
    boto3.setup_default_session()
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("before-parameter-build", note(calls))
    try:
        yield calls
    finally:
        boto3.setup_default_session()  # the next test's function has other credentials again


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _read(asked: dict[str, Any]) -> AwsCall:
    ((table, wanted),) = asked["RequestItems"].items()
    keys = [str(key[PARTITION_KEY]["S"]) for key in wanted["Keys"]]
    return AwsCall("dynamodb:BatchGetItem", _arn("dynamodb", f"table/{table}"), {"dynamodb:LeadingKeys": keys})


def _updated(asked: dict[str, Any]) -> AwsCall:
    key = str(asked["Key"][PARTITION_KEY]["S"])
    table = _arn("dynamodb", f"table/{asked['TableName']}")
    return AwsCall("dynamodb:UpdateItem", table, {"dynamodb:LeadingKeys": [key]})


def _proved(asked: dict[str, Any]) -> AwsCall:
    keys: dict[str, str | list[str]] = {
        "sts:IdentityTokenAudience": [str(each) for each in asked["Audience"]],
        "sts:SigningAlgorithm": str(asked["SigningAlgorithm"]),
        "sts:DurationSeconds": str(asked["DurationSeconds"]),
    }
    return AwsCall("sts:GetWebIdentityToken", "*", keys)


_ACTIONS = {"ListObjectsV2": "s3:ListBucket", "HeadObject": "s3:GetObject", "SendMessageBatch": "sqs:SendMessage"}
"""The action of each operation that is not named like it."""

_CALLS: dict[str, Callable[[dict[str, Any]], AwsCall]] = {
    "ListObjectsV2": lambda asked: AwsCall(
        "s3:ListBucket", f"arn:aws:s3:::{asked['Bucket']}", {"s3:prefix": str(asked.get("Prefix", ""))}
    ),
    "GetObject": lambda asked: AwsCall("s3:GetObject", f"arn:aws:s3:::{asked['Bucket']}/{asked['Key']}", {}),
    "GetSecretValue": lambda asked: AwsCall("secretsmanager:GetSecretValue", str(asked["SecretId"]), {}),
    "GetParameter": lambda asked: AwsCall("ssm:GetParameter", _arn("ssm", f"parameter{asked['Name']}"), {}),
    "GetWebIdentityToken": _proved,
    "BatchGetItem": _read,
    "UpdateItem": _updated,
    "SendMessageBatch": lambda asked: AwsCall("sqs:SendMessage", _arn("sqs", asked["QueueUrl"].rpartition("/")[2]), {}),
    "PutMetricData": lambda asked: AwsCall(
        "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": str(asked["Namespace"])}
    ),
}
