"""Five thousand targets: all indexed, and an unchanged one is never read again."""

from __future__ import annotations

import json
from collections import Counter

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.s3_bucket import Bucket, StoredObject
from prompt_cache_warmer.adapters.s3_targets import S3Targets

TARGETS = 5_000


class CountedBucket(Bucket):
    """A bucket in memory that counts what is read."""

    def __init__(self) -> None:
        self.reads: Counter[str] = Counter()
        self.changed: set[str] = set()

    def objects(self, prefix: str) -> dict[str, StoredObject]:
        """List the documents; there are no prompts."""
        if prefix != "targets/":
            return {}
        keys = [f"targets/{number:05}.json" for number in range(TARGETS)]
        return {key: StoredObject(key, f"etag-{key in self.changed}", 400) for key in keys}

    def read(self, stored: StoredObject) -> bytes:
        """Read a document."""
        self.reads[stored.key] += 1
        name = stored.key.removeprefix("targets/").removesuffix(".json")
        request = {"system": f"You are number {name}."}
        whole = {"name": f"t{name}", "models": ["claude-sonnet-4-6"], "keep": "always", "request": request}
        return json.dumps(whole).encode()


async def test_five_thousand_targets_are_indexed_and_read_once() -> None:
    """The first tick reads all, the second none, the third the one that changed; memory keeps no body."""
    bucket = CountedBucket()
    targets = S3Targets(
        bucket,
        targets_prefix="targets/",
        prompts_prefix="prompts/",
        bodies=BodyCache(0),
        max_inflight_bytes=1_000_000,
    )
    assert len((await targets.load()).targets) == TARGETS
    assert (len(bucket.reads), max(bucket.reads.values())) == (TARGETS, 1)
    bucket.reads.clear()
    assert len((await targets.load()).targets) == TARGETS
    assert bucket.reads == {}
    bucket.changed.add("targets/00042.json")
    await targets.load()
    assert bucket.reads == {"targets/00042.json": 1}
