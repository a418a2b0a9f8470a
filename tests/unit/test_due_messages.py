"""Due entries in a queue's messages: what a tick writes is what a worker reads, and nothing else is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.rules.fan_out import DueEntry, DueMessage, due_body
from prompt_cache_warmer.rules.order import Order, Trigger
from prompt_cache_warmer.rules.uploads import Ignored, Watched

WATCHED = Watched("my-bucket", "targets/", "prompts/")
SCHEDULED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DECIDED = datetime(2026, 11, 22, 12, 0, 31, 250_000, tzinfo=UTC)
ENTRIES = (
    DueEntry("targets/a.json", "a", "claude-sonnet-4-6"),
    DueEntry("targets/ü\u2028\x01.json", "b", "claude-haiku-4-5"),
)
BODY: dict[str, Any] = {
    "source": "prompt-cache-warmer.due",
    "version": 1,
    "scheduled_time": "2026-11-22T12:00:00+00:00",
    "decided_at": "2026-11-22T12:00:31.250000+00:00",
    "targets": 300,
    "entries": [
        {"document": "targets/a.json", "target": "a", "model": "claude-sonnet-4-6"},
        {"document": "targets/ü\u2028\x01.json", "target": "b", "model": "claude-haiku-4-5"},
    ],
}
UPLOAD = {
    "detail-type": "Object Created",
    "source": "aws.s3",
    "time": "2026-11-22T12:00:05Z",
    "detail": {"bucket": {"name": "my-bucket"}, "object": {"key": "targets/a.json", "etag": "e"}},
}


def record(body: object, message_id: str = "m-1") -> dict[str, Any]:
    """Return a message as Lambda hands it over."""
    text = body if isinstance(body, str) else json.dumps(body)
    return {"messageId": message_id, "body": text, "eventSource": "aws:sqs"}


def read(*records: dict[str, Any]) -> Order:
    """Read a batch."""
    return Order.from_event({"Records": list(records)}, watched=WATCHED)


def test_a_body_is_json_of_names_and_times_in_ascii() -> None:
    """Any key fits into a message of SQS, which takes neither every character nor a prompt."""
    body = due_body(ENTRIES, scheduled_at=SCHEDULED, decided_at=DECIDED, targets=300)
    assert body.isascii()
    assert json.loads(body) == BODY


def test_what_a_tick_writes_a_worker_reads() -> None:
    """An order of its own kind: a selection that nobody asked for by name, of just these documents."""
    order = read(record(due_body(ENTRIES, scheduled_at=SCHEDULED, decided_at=DECIDED, targets=300), "m-7"))
    assert order == Order(due=(DueMessage(ENTRIES, SCHEDULED, DECIDED, 300, "m-7"),), is_batch=True)
    assert (order.trigger, order.is_selection, order.is_requested) == (Trigger.FAN_OUT, True, False)
    assert order.documents == frozenset({"targets/a.json", "targets/ü\u2028\x01.json"})
    assert order.scheduled_at is None


def test_other_orders_are_about_any_document() -> None:
    """A whole run, an upload and names."""
    assert [one.documents for one in (Order(), read(record(UPLOAD)), Order(targets=("a",)))] == [None] * 3
    assert [one.is_requested for one in (Order(), read(record(UPLOAD)), Order(targets=("a",)))] == [False, True, True]
    assert read(record(UPLOAD)).due is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "body.version=2 is not allowed; allowed: 1"),
        ({"version": True}, "body.version=true is not allowed; allowed: 1"),
        ({"version": None}, "body.version=null is not allowed; allowed: 1"),
        ({"entries": []}, "body.entries=a list of 0 is not allowed; allowed: a list of entries"),
        ({"entries": {"a": 1}}, "body.entries=an object of 1 fields is not allowed; allowed: a list of entries"),
        ({"entries": ["a"]}, "body.entries[0]='a' is not allowed; allowed: an object"),
        (
            {"entries": [BODY["entries"][0], {"document": "d", "target": "t"}]},
            "body.entries[1].model=null is not allowed; allowed: a text",
        ),
        (
            {"entries": [{**BODY["entries"][0], "modell": 1}]},
            "body.entries[0].'modell' is an unknown field; did you mean 'model'?; allowed: document, target, model",
        ),
        (
            {"entires": []},
            (
                "body.'entires' is an unknown field; did you mean 'entries'?; "
                "allowed: source, version, scheduled_time, decided_at, targets, entries"
            ),
        ),
        ({"targets": None}, "body.targets=null is not allowed; allowed: a whole number from 0"),
        ({"targets": True}, "body.targets=true is not allowed; allowed: a whole number from 0"),
        ({"targets": -1}, "body.targets=-1 is not allowed; allowed: a whole number from 0"),
        ({"scheduled_time": None}, "body.scheduled_time=null is not allowed; allowed: a text"),
        (
            {"decided_at": "noon"},
            "body.decided_at='noon' is not allowed; allowed: a time such as '2026-11-22T12:00:00Z'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_body_of_another_shape_goes_back_and_the_others_are_read(changes: dict[str, Any], said: str) -> None:
    """It names the place, the value and what is allowed."""
    order = read(record({**BODY, **changes}, "m-2"), record(BODY, "m-1"))
    assert order.ignored == (Ignored("Records[0]", f"the event's Records[0].{said}", "m-2"),)
    assert [message.message_id for message in order.due or ()] == ["m-1"]


def test_uploads_and_due_entries_do_not_come_together() -> None:
    """Each has a queue of its own, so whoever mixes them is told."""
    with pytest.raises(EventError) as caught:
        read(record(BODY), record(UPLOAD, "m-2"))
    assert str(caught.value) == "the event's Records hold both uploads and due entries; allowed: one of them"


def test_an_upload_that_is_none_of_ours_does_not_disturb_due_entries() -> None:
    """It is ignored with its reason, and done with."""
    order = read(record(BODY), record({**UPLOAD, "detail-type": "Object Deleted"}, "m-2"))
    assert (len(order.due or ()), [one.message_id for one in order.ignored]) == (1, [None])
