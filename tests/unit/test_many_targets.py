"""Five thousand targets: all indexed, and an unchanged one is never read again."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.s3_bucket import Bucket, StoredObject
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.values.problems import ProblemCode

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGETS, PAGE = 5_000, 1_000


class CountedBucket(Bucket):
    """A bucket in memory that counts what is read."""

    def __init__(self) -> None:
        self.reads: Counter[str] = Counter()
        self.changed: set[str] = set()

    def pages(self, prefix: str) -> Iterator[dict[str, StoredObject]]:
        """List the documents; there are no prompts."""
        for first in range(0, TARGETS if prefix == "targets/" else 0, PAGE):
            keys = [f"targets/{number:05}.json" for number in range(first, first + PAGE)]
            yield {key: StoredObject(key, f"etag-{key in self.changed}", 400) for key in keys}

    def read(self, stored: StoredObject) -> tuple[StoredObject, bytes]:
        """Read a document."""
        self.reads[stored.key] += 1
        name = stored.key.removeprefix("targets/").removesuffix(".json")
        request = {"system": f"You are number {name}."}
        whole = {"name": f"t{name}", "models": ["claude-sonnet-4-6"], "keep": "always", "request": request}
        return stored, json.dumps(whole).encode()


def indexed(bucket: CountedBucket, *, call_seconds: float = 0.0) -> S3Targets:
    """Return the index of a bucket, without room for bodies."""
    return S3Targets(
        bucket,
        targets_prefix="targets/",
        prompts_prefix="prompts/",
        bodies=BodyCache(0),
        max_inflight_bytes=1_000_000,
        call_seconds=call_seconds,
    )


@pytest.mark.parametrize(("call_seconds", "until_seconds"), [(0, 55), (65, 87.5), (95, 102.5), (120, 55)])
async def test_reading_leaves_half_of_the_time_in_which_calls_start(call_seconds: float, until_seconds: float) -> None:
    """Of 110 s, where a call needs 65: reading ends with 87.5 left, and calls start for 22.5 s after it.

    Where none could start, half of the time is for reading.
    """
    asked = 0

    def remaining_seconds() -> float:
        nonlocal asked
        asked += 1
        return 110.0 if asked == 1 else until_seconds if asked <= 100 else until_seconds - 0.1

    index = await indexed(CountedBucket(), call_seconds=call_seconds).load(remaining_seconds=remaining_seconds)
    assert len(index.targets) == 99


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
async def test_reading_stops_at_half_of_the_time_and_goes_on_at_the_next_tick() -> None:
    """Here each look at the clock takes a second: 1,000 s are enough for some hundred documents a tick."""
    bucket = CountedBucket()
    targets = indexed(bucket)
    left = 1_000.0

    def remaining_seconds() -> float:
        nonlocal left
        left -= 1
        return left

    first = await targets.load(remaining_seconds=remaining_seconds)
    assert 400 < len(first.targets) < 600
    assert left > 400 - TARGETS  # what was passed over was looked at once, and not read
    assert len(bucket.reads) == len(first.targets)
    unread = [problem for problem in first.problems if problem.code is ProblemCode.NOT_READ_YET]
    assert len(unread) == TARGETS - len(first.targets)
    assert first.invalid_sources == frozenset()
    second = await targets.load()
    assert (len(second.targets), second.problems, max(bucket.reads.values())) == (TARGETS, second.problems, 1)


@pytest.mark.untraced  # long, and all it runs is covered by others: traced, it takes some times as long
async def test_five_thousand_targets_are_indexed_and_read_once() -> None:
    """The first tick reads all, the second none, the third the one that changed; memory keeps no body."""
    bucket = CountedBucket()
    targets = indexed(bucket)
    assert len((await targets.load()).targets) == TARGETS
    assert (len(bucket.reads), max(bucket.reads.values())) == (TARGETS, 1)
    bucket.reads.clear()
    assert len((await targets.load()).targets) == TARGETS
    assert bucket.reads == {}
    bucket.changed.add("targets/00042.json")
    await targets.load()
    assert bucket.reads == {"targets/00042.json": 1}
