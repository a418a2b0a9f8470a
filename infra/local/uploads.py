"""The upload trigger: a bucket's uploads, by way of EventBridge and a queue, to the function, as the template has it.

moto passes uploads on to a rule and from there to a queue; nobody there reads a queue for a function. That is done
here as Lambda does it: batches, deletion of what was acted on, and what failed goes back until it is in the queue
of failures. Waiting is left out: there are no five seconds in which a batch fills, and what goes back can be
received at once.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from infra.local import emf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from infra.local.aws import LocalAws
    from infra.local.function import Function

QUEUE = "prompt-cache-warmer-local-uploads"
FAILURES_QUEUE = "prompt-cache-warmer-local-failures"
RULE = "prompt-cache-warmer-local-uploads"
BATCH_SIZE = 1000
MAX_RECEIVES = 5

_MOST_AT_ONCE = 10  # messages of one request to SQS


class UploadTrigger:
    """Uploads of one bucket's targets and prompts, on their way to a function.

    Args:
        aws: the account.
        bucket: the bucket; its notifications are switched on.
    """

    def __init__(self, aws: LocalAws, bucket: str) -> None:
        self._aws = aws
        self._sqs = aws.client("sqs")
        self.failures_url = self._sqs.create_queue(QueueName=FAILURES_QUEUE)["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self.failures_url), "maxReceiveCount": MAX_RECEIVES}
        self.queue_url = self._sqs.create_queue(
            QueueName=QUEUE, Attributes={"SqsManagedSseEnabled": "true", "RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        events = aws.client("events")
        events.put_rule(Name=RULE, EventPattern=json.dumps(event_pattern(bucket)))
        events.put_targets(Rule=RULE, Targets=[{"Id": "uploads", "Arn": self._arn(self.queue_url)}])
        aws.s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        self._seen_at: dict[str, datetime] = {}

    def deliver(self, function: Function, *, times: int = 1) -> list[dict[str, Any]]:
        """Bring what waits to a function, batch by batch, and publish the metrics it printed.

        Args:
            function: the function.
            times: how often each batch is brought, as a queue may do it.

        Returns:
            The answers of the runs that did not fail.
        """
        messages = self._receive(function.now())
        answers: list[dict[str, Any]] = []
        for start in range(0, len(messages), BATCH_SIZE):
            batch = messages[start : start + BATCH_SIZE]
            failed = {message["MessageId"] for message in batch}
            for _ in range(times):
                before = len(function.output())
                with suppress(Exception):  # whatever it is, Lambda keeps the messages
                    answer = function.invoke({"Records": [self._record(message) for message in batch]})
                    answers.append(answer)
                    failed = {one["itemIdentifier"] for one in answer["batchItemFailures"]}
                emf.publish(function.output()[before:], self._aws.cloudwatch)
            self._settle(batch, failed)
        return answers

    def send(self, body: str) -> str:
        """Put a message into the queue that EventBridge did not; returns its id."""
        return str(self._sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)["MessageId"])

    def waiting(self) -> int:
        """Count the messages that wait."""
        return self._count(self.queue_url)

    def failures(self) -> int:
        """Count the messages that were given up."""
        return self._count(self.failures_url)

    def _receive(self, now: datetime) -> list[Mapping[str, Any]]:
        messages: list[Mapping[str, Any]] = []
        while found := self._sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=_MOST_AT_ONCE).get(
            "Messages"
        ):
            messages += found
        for message in messages:
            self._seen_at.setdefault(message["MessageId"], now)
        return messages

    def _settle(self, batch: Sequence[Mapping[str, Any]], failed: set[str]) -> None:
        """Let what failed be received again, and take out the rest."""
        done: list[dict[str, str]] = []
        for message in batch:
            handle: dict[str, str] = {"ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] in failed:
                self._sqs.change_message_visibility(QueueUrl=self.queue_url, **handle, VisibilityTimeout=0)
            else:
                done.append({"Id": str(len(done)), **handle})
        for start in range(0, len(done), _MOST_AT_ONCE):
            self._sqs.delete_message_batch(QueueUrl=self.queue_url, Entries=done[start : start + _MOST_AT_ONCE])

    def _record(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Write a message as Lambda hands it over."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": _as_s3_says(message["Body"], self._seen_at[message["MessageId"]]),
            "attributes": {},
            "messageAttributes": {},
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn(self.queue_url),
            "awsRegion": "us-east-1",
        }

    def _arn(self, url: str) -> str:
        return str(self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])

    def _count(self, url: str) -> int:
        name = "ApproximateNumberOfMessages"
        return int(self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name])


def event_pattern(bucket: str) -> dict[str, Any]:
    """Return what the template's rule passes on (a test of the template compares)."""
    return {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [bucket]},
            "object": {"key": [{"prefix": "targets/"}, {"prefix": "prompts/"}]},
        },
    }


def _as_s3_says(body: str, at: datetime) -> str:
    """Write what moto gets wrong: the name of the entity tag, and a time that is the function's own."""
    try:
        event = json.loads(body)
        event["detail"]["object"]["etag"] = event["detail"]["object"].pop("eTag")
    except (ValueError, LookupError, TypeError):
        return body  # not of moto's making
    return json.dumps({**event, "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")})
