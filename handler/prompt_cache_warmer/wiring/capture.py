"""What a capture writes to: the bucket of a stack, and the targets it is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.s3_capture import CaptureBucket, Stored, store_captured
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.wiring.aws import aws_client

if TYPE_CHECKING:
    from prompt_cache_warmer.rules.draft import Draft
    from prompt_cache_warmer.settings import Settings

_NO_BODIES = 0  # bytes: prefixes are compared by their fingerprints, so no body is asked for again


async def capture_into(settings: Settings, draft: Draft, *, may_replace: bool) -> Stored:
    """Store a captured prefix in a stack's bucket, if none of its targets has it.

    Args:
        settings: the bucket, its prefixes, and how many bytes may be read at once.
        draft: the prefix, and what a new target is made of.
        may_replace: whether a target of that name with another prefix is meant to get this one.

    Raises:
        CaptureError: when it may not be stored or could not be; nothing was written.
        TargetsUnreadableError: when the bucket cannot be listed.
    """
    bucket = CaptureBucket(aws_client("s3"), settings.targets_bucket)
    targets = S3Targets(
        bucket,
        targets_prefix=settings.targets_prefix,
        prompts_prefix=settings.prompts_prefix,
        bodies=BodyCache(_NO_BODIES),
        max_inflight_bytes=settings.max_inflight_bytes,
    )
    return await store_captured(
        bucket, draft, targets=targets, targets_prefix=settings.targets_prefix, may_replace=may_replace
    )
