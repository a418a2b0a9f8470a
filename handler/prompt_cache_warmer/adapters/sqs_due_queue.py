"""The workers' queue on SQS: due entries are sent in as few requests as it takes, and each message is accounted for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.s3_bucket import error_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, Protocol

    class SqsClient(Protocol):
        """What is used of a boto3 SQS client."""

        @property
        def send_message_batch(self) -> Callable[..., Mapping[str, Any]]:
            """Send up to ten messages."""


# SQS's own limits of one request.
MESSAGES_PER_REQUEST = 10
REQUEST_BYTES = 1_048_576
ATTEMPTS = 2  # a message that SQS says it did not take is sent once more; the next tick is the third attempt


class SqsDueQueue:
    """A ``DueQueue`` on SQS.

    Args:
        client: a boto3 SQS client.
        url: the queue's address.
    """

    def __init__(self, client: SqsClient, url: str) -> None:
        self._client = client
        self._url = url

    async def send(self, bodies: Sequence[str]) -> Mapping[int, str]:
        """Send messages.

        Returns:
            Why, by its place among them, for each that the queue did not take.
        """
        return await asyncio.to_thread(self._send, bodies)

    def _send(self, bodies: Sequence[str]) -> dict[int, str]:
        refused: dict[int, str] = {}
        for request in _requests(bodies):
            try:
                refused |= self._send_some(request)
            except BotoCoreError as error:  # nobody answers: to wait for that again and again would take the whole run
                return refused | dict.fromkeys(range(min(request), len(bodies)), error_word(error))
        return refused

    def _send_some(self, request: Mapping[int, str]) -> dict[int, str]:
        """Send the messages of one request; what is not said to be taken was not."""
        refused = dict.fromkeys(request, "SQS did not answer for it")
        for _ in range(ATTEMPTS):
            entries = [{"Id": str(place), "MessageBody": request[place]} for place in refused]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except ClientError as error:
                return dict.fromkeys(refused, error_word(error))
            refused |= {int(one["Id"]): str(one["Code"]) for one in answer.get("Failed", ())}
            for one in answer.get("Successful", ()):
                refused.pop(int(one["Id"]), None)
            if not refused:
                break
        return refused


def _requests(bodies: Sequence[str]) -> Iterator[dict[int, str]]:
    request: dict[int, str] = {}
    free_bytes = REQUEST_BYTES
    for place, body in enumerate(bodies):
        size_bytes = len(body.encode())
        if request and (len(request) == MESSAGES_PER_REQUEST or size_bytes > free_bytes):
            yield request
            request, free_bytes = {}, REQUEST_BYTES
        request[place] = body
        free_bytes -= size_bytes
    if request:
        yield request
