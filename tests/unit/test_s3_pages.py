"""Documents are read while the bucket is still being listed, and a listing that breaks off ends the whole load."""

from __future__ import annotations

import json
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from prompt_cache_warmer.adapters.body_cache import BodyCache
from prompt_cache_warmer.adapters.s3_bucket import Bucket, StoredObject
from prompt_cache_warmer.adapters.s3_targets import S3Targets
from prompt_cache_warmer.errors import TargetsUnreadableError
from tests.fakes import document

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_SECONDS = 5.0  # only a load that is not parallel waits for so long
ROOM_BYTES = 100_000_000


class PagedBucket(Bucket):
    """A bucket of two pages of one document each; the second comes when the first's document was read."""

    def __init__(self) -> None:
        super().__init__(None, "b-1")  # type: ignore[arg-type] # nothing here asks S3
        self.contents = {f"targets/{name}.json": json.dumps(document(name)).encode() for name in ("a", "b")}
        self.first_read = Event()
        self.was_read_in_time = False
        self.reads: list[str] = []
        self.breaks_off = False

    def pages(self, prefix: str) -> Iterator[dict[str, StoredObject]]:
        """List the documents, one a page; there is nothing they could refer to."""
        if prefix != "targets/":
            return
        for number, (key, content) in enumerate(self.contents.items()):
            if number:
                self.was_read_in_time = self.first_read.wait(PATIENCE_SECONDS)
                if self.breaks_off:
                    raise TargetsUnreadableError("no second page")
            yield {key: StoredObject(key, f"e-{len(content)}", len(content))}

    def read(self, stored: StoredObject) -> tuple[StoredObject, bytes]:
        """Read a document."""
        self.reads.append(stored.key)
        self.first_read.set()
        return stored, self.contents[stored.key]


def targets(bucket: PagedBucket) -> S3Targets:
    """Return the targets of a bucket."""
    cache: Any = BodyCache(0)
    return S3Targets(
        bucket, targets_prefix="targets/", prompts_prefix="prompts/", bodies=cache, max_inflight_bytes=ROOM_BYTES
    )


async def test_a_document_is_read_while_the_next_page_is_listed() -> None:
    """The second page waits for the first document, and does not wait for long."""
    bucket = PagedBucket()
    index = await targets(bucket).load()
    assert bucket.was_read_in_time
    assert [target.name for target in index.targets] == ["a", "b"]


async def test_a_document_that_is_gone_from_every_page_is_forgotten() -> None:
    """What was known of it is read anew when it comes back, and what stayed is not."""
    bucket = PagedBucket()
    loaded = targets(bucket)
    await loaded.load()
    gone = bucket.contents.pop("targets/b.json")
    assert [target.name for target in (await loaded.load()).targets] == ["a"]
    bucket.contents["targets/b.json"] = gone
    assert [target.name for target in (await loaded.load()).targets] == ["a", "b"]
    assert bucket.reads == ["targets/a.json", "targets/b.json", "targets/b.json"]


async def test_a_listing_that_breaks_off_ends_the_load_with_its_own_error() -> None:
    """No part of a bucket stands for the whole of it, and nobody has to look into a group of errors."""
    bucket = PagedBucket()
    bucket.breaks_off = True
    with pytest.raises(TargetsUnreadableError, match="no second page"):
        await targets(bucket).load()
