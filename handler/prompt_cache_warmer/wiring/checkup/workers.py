"""The workers of the fan-out: whether somebody takes what a tick sends, and can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from prompt_cache_warmer.adapters.s3_bucket import error_word
from prompt_cache_warmer.rules.checkup import Finding, green, red
from prompt_cache_warmer.wiring.checkup.asking import answered, make_client
from prompt_cache_warmer.wiring.checkup.mappings import not_taking
from prompt_cache_warmer.wiring.checkup.parts import DEPLOY, bare_name, check_function

if TYPE_CHECKING:
    from collections.abc import Mapping

DUE_QUEUE, WORKERS, WORKER_FUNCTION = "due-queue", "workers", "worker-function"

_ARN = "QueueArn"
_NO_QUEUE = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


def check_workers(queue_url: str | None) -> list[Finding]:
    """Say whether what a tick sends is called; nothing where the function makes the calls itself (FanOut).

    Args:
        queue_url: where the function's settings say that it sends what is due; None where it calls.
    """
    if queue_url is None:
        return []
    arns: list[str] = []
    mappings: list[Mapping[str, Any]] = []

    def there() -> Finding:
        try:
            told = make_client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=[_ARN])
        except ClientError as error:
            if error_word(error) not in _NO_QUEUE:
                raise
            return red(DUE_QUEUE, f"there is no queue {queue_url}: what is due goes nowhere", fix=DEPLOY)
        arns.append(told["Attributes"][_ARN])
        return green(DUE_QUEUE, f"what is due is sent to {queue_url.rpartition('/')[2]}")

    def taken() -> Finding:
        pages = make_client("lambda").get_paginator("list_event_source_mappings")
        for page in pages.paginate(EventSourceArn=arns[0]):
            mappings.extend(page["EventSourceMappings"])
        if not mappings:
            return red(WORKERS, "no function takes what a tick sends: nothing is called", fix=DEPLOY)
        off = not_taking(WORKERS, mappings, "the workers take nothing, and nothing is called")
        return off or green(WORKERS, f"{bare_name(mappings[0]['FunctionArn'])} takes what a tick sends")

    found = [answered(DUE_QUEUE, "sqs:GetQueueAttributes", there)]
    if arns:
        found.append(answered(WORKERS, "lambda:ListEventSourceMappings", taken))
    if mappings:
        found += check_function(bare_name(mappings[0]["FunctionArn"]), check=WORKER_FUNCTION)
    return found
