"""Uploads: what EventBridge says of them, by itself or in a queue's messages, and what is none of this deployment's."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.rules.order import Order, Trigger
from prompt_cache_warmer.rules.uploads import Ignored, Upload, Watched, failures_json

WATCHED = Watched("my-bucket", "targets/", "prompts/")
AT = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
ETAG = "b1946ac92492d2347c6235b4d2611184"


def event(key: str = "targets/a.json", **changes: Any) -> dict[str, Any]:
    """Return EventBridge's event of an upload, as S3's documentation shows it."""
    whole = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-22T12:00:05Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:s3:::my-bucket"],
        "detail": {
            "version": "0",
            "bucket": {"name": "my-bucket"},
            "object": {"key": key, "size": 5, "etag": ETAG, "version-id": "v1", "sequencer": "617f08299329d189"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }
    return {**whole, **changes}


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the event with another value at a place, or without it."""
    whole = event()
    *steps, last = path.split(".")
    here = whole
    for step in steps:
        here = here[step]
    if value is None:
        del here[last]
    else:
        here[last] = value
    return whole


def message(body: object, message_id: str = "m-1", **changes: Any) -> dict[str, Any]:
    """Return a message as Lambda hands it over."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": message_id, "body": text, "eventSource": "aws:sqs", **changes}


def batch(*records: dict[str, Any]) -> tuple[tuple[Upload, ...] | None, tuple[Ignored, ...]]:
    """Read a queue's messages; returns the uploads and what is not acted on."""
    order = Order.from_event({"Records": list(records)}, watched=WATCHED)
    return order.uploads, order.ignored


def test_an_upload_is_understood_by_itself() -> None:
    """A rule that has the function for its target sends the event as it is."""
    order = Order.from_event(event(), watched=WATCHED)
    assert order == Order(
        uploads=(Upload("targets/a.json", ETAG, AT),), execution_id="17793124-05d4-b198-2fde-7ededc63b103"
    )
    assert (order.trigger, order.is_selection, order.is_batch) == (Trigger.UPLOAD, True, False)


def test_an_etag_is_known_with_and_without_its_quotes() -> None:
    """S3's listings quote it, its events do not."""
    (upload,) = Order.from_event(changed("detail.object.etag", f'"{ETAG}"'), watched=WATCHED).uploads or ()
    assert upload.etag == ETAG


@pytest.mark.parametrize(
    ("told", "ignored"),
    [
        (
            changed("detail.bucket.name", "other"),
            Ignored("'targets/a.json'", "it is in bucket 'other'; this deployment reads 'my-bucket'"),
        ),
        (event("logs/a.json"), Ignored("'logs/a.json'", "it is neither under 'targets/' nor under 'prompts/'")),
        (
            event("targets/"),
            Ignored("'targets/'", "it is a folder's mark, as the S3 console makes them"),
        ),
        (event(**{"detail-type": "Object Deleted"}), Ignored("targets/a.json", "it was deleted; the next tick knows")),
    ],
    ids=["another bucket", "another prefix", "a folder", "deleted"],
)
def test_what_is_none_of_this_deployments_is_ignored_with_its_reason(told: dict[str, Any], ignored: Ignored) -> None:
    """A wider rule of somebody's own is no error."""
    assert Order.from_event(told, watched=WATCHED).ignored == (ignored,)
    assert Order.from_event(told, watched=WATCHED).uploads == ()
    assert batch(message(told)) == ((), (ignored,))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("detail", None, "detail=null is not allowed; allowed: an object"),
        ("detail", [1], "detail=a list of 1 is not allowed; allowed: an object"),
        ("detail.bucket", "my-bucket", "detail.bucket='my-bucket' is not allowed; allowed: an object"),
        ("detail.bucket.name", None, "detail.bucket.name=null is not allowed; allowed: a text"),
        ("detail.object", None, "detail.object=null is not allowed; allowed: an object"),
        ("detail.object.key", 5, "detail.object.key=5 is not allowed; allowed: a text"),
        ("detail.object.key", "", "detail.object.key='' is not allowed; allowed: a text"),
        ("detail.object.etag", None, "detail.object.etag=null is not allowed; allowed: a text"),
        ("time", None, "time=null is not allowed; allowed: a text"),
        ("time", "noon", "time='noon' is not allowed; allowed: a time such as '2026-11-22T12:00:00Z'"),
        (
            "time",
            "0001-01-01T00:00:00+10:00",
            "time='0001-01-01T00:00:00+10:00' is not allowed; allowed: a time such as '2026-11-22T12:00:00Z'",
        ),
    ],
)
def test_a_shape_nobody_knows_is_an_error_that_names_the_place(path: str, value: object, said: str) -> None:
    """By itself it fails the run; in a batch its message goes back and the others are acted on."""
    told = changed(path, value)
    with pytest.raises(EventError) as caught:
        Order.from_event(told, watched=WATCHED)
    assert str(caught.value) == f"the event's {said}"
    uploads, ignored = batch(message(event("prompts/p.md")), message(told, "m-2"))
    assert uploads == (Upload("prompts/p.md", ETAG, AT),)
    assert ignored == (Ignored("Records[1]", f"the event's Records[1].body.{said}", "m-2"),)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("not JSON", "Records[0].body is not JSON; allowed: an event of EventBridge's, or due entries"),
        ("[" * 200_000, "Records[0].body is not JSON; allowed: an event of EventBridge's, or due entries"),
        ("[]", "Records[0].body=a list of 0 is not allowed; allowed: an object"),
        ("{}", "Records[0].body.detail-type=null is not allowed; allowed: 'Object Created', 'Object Deleted'"),
        (
            {"detail-type": "Scheduled Event"},
            "Records[0].body.detail-type='Scheduled Event' is not allowed; allowed: 'Object Created', 'Object Deleted'",
        ),
        ("", "Records[0].body='' is not allowed; allowed: a text"),
    ],
    ids=["no JSON", "too deep", "a list", "empty", "a tick", "nothing"],
)
def test_a_message_that_is_not_understood_goes_back_to_the_queue(body: object, said: str) -> None:
    """It is named in the log, and Lambda is told its id."""
    order = Order.from_event({"Records": [message(body, "m-7")]}, watched=WATCHED)
    assert order == Order(uploads=(), ignored=(Ignored("Records[0]", f"the event's {said}", "m-7"),), is_batch=True)
    assert failures_json(order.ignored) == [{"itemIdentifier": "m-7"}]


def test_a_batch_is_read_in_its_order_and_only_what_failed_goes_back() -> None:
    """Two uploads, one elsewhere and one that is no JSON: one id goes back."""
    records = [
        message(event("targets/b.json"), "m-1"),
        message("{", "m-2"),
        message(event("elsewhere"), "m-3"),
        message(event("targets/a.json"), "m-4"),
    ]
    order = Order.from_event({"Records": records}, watched=WATCHED)
    assert [upload.key for upload in order.uploads or ()] == ["targets/b.json", "targets/a.json"]
    assert [one.message_id for one in order.ignored] == ["m-2", None]
    assert [sorted(one.as_json()) for one in order.ignored] == [["message_id", "place", "reason"], ["place", "reason"]]
    assert failures_json(order.ignored) == [{"itemIdentifier": "m-2"}]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"Records": {}}, "the event's Records=an object of 0 fields is not allowed; allowed: a list of messages"),
        ({"Records": ["m"]}, "the event's Records[0]='m' is not allowed; allowed: an object"),
        (
            {"Records": [{"eventSource": "aws:s3"}]},
            "the event's Records[0].eventSource='aws:s3' is not allowed; allowed: 'aws:sqs'",
        ),
        ({"Records": [{}]}, "the event's Records[0].eventSource=null is not allowed; allowed: 'aws:sqs'"),
        (
            {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]},
            "the event's Records[0].messageId=null is not allowed; allowed: a text",
        ),
        ({"Records": [], "dry_run": True}, "the event has 'dry_run' beside Records; allowed: Records alone"),
    ],
    ids=["no list", "no message", "S3's own", "from nowhere", "without an id", "with more"],
)
def test_what_is_no_batch_of_a_queues_fails_as_a_whole(told: dict[str, Any], said: str) -> None:
    """Nothing of it can be told back to a queue by an id."""
    with pytest.raises(EventError) as caught:
        Order.from_event(told, watched=WATCHED)
    assert str(caught.value) == said


def test_a_long_key_elsewhere_is_not_quoted() -> None:
    """Whatever others call their objects does not fill the log."""
    (ignored,) = Order.from_event(event("x" * 500), watched=WATCHED).ignored
    assert ignored.place == "a name of 500 characters"
