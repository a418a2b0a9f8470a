"""The upload trigger: the bucket's events, the rule that picks, the queue that gathers, the function that reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import BUCKET
from infra.local.uploads import BATCH_SIZE, MAX_RECEIVES, UploadTrigger, event_pattern

if TYPE_CHECKING:
    from infra.local.aws import LocalAws
    from infra.local.transform import Template

OWN_BUCKET = {"Fn::If": ["CreatesBucket", {"Ref": "TargetsBucket"}, {"Ref": "ExistingBucketName"}]}
TRIGGER = {"UploadsRule", "UploadsQueue", "UploadsQueuePolicy", "WarmerUploads"}
EVENT_BYTES = 2_000  # an event of S3's with the longest key there is, in a message with its attributes
LAMBDA_BYTES = 6_000_000  # what Lambda takes of a batch at once


@pytest.fixture(scope="module")
def rule(resources: Template) -> Template:
    """The rule's properties."""
    found: Template = resources["UploadsRule"]["Properties"]
    return found


@pytest.fixture(scope="module")
def queue(resources: Template) -> Template:
    """The queue's properties."""
    found: Template = resources["UploadsQueue"]["Properties"]
    return found


@pytest.fixture(scope="module")
def mapping(resources: Template) -> Template:
    """The properties of what reads the queue."""
    found: Template = resources["WarmerUploads"]["Properties"]
    return found


def test_the_trigger_is_on_by_default_and_all_of_it_goes_with_its_parameter(
    source: Template, resources: Template
) -> None:
    """Whoever does not want it pays for no queue's polling."""
    assert source["Parameters"]["WarmOnUpload"]["Default"] == "ENABLED"
    assert source["Conditions"]["WarmsOnUpload"] == {"Fn::Equals": [{"Ref": "WarmOnUpload"}, "ENABLED"]}
    assert {name for name, one in resources.items() if one.get("Condition") == "WarmsOnUpload"} == TRIGGER
    assert resources["TargetsBucket"]["Properties"]["NotificationConfiguration"] == {
        "Fn::If": [
            "WarmsOnUpload",
            {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
            {"Ref": "AWS::NoValue"},
        ]
    }


def test_the_rule_passes_on_uploads_of_targets_and_prompts_and_nothing_else(rule: Template) -> None:
    """Of the one bucket, under the two prefixes; what the local cloud's rule passes on."""
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [OWN_BUCKET]},
            "object": {"key": [{"prefix": {"Ref": "TargetsPrefix"}}, {"prefix": {"Ref": "PromptsPrefix"}}]},
        },
    }
    local = json.dumps(event_pattern("B"))
    assert json.loads(local.replace('"targets/"', "1").replace('"prompts/"', "2").replace('"B"', "3")) == {
        **rule["EventPattern"],
        "detail": {"bucket": {"name": [3]}, "object": {"key": [{"prefix": 1}, {"prefix": 2}]}},
    }
    (target,) = rule["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["UploadsQueue", "Arn"]}


def test_the_off_switch_stops_uploads_too(rule: Template, mapping: Template, source: Template) -> None:
    """Nothing new comes in, and what waits is not read."""
    assert rule["State"] == {"Ref": "ScheduleState"}
    assert mapping["Enabled"] == {"Fn::If": ["IsScheduled", True, False]}
    assert source["Conditions"]["IsScheduled"] == {"Fn::Equals": [{"Ref": "ScheduleState"}, "ENABLED"]}


def test_a_batch_gathers_for_some_seconds_and_fits(mapping: Template) -> None:
    """Five seconds of uploads are one run, told one by one what failed, and never more runs than two at once."""
    assert mapping["FunctionName"] == {"Ref": "WarmerFunction"}
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["UploadsQueue", "Arn"]}
    assert mapping["MaximumBatchingWindowInSeconds"] == 5
    assert mapping["BatchSize"] == BATCH_SIZE
    assert mapping["BatchSize"] * EVENT_BYTES < LAMBDA_BYTES
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@pytest.mark.parametrize("timeout", [110, 170, 230])
def test_a_message_is_hidden_for_longer_than_any_run_can_take(
    timeout: int, queue: Template, source: Template, mapping: Template
) -> None:
    """Six times the timeout and the batch's own wait, as AWS advises; and it is kept for all its receives."""
    assert queue["VisibilityTimeout"] == {"Fn::FindInMap": ["HiddenUpload", {"Ref": "Timeout"}, "Seconds"]}
    assert set(source["Mappings"]["HiddenUpload"]) == {
        str(one) for one in source["Parameters"]["Timeout"]["AllowedValues"]
    }
    hidden = source["Mappings"]["HiddenUpload"][str(timeout)]["Seconds"]
    assert hidden == 6 * timeout + mapping["MaximumBatchingWindowInSeconds"]
    assert hidden * queue["RedrivePolicy"]["maxReceiveCount"] < queue["MessageRetentionPeriod"]


def test_what_cannot_be_done_ends_in_the_queue_of_failures(queue: Template, resources: Template) -> None:
    """Encrypted without a key that EventBridge may not use, unless one is named, and gone with the stack."""
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["FailuresQueue", "Arn"]},
        "maxReceiveCount": MAX_RECEIVES,
    }
    assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["HasEncryptionKey", False, True]}
    assert queue["KmsMasterKeyId"]["Fn::If"][0] == "HasEncryptionKey"
    assert resources["UploadsQueue"]["DeletionPolicy"] == "Delete"


def test_the_function_reads_the_queue_only_where_there_is_one(resources: Template) -> None:
    """The statement comes with the condition, and names the one queue."""
    [policy] = resources["WarmerRole"]["Properties"]["Policies"]
    conditional = [one["Fn::If"] for one in policy["PolicyDocument"]["Statement"] if "Fn::If" in one]
    (found,) = [one for one in conditional if one[0] == "WarmsOnUpload"]
    assert found[1] == {
        "Sid": "ReadUploads",
        "Effect": "Allow",
        "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        "Resource": {"Fn::GetAtt": ["UploadsQueue", "Arn"]},
    }
    assert found[2] == {"Ref": "AWS::NoValue"}


def test_with_a_bucket_of_ones_own_an_output_says_what_to_type(source: Template) -> None:
    """The stack does not touch that bucket, so its events are its owner's to switch on; nothing else is lost."""
    output: dict[str, Any] = source["Outputs"]["UploadEventsCommand"]
    assert output["Condition"] == "AsksForUploadEvents"
    assert source["Conditions"]["AsksForUploadEvents"] == {
        "Fn::And": [{"Condition": "WarmsOnUpload"}, {"Fn::Not": [{"Condition": "CreatesBucket"}]}]
    }
    command = output["Value"]["Fn::Sub"]
    assert "--bucket ${ExistingBucketName} " in command
    assert command.endswith("""--notification-configuration '{"EventBridgeConfiguration": {}}'""")
    assert "It replaces the notifications" in output["Description"]


@pytest.mark.enable_socket
def test_the_local_trigger_is_the_templates(aws: LocalAws, queue: Template) -> None:
    """Tests run on a queue that gives a message up after as many receives, and on a rule that picks the same."""
    aws.s3.create_bucket(Bucket=BUCKET)
    trigger = UploadTrigger(aws, BUCKET)
    local = aws.client("sqs").get_queue_attributes(QueueUrl=trigger.queue_url, AttributeNames=["All"])["Attributes"]
    assert json.loads(local["RedrivePolicy"])["maxReceiveCount"] == queue["RedrivePolicy"]["maxReceiveCount"]
    for key, count in (("targets/a.json", 1), ("prompts/p.md", 2), ("other/a.json", 2), ("target", 2)):
        aws.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
        assert trigger.waiting() == count
    aws.s3.delete_object(Bucket=BUCKET, Key="targets/a.json")
    assert trigger.waiting() == 2
