"""The upload trigger: whether the bucket tells of uploads, and whether the function takes them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.checkup import CheckState, Finding, green, red
from prompt_cache_warmer.wiring.checkup.asking import answered, make_client
from prompt_cache_warmer.wiring.checkup.mappings import not_taking
from prompt_cache_warmer.wiring.checkup.parts import bare_name

if TYPE_CHECKING:
    from collections.abc import Mapping

UPLOADS, UPLOAD_EVENTS = "uploads", "upload-events"

_EVENT_BRIDGE = "EventBridgeConfiguration"
_NO_FACTS = frozenset({"ResponseMetadata", _EVENT_BRIDGE})  # of an answer: no other receiver of notifications
_QUEUE = ":sqs:"


def check_uploads(function: str, bucket: str, *, functions: Any = None, s3: Any = None) -> list[Finding]:  # noqa: ANN401 - boto3 clients
    """Say whether an upload is warmed at once; nothing where the trigger is off (WarmOnUpload).

    Args:
        function: the function's name or ARN.
        bucket: the bucket of its targets.
        functions: a boto3 Lambda client, made when absent.
        s3: a boto3 S3 client, made when absent.
    """
    mappings: list[Mapping[str, Any]] = []

    def taken() -> Finding:
        pages = (functions or make_client("lambda")).get_paginator("list_event_source_mappings")
        for page in pages.paginate(FunctionName=bare_name(function)):
            mappings.extend(one for one in page["EventSourceMappings"] if _QUEUE in one.get("EventSourceArn", ""))
        return _taken(mappings)

    found = answered(UPLOADS, "lambda:ListEventSourceMappings", taken)
    if not mappings:
        return [] if found.state is CheckState.GREEN else [found]
    told = answered(UPLOAD_EVENTS, "s3:GetBucketNotification", lambda: _told(s3 or make_client("s3"), bucket))
    return [found, told]


def _taken(mappings: list[Mapping[str, Any]]) -> Finding:
    off = not_taking(UPLOADS, mappings, "the function takes no uploads")
    return off or green(UPLOADS, "the function takes uploads from their queue")


def _told(s3: Any, bucket: str) -> Finding:  # noqa: ANN401 - a boto3 client
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    if _EVENT_BRIDGE in found:
        return green(UPLOAD_EVENTS, f"{bucket} tells EventBridge of uploads")
    name = shlex.quote(bucket)
    put = f"aws s3api put-bucket-notification-configuration --bucket {name} --notification-configuration"
    fix = f"{put} '{{\"{_EVENT_BRIDGE}\": {{}}}}'"
    if set(found) - _NO_FACTS:
        get = f"aws s3api get-bucket-notification-configuration --bucket {name}"
        fix = f'add "{_EVENT_BRIDGE}": {{}} to what this prints, because putting it back replaces all: {get}; {put} file://all.json'
    return red(UPLOAD_EVENTS, f"{bucket} tells EventBridge of no upload: targets wait for the next tick", fix=fix)
