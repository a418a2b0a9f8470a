"""Captured prefixes into the bucket: written only when they are new, and never over what nobody compared.

Everything in the bucket is read as every tick reads it, so that a prompt that stands in an object of its
own counts as what it says. A write carries the ETag that was compared, or the condition that there is
nothing: a change that comes in between is never lost. A document is replaced only where the bucket keeps
its earlier version. The permission to write is the operator's own; the function's role has none.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from prompt_cache_warmer.adapters.aws_answers import NotAwsError
from prompt_cache_warmer.adapters.documents import JSON_SUFFIXES, decode
from prompt_cache_warmer.adapters.s3_bucket import (
    Bucket,
    ObjectGoneError,
    ObjectUnavailableError,
    StoredObject,
    error_word,
)
from prompt_cache_warmer.errors import CaptureError
from prompt_cache_warmer.rules.draft import written
from prompt_cache_warmer.values.problems import ProblemCode
from prompt_cache_warmer.values.references import find_references

if TYPE_CHECKING:
    from prompt_cache_warmer.ports import Index, TargetIndex
    from prompt_cache_warmer.rules.draft import Draft
    from prompt_cache_warmer.values.body import Json
    from prompt_cache_warmer.values.targets import TargetSummary

# S3's words for a condition that does not hold: changed or there; being written right now; deleted since.
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
_UNVERSIONED = "null"  # the version of an object that was written while versioning was suspended


class Outcome(StrEnum):
    """What became of a captured prefix."""

    WRITTEN = "written"  # a new target
    REPLACED = "replaced"  # the target of that name has it now
    SAME = "same"  # the target of that name had it already
    KNOWN = "known"  # a target of another name has it


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a captured prefix, and where it stands.

    Attributes:
        outcome: what was done; nothing was written with ``same`` and ``known``.
        target: the target that has the prefix now; its ``source`` is the key.
        version_id: S3's id of the version that was written, None where none was or the bucket keeps no versions.
        is_versioned: whether the bucket keeps versions, None where nobody looked or may look.
        unused_references: the keys the replaced request referred to; their texts stand in the document now.
        uncompared: the keys of documents that are no valid target, so that nobody knows what prefix they have.
    """

    outcome: Outcome
    target: TargetSummary
    version_id: str | None = None
    is_versioned: bool | None = None
    unused_references: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()


class _ConflictError(Exception):
    """Someone else wrote first."""


class CaptureBucket(Bucket):
    """A bucket that can be written to under a condition, and that knows whether it keeps versions."""

    def versioning(self) -> bool | str:
        """Return whether every write is a version of its own, or S3's word for why that cannot be seen."""
        try:
            return self._client.get_bucket_versioning(Bucket=self.name).get("Status") == "Enabled"
        except (BotoCoreError, ClientError) as error:
            return error_word(error)

    def write(self, key: str, content: bytes, *, etag: str | None) -> tuple[str, str | None]:
        """Write an object where it still has an ETag, or where there is none if that is None.

        Returns:
            The new ETag, and the id of the version, None where the bucket keeps none.

        Raises:
            _ConflictError: when the condition does not hold.
            CaptureError: when the object cannot be written.
        """
        try:
            if etag is None:
                answer = self._client.put_object(
                    Bucket=self.name, Key=key, Body=content, ContentType="application/json", IfNoneMatch="*"
                )
            else:
                answer = self._client.put_object(
                    Bucket=self.name, Key=key, Body=content, ContentType="application/json", IfMatch=etag
                )
            if "ETag" not in answer:  # in every answer of S3's
                raise NotAwsError
        except (BotoCoreError, ClientError) as error:
            word = error_word(error)
            if word in _CONFLICTS:
                raise _ConflictError from error
            raise CaptureError(f"{key!r} could not be written to bucket {self.name!r}: {word}") from error
        version_id = answer.get("VersionId")
        return answer["ETag"], None if version_id == _UNVERSIONED else version_id


async def store_captured(
    bucket: CaptureBucket,
    draft: Draft,
    *,
    targets: TargetIndex,
    targets_prefix: str,
    may_replace: bool,
) -> Stored:
    """Store a captured prefix, if none of the bucket's targets has it.

    A new target goes to ``<targets_prefix><name>.json``. A target of that name keeps everything but its
    prompt, and is not written at all when its prefix, references resolved, is this one already.

    Args:
        bucket: where the targets are.
        draft: the prefix, and what a new target is made of.
        targets: the bucket's targets; they are loaded anew.
        targets_prefix: the prefix of the documents' keys.
        may_replace: whether a target of that name with another prefix is meant to get this one.

    Raises:
        CaptureError: when it may not be stored or could not be; nothing was written.
        TargetsUnreadableError: when the bucket cannot be listed.
    """
    index = await targets.load()
    found = _found(index, draft)
    if found is not None:
        return found
    own = next((target for target in index.targets if target.name == draft.name), None)
    try:
        if own is None:
            return await asyncio.to_thread(_create, bucket, draft, index, f"{targets_prefix}{draft.name}.json")
        if not may_replace:
            message = f"the target {draft.name!r} in {own.source!r} has another prefix by now"
            raise CaptureError(f"{message}; it gets this one only when it is named")
        return await asyncio.to_thread(_replace, bucket, draft, own, index)
    except _ConflictError as error:
        found = _found(await targets.load(), draft)  # perhaps they came with the same prefix
        if found is not None:
            return found
        message = f"someone else changed the target {draft.name!r} in the meantime; nothing was written"
        raise CaptureError(f"{message}: look at it and capture again") from error


def _found(index: Index, draft: Draft) -> Stored | None:
    """Find the target that has the prefix already; a target of the draft's own name decides alone.

    Raises:
        CaptureError: when a document could not be read, so that nobody knows.
    """
    unread = next((problem for problem in index.problems if problem.code is ProblemCode.UNREADABLE), None)
    if unread is not None:
        reason = unread.message.rpartition("; ")[0]  # behind it stands what a tick does
        raise CaptureError(f"{reason}; whether the prefix is new is not known, and nothing was written")
    named = [target for target in index.targets if target.name == draft.name]
    same = [target for target in named or index.targets if target.fingerprint == draft.captured.fingerprint]
    if not same:
        return None
    return Stored(Outcome.SAME if named else Outcome.KNOWN, same[0], uncompared=_uncompared(index))


def _uncompared(index: Index) -> tuple[str, ...]:
    return tuple(sorted(index.invalid_sources))


def _create(bucket: CaptureBucket, draft: Draft, index: Index, key: str) -> Stored:
    """Write a new target, where there is no object."""
    if key in index.invalid_sources:
        raise CaptureError(f"{key!r} is there and is no valid target: correct it, or capture under another name")
    holder = next((target.name for target in index.targets if target.source == key), None)
    if holder is not None:
        raise CaptureError(f"{key!r} holds the target {holder!r}: capture under another name")
    content, target = _target(draft.document(), key)
    versioning = bucket.versioning()
    etag, version_id = bucket.write(key, content, etag=None)
    return Stored(
        Outcome.WRITTEN,
        replace(target, version=etag),
        version_id,
        is_versioned=versioning if isinstance(versioning, bool) else None,
        uncompared=_uncompared(index),
    )


def _replace(bucket: CaptureBucket, draft: Draft, own: TargetSummary, index: Index) -> Stored:
    """Give a target this prefix, in the version of its document that was compared."""
    if not own.source.endswith(JSON_SUFFIXES):
        raise CaptureError(f"{own.source!r} is YAML, and its comments would be lost: put the captured request into it")
    versioning = bucket.versioning()
    if versioning is not True:
        why = "keeps no versions" if versioning is False else f"may keep no versions ({versioning} when it was asked)"
        message = f"bucket {bucket.name!r} {why}, so that the document as it is would be lost"
        raise CaptureError(f"{message}: turn versioning on, or delete the target {own.name!r} first")
    try:
        stored, content = bucket.read(StoredObject(own.source, "", own.size_bytes))
    except ObjectGoneError as error:
        raise _ConflictError from error
    except ObjectUnavailableError as error:
        raise CaptureError(f"{error}; nothing was written") from error
    if own.version.partition("+")[0] != stored.etag:  # behind the plus stand the ETags of what it refers to
        raise _ConflictError
    document = decode(content, own.source)
    renewed, target = _target(draft.renewed(document), own.source)
    etag, version_id = bucket.write(own.source, renewed, etag=stored.etag)
    return Stored(
        Outcome.REPLACED,
        replace(target, version=etag),
        version_id,
        is_versioned=True,
        unused_references=find_references(document),
        uncompared=_uncompared(index),
    )


def _target(document: Json, key: str) -> tuple[bytes, TargetSummary]:
    """Write a document as bytes, if it is a target."""
    content, reading = written(document, key)
    if reading.target is None:
        reasons = "; ".join(f"{problem.path}: {problem.message}" for problem in reading.errors)
        raise CaptureError(f"no valid target comes of this request for {key!r}: {reasons}")
    return content, reading.target.summary
