"""The workers' queue on SQS: every message arrives or is named with its reason, whatever SQS or the network says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from prompt_cache_warmer.adapters.sqs_due_queue import REQUEST_BYTES, SqsDueQueue
from prompt_cache_warmer.wiring.aws import aws_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.aws import LocalAws


class Sqs:
    """An SQS client that refuses what it is told to.

    Args:
        answer: takes the numbers of a request's messages and what number request it is; returns the codes of those
            that are refused, or raises.
    """

    def __init__(self, answer: Callable[[list[str], int], Mapping[str, str]]) -> None:
        self._answer = answer
        self.requests: list[list[str]] = []
        self.leaves_out: set[str] = set()

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's
        """Answer as SQS does."""
        assert QueueUrl == "https://q"
        ids = [entry["Id"] for entry in Entries]
        self.requests.append(ids)
        refused = self._answer(ids, len(self.requests))
        answer: dict[str, Any] = {
            "Successful": [{"Id": one} for one in ids if one not in refused and one not in self.leaves_out]
        }
        if refused:
            answer["Failed"] = [{"Id": one, "Code": code, "SenderFault": False} for one, code in refused.items()]
        return answer


async def test_messages_arrive_as_they_are_and_ten_at_a_time(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real client and a real queue: 23 messages are three requests."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="due")["QueueUrl"]
    client = aws_client("sqs")
    sizes: list[int] = []
    client.meta.events.register(
        "before-call.sqs.SendMessageBatch", lambda params, **_: sizes.append(len(json.loads(params["body"])["Entries"]))
    )
    bodies = [json.dumps({"number": number, "key": "ü\u2028"}) for number in range(23)]
    assert await SqsDueQueue(client, url).send(bodies) == {}
    found: list[str] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    assert sorted(found) == sorted(bodies)
    assert sizes == [10, 10, 3]


async def test_a_queue_that_is_not_there_is_named_by_its_code(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message is refused, each request by itself."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in aws.environment().items():
        monkeypatch.setenv(name, value)
    queue = SqsDueQueue(aws_client("sqs"), f"{aws.endpoint_url}/123456789012/nobodys")
    refused = await queue.send(["{}"] * 11)
    assert refused == dict.fromkeys(range(11), refused[0])
    assert refused[0].endswith(("NonExistentQueue", "QueueDoesNotExist"))


async def test_what_is_refused_once_is_sent_once_more() -> None:
    """Alone, and what is taken then is not named."""
    sqs = Sqs(lambda _, number: {"3": "InternalError", "5": "InternalError"} if number == 1 else {})
    assert await SqsDueQueue(sqs, "https://q").send(["{}"] * 12) == {}
    assert sqs.requests == [list(map(str, range(10))), ["3", "5"], ["10", "11"]]


async def test_what_is_refused_twice_is_named_and_the_rest_goes_on() -> None:
    """With the code of the last refusal."""
    sqs = Sqs(lambda ids, number: {"3": f"code-{number}"} if "3" in ids else {})
    assert await SqsDueQueue(sqs, "https://q").send(["{}"] * 12) == {3: "code-2"}
    assert sqs.requests[-1] == ["10", "11"]


async def test_what_sqs_says_nothing_of_was_not_taken() -> None:
    """Only a message that is named as taken is believed to be."""
    sqs = Sqs(lambda *_: {})
    sqs.leaves_out = {"1"}
    assert await SqsDueQueue(sqs, "https://q").send(["{}"] * 2) == {1: "SQS did not answer for it"}
    assert sqs.requests == [["0", "1"], ["1"]]


async def test_a_request_that_sqs_refuses_does_not_sink_the_next() -> None:
    """Whoever answers answers quickly."""

    def answer(ids: list[str], _: int) -> dict[str, str]:
        if "0" in ids:
            raise ClientError({"Error": {"Code": "Throttled", "Message": "a secret"}}, "SendMessageBatch")
        return {}

    sqs = Sqs(answer)
    assert await SqsDueQueue(sqs, "https://q").send(["{}"] * 12) == dict.fromkeys(range(10), "Throttled")


async def test_silence_is_not_waited_for_again() -> None:
    """Where nobody answers, the rest is given up at once: each attempt may take the better part of a minute."""

    def answer(ids: list[str], _: int) -> dict[str, str]:
        if "10" in ids:
            raise EndpointConnectionError(endpoint_url="https://q")
        return {}

    sqs = Sqs(answer)
    found = await SqsDueQueue(sqs, "https://q").send(["{}"] * 35)
    assert found == dict.fromkeys(range(10, 35), "EndpointConnectionError")
    assert len(sqs.requests) == 2


@pytest.mark.parametrize(
    ("sizes", "requests"),
    [
        ([REQUEST_BYTES], [["0"]]),
        ([REQUEST_BYTES, 1], [["0"], ["1"]]),
        ([REQUEST_BYTES - 2, 2, 1], [["0", "1"], ["2"]]),
        ([], []),
    ],
)
async def test_a_request_is_never_larger_than_sqs_takes(sizes: list[int], requests: list[list[str]]) -> None:
    """1 MiB of bodies together, in bytes and not in characters."""
    sqs = Sqs(lambda *_: {})
    bodies = ["ü" * (size // 2) + "x" * (size % 2) for size in sizes]
    assert await SqsDueQueue(sqs, "https://q").send(bodies) == {}
    assert sqs.requests == requests
