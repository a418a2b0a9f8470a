"""A bucket that tells how far the reading of its documents has come, for whoever waits for thousands of them."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from prompt_cache_warmer.adapters.s3_bucket import Bucket, StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

Told = Callable[[int, int], object]
"""Takes how many documents are read and how many there are; called from several threads, one at a time."""


class WatchedBucket(Bucket):
    """A bucket whose reading is watched.

    Args:
        client: a boto3 S3 client; it is used from several threads at once.
        name: the bucket's name.
        prefix: the prefix of the documents' keys; what they refer to is not counted.
        told: told of every document that is read.
    """

    def __init__(self, client: S3Client, name: str, *, prefix: str, told: Told) -> None:
        super().__init__(client, name)
        self._prefix = prefix
        self._told = told
        self._lock = Lock()
        self._read = self._total = 0

    def pages(self, prefix: str) -> Iterator[dict[str, StoredObject]]:
        """List every object under a prefix page by page; all of them first, so that it is known how many there are.

        Raises:
            TargetsUnreadableError: when the bucket cannot be listed.
        """
        pages = list(super().pages(prefix))
        if prefix == self._prefix:
            self._total = sum(map(len, pages))
        yield from pages

    def read(self, stored: StoredObject) -> tuple[StoredObject, bytes]:
        """Read an object as it is now, and tell of it.

        Raises:
            ObjectGoneError: when it was deleted since.
            ObjectUnavailableError: when it cannot be read.
        """
        try:
            return super().read(stored)
        finally:
            if stored.key.startswith(self._prefix):
                with self._lock:
                    self._read += 1
                    self._told(self._read, self._total)
