"""``doctor`` and who asks: what a person may not do is no fault of the deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.cloud import API_KEY, SECRET
from prompt_cache_warmer.adapters.system_clock import SystemClock
from prompt_cache_warmer.rules.checkup import green
from prompt_cache_warmer.wiring.checkup.upload_trigger import check_uploads
from prompt_cache_warmer.wiring.credential_check import MAX_MODELS
from tests.checked import checked, deny
from tests.fakes import document
from tests.local_stack import ACCOUNT, BUCKET, FUNCTION, LocalStack

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_YOU = "It was asked as you and from here, which proves nothing for the function's role"
VERIFY = "let the function prove it, by two calls: prompt-cache-warmer verify support --stack shop"


@pytest.fixture(scope="module")
def deployed() -> Iterator[LocalStack]:
    """Return a deployed stack for the tests that change nothing of it for long."""
    with LocalStack() as stack:
        stack.clock = SystemClock()
        stack.put("targets/support.json", document("support"))
        yield stack


def test_a_secret_that_you_may_not_read_is_no_red_credential(
    deployed: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the secret nor the key in it; the function is asked to prove it."""
    deny(monkeypatch, "GetSecretValue")
    _, found = checked(deployed)
    assert found["secret"]["state"] == "not asked"
    assert found["credential default"] == {
        "check": "credential default",
        "state": "not asked",
        "sentence": f"stored key: secret {SECRET!r} could not be read: AccessDeniedException. {AS_YOU}",
        "fix": VERIFY,
    }


@pytest.mark.parametrize("operation", ["GetFunctionConfiguration", "DescribeStacks"])
def test_a_deployment_that_you_may_not_read_is_not_asked(
    deployed: LocalStack, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """It is no fault of it, and not well either: exit code 2, with what you may still ask."""
    deny(monkeypatch, operation)
    code, found = checked(deployed)
    assert (code, {check["state"] for check in found.values()}) == (2, {"green", "not asked"})
    assert (
        f"your own AWS identity asks here and needs {'lambda' if 'Function' in operation else 'cloudformation'}:"
        in (found["deployment"]["sentence"])
    )
    assert found["deployment"]["fix"].endswith("prompt-cache-warmer doctor --bucket BUCKET --table TABLE")


def test_the_number_of_models_is_bounded(deployed: LocalStack) -> None:
    """How many were asked is said."""
    models = [f"claude-sonnet-4-{n}" for n in range(MAX_MODELS + 1)]
    deployed.put("targets/support.json", document("support", models=models))
    before = len(deployed.api.requests)
    _, found = checked(deployed)
    deployed.put("targets/support.json", document("support"))
    asked = [one for one in deployed.api.requests[before:] if one.path.endswith("count_tokens")]
    assert len(asked) == 5
    assert found["credential default"]["sentence"].endswith(", with 5 of its 6 models")


def test_a_key_that_is_refused_stays_red(deployed: LocalStack) -> None:
    """Whoever sends it."""
    deployed.aws.secrets.put_secret_value(SecretId=SECRET, SecretString="sk-ant-another")
    _, found = checked(deployed)
    deployed.aws.secrets.put_secret_value(SecretId=SECRET, SecretString=API_KEY)
    assert (found["credential default"]["state"], "401" in found["credential default"]["sentence"]) == ("red", True)


@pytest.fixture
def mapping(deployed: LocalStack) -> Iterator[str]:
    """Give the function its queue of uploads; returns the mapping's id."""
    queues = deployed.aws.client("sqs")
    url = queues.create_queue(QueueName="uploads")["QueueUrl"]
    made = deployed.functions.create_event_source_mapping(
        FunctionName=FUNCTION, EventSourceArn=f"arn:aws:sqs:us-east-1:{ACCOUNT}:uploads"
    )
    yield made["UUID"]
    deployed.functions.delete_event_source_mapping(UUID=made["UUID"])
    queues.delete_queue(QueueUrl=url)
    deployed.aws.s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration={})


def test_without_the_trigger_it_is_not_looked_at(deployed: LocalStack) -> None:
    """WarmOnUpload is off: nothing is wrong, and nothing is said."""
    assert not {"uploads", "upload-events"} & set(checked(deployed)[1])


def test_a_trigger_is_a_mapping_that_is_on_and_a_bucket_that_tells(deployed: LocalStack, mapping: str) -> None:
    """Each half by itself, with the line that mends it."""
    put = f"aws s3api put-bucket-notification-configuration --bucket {BUCKET} --notification-configuration"
    _, found = checked(deployed)
    assert (found["uploads"]["state"], found["upload-events"]["state"]) == ("green", "red")
    assert found["upload-events"]["fix"] == f"{put} '{{\"EventBridgeConfiguration\": {{}}}}'"
    deployed.functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    _, found = checked(deployed)
    assert found["uploads"]["state"] == "red"
    assert found["uploads"]["fix"].endswith(f"aws lambda update-event-source-mapping --enabled --uuid {mapping}")


class Telling:
    """An S3 client whose bucket tells EventBridge: moto keeps that, and never says it."""

    def get_bucket_notification_configuration(self, *, Bucket: str) -> dict[str, Any]:  # noqa: N803 - boto3's own
        """Answer as S3 does."""
        return {"ResponseMetadata": {"Bucket": Bucket}, "EventBridgeConfiguration": {}}


class Mapped:
    """A Lambda client whose function has a queue and a stream."""

    def get_paginator(self, _: str) -> Mapped:
        """Return itself."""
        return self

    def paginate(self, *, FunctionName: str) -> list[dict[str, Any]]:  # noqa: N803 - boto3's own
        """Answer in one page."""
        assert FunctionName == FUNCTION
        queue = {"UUID": "u", "State": "Enabled", "EventSourceArn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:uploads"}
        stream = {"UUID": "v", "State": "Disabled", "EventSourceArn": "arn:aws:kinesis:us-east-1:1:stream/s"}
        return [{"EventSourceMappings": [queue, stream]}]


def test_a_bucket_that_tells_is_green() -> None:
    """Only the queue's mapping is the trigger's; a function may be named by its ARN."""
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}:live"
    assert check_uploads(arn, BUCKET, functions=Mapped(), s3=Telling()) == [
        green("uploads", "the function takes uploads from their queue"),
        green("upload-events", f"{BUCKET} tells EventBridge of uploads"),
    ]


def test_other_notifications_of_the_bucket_are_not_to_be_replaced(deployed: LocalStack, mapping: str) -> None:
    """What is put takes the place of all there is."""
    assert mapping
    topic = deployed.aws.client("sns").create_topic(Name="t")["TopicArn"]
    other: dict[str, Any] = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    s3: Any = deployed.aws.s3
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=other)
    _, found = checked(deployed)
    assert found["upload-events"]["fix"].startswith('add "EventBridgeConfiguration": {} to what this prints, because ')


@pytest.mark.parametrize(
    ("operation", "states"),
    [
        ("ListEventSourceMappings", ["not asked"]),
        ("GetBucketNotificationConfiguration", ["green", "not asked"]),
    ],
)
def test_a_trigger_that_you_may_not_look_at_is_not_asked(
    deployed: LocalStack, mapping: str, monkeypatch: pytest.MonkeyPatch, operation: str, states: list[str]
) -> None:
    """Each half by itself."""
    assert mapping
    deny(monkeypatch, operation)
    _, found = checked(deployed)
    assert [found[name]["state"] for name in ("uploads", "upload-events") if name in found] == states


@pytest.mark.parametrize(
    "named",
    [f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{FUNCTION}", FUNCTION],
    ids=["arn", "name"],
)
def test_a_function_is_named_by_its_arn_too(deployed: LocalStack, named: str) -> None:
    """Its schedule is found by either."""
    assert checked(deployed, "--function", named)[1]["schedule"]["state"] == "green"
