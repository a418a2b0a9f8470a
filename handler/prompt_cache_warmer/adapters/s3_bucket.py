"""The bucket: the few S3 calls this project makes, with S3's errors turned into ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.aws_answers import EndpointAddressError, NotAwsError
from prompt_cache_warmer.errors import TargetsUnreadableError
from prompt_cache_warmer.values.limits import MAX_TARGET_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from mypy_boto3_s3 import S3Client


_NO_SUCH_KEY = "NoSuchKey"
# S3's answer to a GET of what is not there, where the role may not list the whole bucket; ours may list two prefixes.
# S3 API reference, GetObject, "Permissions"
_DENIED = "AccessDenied"
# In every page of every listing, also of one with nothing in it; an answer without it is a proxy's, or was cut off.
_MARK_OF_A_LISTING = "IsTruncated"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing.

    Attributes:
        key: its key.
        etag: changes whenever its bytes change.
        size_bytes: its size.
        modified_at: when it was put, None where no listing says so.
    """

    key: str
    etag: str
    size_bytes: int
    modified_at: datetime | None = None


class ObjectUnavailableError(Exception):
    """One object could not be read; the message says why, by S3's own error code."""


class ObjectGoneError(ObjectUnavailableError):
    """The object was deleted after it was listed."""


class Bucket:
    """Lists and reads the objects of one bucket.

    Args:
        client: a boto3 S3 client; it is used from several threads at once.
        name: the bucket's name.
    """

    def __init__(self, client: S3Client, name: str) -> None:
        self._client = client
        self.name = name

    def objects(self, prefix: str) -> dict[str, StoredObject]:
        """List every object under a prefix, by key.

        Raises:
            TargetsUnreadableError: when the bucket cannot be listed.
        """
        return {key: found for page in self.pages(prefix) for key, found in page.items()}

    def pages(self, prefix: str) -> Iterator[dict[str, StoredObject]]:
        """List every object under a prefix page by page, each asked for when it is taken.

        Raises:
            TargetsUnreadableError: when the bucket cannot be listed.
        """
        try:
            yield from self._pages(prefix)
        except (BotoCoreError, ClientError) as error:
            raise self._unlisted(prefix, error_word(error)) from error

    def _unlisted(self, prefix: str, why: str) -> TargetsUnreadableError:
        return TargetsUnreadableError(
            f"bucket {self.name!r} could not be listed under {prefix!r}: {why}; "
            "check TARGETS_BUCKET, the function's role and its network path to S3"
        )

    def _pages(self, prefix: str) -> Iterator[dict[str, StoredObject]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        for page in pages:
            if _MARK_OF_A_LISTING not in page:  # read as an empty bucket it would leave every target out, in silence
                raise self._unlisted(prefix, "the answer is no listing")
            yield {
                found["Key"]: StoredObject(found["Key"], found["ETag"], found["Size"], found["LastModified"])
                for found in page.get("Contents", ())
                if not found["Key"].endswith("/")  # the console's folder marks
            }

    def read(self, stored: StoredObject) -> tuple[StoredObject, bytes]:
        """Read an object as it is now, which may be newer than what was listed.

        Returns:
            What was read: its own ETag and size, and its bytes; none of what is larger than a document may be.

        Raises:
            ObjectGoneError: when it was deleted since.
            ObjectUnavailableError: when it cannot be read.
        """
        try:
            answer = self._client.get_object(Bucket=self.name, Key=stored.key)
            if not {"ETag", "ContentLength"} <= answer.keys():  # in every answer of S3's
                raise NotAwsError
            if answer["ContentLength"] > MAX_TARGET_BYTES:  # larger than any document may be, so nobody wants it
                answer["Body"].close()
                return StoredObject(stored.key, answer["ETag"], answer["ContentLength"]), b""
            content = answer["Body"].read()
        except (BotoCoreError, ClientError) as error:
            word = error_word(error)
            is_gone = word == _NO_SUCH_KEY or (word == _DENIED and not self._may_be_there(stored.key))
            kind = ObjectGoneError if is_gone else ObjectUnavailableError
            raise kind(f"{stored.key!r} could not be read: {word}") from error
        if answer["ETag"] == stored.etag and len(content) != stored.size_bytes:  # kept by its ETag, it would stay so
            raise ObjectUnavailableError(
                f"{stored.key!r} could not be read: {len(content):,} bytes came of {stored.size_bytes:,}"
            )
        return StoredObject(stored.key, answer["ETag"], len(content)), content

    def _may_be_there(self, key: str) -> bool:
        """Ask for a listing of just one object; whatever does not say that it is gone leaves it there."""
        try:
            page = self._client.list_objects_v2(Bucket=self.name, Prefix=key, MaxKeys=1)
        except (BotoCoreError, ClientError):
            return True
        found = page.get("Contents", ())
        return _MARK_OF_A_LISTING not in page or any(one["Key"] == key for one in found)


def error_word(error: BotoCoreError | ClientError) -> str:
    """Name an AWS error by its stable code, never by its text, which may hold request details."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "unknown"))
    return str(error) if isinstance(error, (NotAwsError, EndpointAddressError)) else type(error).__name__
