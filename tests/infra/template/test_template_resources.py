"""The resources: a private bucket and a log that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.cloud import STATE_TABLE, create_state_table
from prompt_cache_warmer.adapters.state_items import EXPIRES_AT, PARTITION_KEY

if TYPE_CHECKING:
    from infra.local.aws import LocalAws
    from infra.local.transform import Template


def test_the_function_is_what_the_parameters_say(function: Template) -> None:
    """Runtime is fixed; processor, memory and timeout are the deployer's choice."""
    assert function["Runtime"] == "python3.13"
    assert function["Handler"] == "app.lambda_handler"
    assert function["Architectures"] == [{"Ref": "Architecture"}]
    assert function["MemorySize"] == {"Ref": "MemorySize"}
    assert function["Timeout"] == {"Ref": "Timeout"}
    assert "TracingConfig" not in function


def test_no_concurrency_is_reserved_by_default(function: Template, source: Template) -> None:
    """An account too small to reserve any can deploy with the defaults."""
    reserved = function["ReservedConcurrentExecutions"]["Fn::If"]
    assert reserved == ["HasReservedConcurrency", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]
    assert source["Parameters"]["ReservedConcurrency"]["Default"] == ""
    assert source["Conditions"]["HasReservedConcurrency"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "ReservedConcurrency"}, ""]}]
    }


def test_the_log_ends_and_passes_lines_through(function: Template, resources: Template) -> None:
    """The log has a retention, goes with the stack, and Lambda leaves the printed lines as they are."""
    assert function["LoggingConfig"] == {"LogGroup": {"Ref": "WarmerLogGroup"}, "LogFormat": "Text"}
    group = resources["WarmerLogGroup"]
    assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert group["DeletionPolicy"] == "Delete"


def test_the_own_bucket_is_private(resources: Template) -> None:
    """Nothing makes the bucket public, its objects are encrypted and old versions can be taken back."""
    bucket = resources["TargetsBucket"]["Properties"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    encryption = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption[0]["Fn::If"][2] == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert any(rule.get("NoncurrentVersionExpiration") == {"NoncurrentDays": 30} for rule in rules)


def test_the_own_bucket_is_tls_only(resources: Template) -> None:
    """Plain HTTP is denied to everyone, for the bucket and for its objects."""
    statement, _ = resources["TargetsBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement == {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": ["TargetsBucket", "Arn"]}, {"Fn::Sub": "${TargetsBucket.Arn}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


@pytest.mark.parametrize("name", ["TargetsBucket", "TargetsBucketPolicy"])
def test_the_own_bucket_outlives_the_stack(name: str, resources: Template) -> None:
    """Deleting the stack keeps the documents and the rule that guards them; a failed first try does not."""
    assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resources[name]["UpdateReplacePolicy"] == "Retain"


def test_the_state_table_is_what_the_code_writes(resources: Template, function: Template) -> None:
    """Its key and its end of life are the attributes the store sets, and the function knows its name."""
    table = resources["StateTable"]["Properties"]
    assert table["KeySchema"] == [{"AttributeName": PARTITION_KEY, "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": PARTITION_KEY, "AttributeType": "S"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": EXPIRES_AT, "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"]["Fn::If"][2] == {"SSEEnabled": True}
    assert function["Environment"]["Variables"]["STATE_TABLE"] == {"Ref": "StateTable"}


@pytest.mark.enable_socket
def test_the_local_state_table_is_the_templates(aws: LocalAws, resources: Template) -> None:
    """What tests and the demo run on has the same key, the same end of life and the same billing."""
    create_state_table(aws)
    table = resources["StateTable"]["Properties"]
    local = aws.dynamodb.describe_table(TableName=STATE_TABLE)["Table"]
    assert local["KeySchema"] == table["KeySchema"]
    assert local["AttributeDefinitions"] == table["AttributeDefinitions"]
    assert local["BillingModeSummary"]["BillingMode"] == table["BillingMode"]
    ttl = aws.dynamodb.describe_time_to_live(TableName=STATE_TABLE)["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == (EXPIRES_AT, "ENABLED")


def test_the_state_goes_with_the_stack_and_is_recovered_on_request(resources: Template, source: Template) -> None:
    """Losing it costs a warm call per entry, so nothing is kept or paid for by default."""
    assert resources["StateTable"]["DeletionPolicy"] == resources["StateTable"]["UpdateReplacePolicy"] == "Delete"
    recovery = resources["StateTable"]["Properties"]["PointInTimeRecoverySpecification"]
    assert recovery == {"PointInTimeRecoveryEnabled": {"Fn::If": ["HasStateRecovery", True, False]}}
    assert source["Conditions"]["HasStateRecovery"] == {"Fn::Equals": [{"Ref": "StateRecovery"}, "ENABLED"]}
    assert source["Parameters"]["StateRecovery"]["Default"] == "DISABLED"


def test_an_existing_bucket_is_used_and_not_changed(resources: Template, function: Template) -> None:
    """With a bucket of one's own, the stack makes none, sets no policy, and the handler reads that one."""
    assert {name for name, one in resources.items() if one.get("Condition") == "CreatesBucket"} == {
        "TargetsBucket",
        "TargetsBucketPolicy",
    }
    assert function["Environment"]["Variables"]["TARGETS_BUCKET"] == {
        "Fn::If": ["CreatesBucket", {"Ref": "TargetsBucket"}, {"Ref": "ExistingBucketName"}]
    }


def test_everything_that_can_be_is_tagged(resources: Template) -> None:
    """What costs money can be found by the tag service=prompt-cache-warmer."""
    tag = {"Key": "service", "Value": "prompt-cache-warmer"}
    cannot = {
        *("ApplicationPolicy", "ScheduleKeyPolicy", "TargetsBucketPolicy", "UploadsQueuePolicy", "DueQueuePolicy"),
        *("WarmerAsyncRuns", "WarmerFunctionTick", "WarmerFunctionTickRole"),
    }
    untagged = {name for name, one in resources.items() if tag not in one["Properties"].get("Tags", [])}
    assert untagged == cannot


def test_two_stacks_fit_into_one_account(resources: Template) -> None:
    """No resource has a fixed name; the one that is named is named after its stack."""
    kinds = (
        "Name",
        "BucketName",
        "TableName",
        "QueueName",
        "TopicName",
        "RoleName",
        "ManagedPolicyName",
        "FunctionName",
        "AlarmName",
        "LogGroupName",
    )
    names = [one["Properties"][kind] for one in resources.values() for kind in kinds if kind in one["Properties"]]
    assert [name for name in names if "Ref" not in name] == [{"Fn::Sub": "/aws/lambda/${AWS::StackName}"}]
