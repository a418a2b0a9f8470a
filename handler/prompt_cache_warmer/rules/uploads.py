"""Uploads: what EventBridge says of objects that were put into a bucket, each by itself or in messages of a queue.

An upload is acted on if it lies where this deployment reads. One that lies elsewhere, or was deleted, is ignored
with its reason. Of a batch from a queue each message is read by itself: one that is not understood goes back to the
queue, and in the end to the queue of failures, while the others are acted on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.values.problems import named, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

CREATED = "Object Created"
DELETED = "Object Deleted"  # nobody subscribes to it, and a wider rule of somebody's own may send it

_KIND = "detail-type"
_QUEUE = "aws:sqs"  # where Lambda says that the records of an event come from
_TIME_EXAMPLE = "2026-11-22T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Watched:
    """Where a deployment reads.

    Attributes:
        bucket: its bucket's name.
        targets_prefix: the prefix of its documents' keys.
        prompts_prefix: the prefix of what they may refer to.
    """

    bucket: str
    targets_prefix: str
    prompts_prefix: str


@dataclass(frozen=True, slots=True)
class Upload:
    """One object that was put where this deployment reads.

    Attributes:
        key: its key.
        etag: its entity tag, without quotes; it changes whenever its bytes change.
        at: when it was put, to the second: which upload it is, however often and however late it is told of.
    """

    key: str
    etag: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ignored:
    """An upload or a message that is not acted on.

    Attributes:
        place: the object's key, or the message's place in the event.
        reason: why, in words.
        message_id: the queue's id of a message that goes back to the queue; None for one that is done with.
    """

    place: str
    reason: str
    message_id: str | None = None

    def as_json(self) -> dict[str, str]:
        """Return it as the log and the report show it."""
        line = {"place": self.place, "reason": self.reason}
        return line if self.message_id is None else {**line, "message_id": self.message_id}


def read_upload(event: Mapping[str, Any], watched: Watched, *, place: str = "") -> Upload | Ignored:
    """Read EventBridge's event of one object.

    Args:
        event: the event.
        watched: where this deployment reads.
        place: where the event stands in the invocation's, with a dot at its end.

    Raises:
        EventError: naming the place, its value and what is allowed.
    """
    kind = event.get(_KIND)
    if kind not in (CREATED, DELETED):
        raise not_allowed(f"{place}{_KIND}", kind, f"{CREATED!r}, {DELETED!r}")
    detail = _object(event, "detail", place)
    bucket = text_in(_object(detail, "bucket", f"{place}detail."), "name", f"{place}detail.bucket.")
    stored, inside = _object(detail, "object", f"{place}detail."), f"{place}detail.object."
    key = text_in(stored, "key", inside)
    if reason := _elsewhere(bucket, key, watched):
        return Ignored(named(key), reason)
    if kind == DELETED:
        return Ignored(key, "it was deleted; the next tick knows")
    return Upload(key, text_in(stored, "etag", inside).strip('"'), time_in(event, "time", place))


def read_batch(records: object, read: Callable[[Mapping[str, Any], str, str], T]) -> list[T | Ignored]:
    """Read a batch of a queue's messages.

    Args:
        records: the event's ``Records``.
        read: reads a message's body; told where it stands, with a dot at its end, and the message's id.

    Returns:
        What was read of each; a message that is not understood is ignored, and goes back to the queue by its id.

    Raises:
        EventError: when it is no batch of a queue's.
    """
    if not isinstance(records, list):
        raise not_allowed("Records", records, "a list of messages")
    found: list[T | Ignored] = []
    for number, record in enumerate(records):
        place = f"Records[{number}]"
        if not isinstance(record, dict):
            raise not_allowed(place, record, "an object")
        if record.get("eventSource") != _QUEUE:
            raise not_allowed(f"{place}.eventSource", record.get("eventSource"), repr(_QUEUE))
        message_id = text_in(record, "messageId", f"{place}.")
        try:
            found.append(read(_body(record, place), f"{place}.body.", message_id))
        except EventError as error:
            found.append(Ignored(place, str(error), message_id))
    return found


def moment(written: str) -> datetime:
    """Read a time; one without an offset is UTC's.

    Raises:
        ValueError: when it is no time.
        OverflowError: when it is out of every calendar.
    """
    at = datetime.fromisoformat(written)
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def failures_json(ignored: Sequence[Ignored]) -> list[dict[str, str]]:
    """Name the messages that go back to the queue, as Lambda reads it from a function's answer."""
    return [{"itemIdentifier": one.message_id} for one in ignored if one.message_id is not None]


def _body(record: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    text = text_in(record, "body", f"{place}.")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise EventError(
            f"the event's {place}.body is not JSON; allowed: an event of EventBridge's, or due entries"
        ) from None
    if not isinstance(body, dict):
        raise not_allowed(f"{place}.body", body, "an object")
    return body


def _elsewhere(bucket: str, key: str, watched: Watched) -> str:
    """Say why an object is none of this deployment's; nothing where it is one."""
    if bucket != watched.bucket:
        return f"it is in bucket {named(bucket)}; this deployment reads {watched.bucket!r}"
    if not key.startswith((watched.targets_prefix, watched.prompts_prefix)):
        return f"it is neither under {watched.targets_prefix!r} nor under {watched.prompts_prefix!r}"
    return "it is a folder's mark, as the S3 console makes them" if key.endswith("/") else ""


def _object(event: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    value = event.get(name)
    if not isinstance(value, dict):
        raise not_allowed(place + name, value, "an object")
    return value


def text_in(event: Mapping[str, Any], name: str, place: str) -> str:
    """Read a field that must be a text, and not an empty one."""
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise not_allowed(place + name, value, "a text")
    return value


def time_in(event: Mapping[str, Any], name: str, place: str) -> datetime:
    """Read a field that must be a time."""
    written = text_in(event, name, place)
    try:
        return moment(written)
    except (ValueError, OverflowError):
        raise not_allowed(f"{place}{name}", written, f"a time such as {_TIME_EXAMPLE!r}") from None


def number_in(event: Mapping[str, Any], name: str, place: str) -> int:
    """Read a field that must be a number of things."""
    value = event.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise not_allowed(place + name, value, "a whole number from 0")
    return value


def not_allowed(place: str, value: object, allowed: str) -> EventError:
    """Make the error of a value that is not allowed."""
    return EventError(f"the event's {place}={shown(value)} is not allowed; allowed: {allowed}")
