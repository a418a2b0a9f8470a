"""A key of one's own and named writers: each is a parameter, empty by default, and can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.template_values import ResolvedStack
from tests.policies import allowed

if TYPE_CHECKING:
    from infra.local.transform import Template

KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
EDITOR, PIPELINE = "arn:aws:iam::123456789012:role/editor", "arn:aws:iam::123456789012:user/pipeline"
SOMEBODY = "arn:aws:iam::123456789012:role/administrator"
BUCKET_ARN = "arn:aws:any:eu-central-1:123456789012:warmer-TargetsBucket"  # the stand-in for what AWS gives out
ANYTHING = {"Sid": "Administrator", "Effect": "Allow", "Action": "*", "Resource": "*"}


def stack(template: Template, **given: str) -> ResolvedStack:
    """Return the stack that is deployed with some parameters."""
    return ResolvedStack("warmer", template, given)


def keys_of(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the key of each resource that holds something at rest; None is AWS's own."""
    bucket = found["TargetsBucket"]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
    return {
        "bucket": bucket["ServerSideEncryptionByDefault"].get("KMSMasterKeyID"),
        "table": found["StateTable"]["SSESpecification"].get("KMSMasterKeyId"),
        "failures": found["FailuresQueue"].get("KmsMasterKeyId"),
        "uploads": found["UploadsQueue"].get("KmsMasterKeyId"),
        "due": found["DueQueue"].get("KmsMasterKeyId"),
        "unwarmed": found["UnwarmedQueue"].get("KmsMasterKeyId"),
        "log": found["WarmerLogGroup"].get("KmsKeyId"),
    }


def test_nothing_uses_a_key_that_was_not_named(transformed: Template) -> None:
    """By default AWS's own keys encrypt everything, and nobody may use any other."""
    found = stack(transformed, FanOut="ENABLED").resources()
    assert set(keys_of(found).values()) == {None}
    assert found["FailuresQueue"]["SqsManagedSseEnabled"] is found["UploadsQueue"]["SqsManagedSseEnabled"] is True
    assert found["StateTable"]["SSESpecification"] == {"SSEEnabled": True}
    assert "ScheduleKeyPolicy" not in found
    assert "kms:" not in str(found["WarmerRole"])
    assert "kms:" not in str(found["ApplicationPolicy"])


def test_a_key_encrypts_everything_the_stack_makes(transformed: Template) -> None:
    """Bucket, table, every queue and the log; there is no third way that a queue could be encrypted."""
    found = stack(transformed, EncryptionKeyArn=KEY, FanOut="ENABLED").resources()
    assert set(keys_of(found).values()) == {KEY}
    assert found["DueQueue"]["SqsManagedSseEnabled"] is found["UnwarmedQueue"]["SqsManagedSseEnabled"] is False
    assert found["FailuresQueue"]["SqsManagedSseEnabled"] is found["UploadsQueue"]["SqsManagedSseEnabled"] is False
    bucket = found["TargetsBucket"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert bucket == [
        {
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY},
            "BucketKeyEnabled": True,
        }
    ]
    assert found["StateTable"]["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY}


@pytest.mark.parametrize(
    ("resource", "granted"),
    [
        ("WarmerRole", {"kms:Decrypt": {"s3", "dynamodb", "sqs"}, "kms:GenerateDataKey": {"sqs"}}),
        ("ScheduleKeyPolicy", {"kms:Decrypt": {"sqs"}, "kms:GenerateDataKey": {"sqs"}}),
        ("ApplicationPolicy", {"kms:Decrypt": {"s3", "dynamodb"}}),
    ],
)
def test_each_role_uses_the_key_by_way_of_what_it_uses(
    transformed: Template, resource: str, granted: dict[str, set[str]]
) -> None:
    """Reading is decrypting; only who sends to a queue also makes data keys, and nobody encrypts otherwise."""
    properties = stack(transformed, EncryptionKeyArn=KEY).resources()[resource]
    policy = properties["Policies"][0] if "Policies" in properties else properties
    statements = policy["PolicyDocument"]["Statement"]
    services = ("s3", "dynamodb", "sqs", "ssm", "secretsmanager", "sns", "ebs")
    actions = ("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant", "kms:PutKeyPolicy")
    found = {
        action: {
            service
            for service in services
            if allowed(statements, action, KEY, {"kms:ViaService": f"{service}.eu-central-1.amazonaws.com"})
        }
        for action in actions
    }
    assert {action: names for action, names in found.items() if names} == granted
    assert not any(allowed(statements, action, KEY) for action in actions)


def test_a_bucket_of_ones_own_is_not_decrypted_with_the_stacks_key(transformed: Template) -> None:
    """Its key is the other parameter's."""
    found = stack(transformed, EncryptionKeyArn=KEY, ExistingBucketName="mine").resources()
    assert "s3.eu-central-1" not in str(found["WarmerRole"])
    assert "s3.eu-central-1" not in str(found["ApplicationPolicy"])


def test_the_schedules_role_is_the_one_the_schedule_has(resources: Template) -> None:
    """SAM makes it; the policy beside it is for that one alone."""
    assert resources["ScheduleKeyPolicy"]["Properties"]["Roles"] == [{"Ref": "WarmerFunctionTickRole"}]
    schedule = resources["WarmerFunctionTick"]["Properties"]["Target"]
    assert schedule["RoleArn"] == {"Fn::GetAtt": ["WarmerFunctionTickRole", "Arn"]}


def bucket_policy(template: Template, **given: str) -> list[dict[str, Any]]:
    """Return the statements that stand at the bucket."""
    found: list[dict[str, Any]] = stack(template, **given).resources()["TargetsBucketPolicy"]["PolicyDocument"][
        "Statement"
    ]
    return found


def may(statements: list[dict[str, Any]], action: str, resource: str, principal: str = SOMEBODY) -> bool:
    """Tell whether somebody to whom IAM allows everything may do something over TLS."""
    keys: dict[str, str | list[str]] = {"aws:SecureTransport": "true", "aws:PrincipalArn": principal}
    return allowed([ANYTHING, *statements], action, resource, keys)


WRITES = ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ReplicateObject", "s3:ReplicateDelete")
OBJECTS = (f"{BUCKET_ARN}/targets/bot.json", f"{BUCKET_ARN}/prompts/a/b.md")


def test_without_writers_the_bucket_denies_plain_http_alone(transformed: Template) -> None:
    """IAM decides who writes."""
    statements = bucket_policy(transformed)
    assert [each["Sid"] for each in statements] == ["TlsOnly"]
    assert all(may(statements, action, name) for action in WRITES for name in OBJECTS)


@pytest.mark.parametrize("action", WRITES)
def test_only_writers_write_targets_and_prompts(transformed: Template, action: str) -> None:
    """Each of those who are named; nobody else, whatever IAM allows, an administrator and the nameless included."""
    statements = bucket_policy(transformed, TargetWriters=f"{EDITOR},{PIPELINE}")
    for name in OBJECTS:
        assert may(statements, action, name, EDITOR)
        assert may(statements, action, name, PIPELINE)
        assert not may(statements, action, name, SOMEBODY)
        assert not may(statements, action, name, "arn:aws:iam::123456789012:root")
        assert not may(statements, action, name, f"{EDITOR}-of-another-team")
        assert not allowed([ANYTHING, *statements], action, name, {"aws:SecureTransport": "true"})


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        *(
            (action, BUCKET_ARN)
            for action in ("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucket")
        ),
        ("s3:ListBucket", BUCKET_ARN),
        ("s3:GetObject", OBJECTS[0]),
        ("s3:PutObject", f"{BUCKET_ARN}/notes/a.txt"),
    ],
)
def test_naming_writers_locks_nobody_out_for_good(transformed: Template, action: str, resource: str) -> None:
    """Whoever administers the bucket may take the policy off it and delete it; reading is nobody's writing."""
    statements = bucket_policy(transformed, TargetWriters="arn:aws:iam::123456789012:role/misspelt")
    assert may(statements, action, resource)
    assert not allowed([ANYTHING, *statements], action, resource, {"aws:SecureTransport": "false"})


def test_the_bucket_is_removed_whoever_was_named(source: Template) -> None:
    """The command takes the policy off first, or who was not named could delete no version."""
    command = source["Outputs"]["RemoveBucketCommand"]["Value"]["Fn::Sub"]
    assert command.startswith("aws s3api delete-bucket-policy --bucket ${TargetsBucket} && aws s3api delete-objects ")


def test_writers_need_the_stacks_own_bucket(source: Template) -> None:
    """The policy of a bucket that exists is its owner's."""
    rule = source["Rules"]["WritersOfTheOwnBucket"]
    assert rule["RuleCondition"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "TargetWriters"}, ""]}]}
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "ExistingBucketName"}, ""]}
