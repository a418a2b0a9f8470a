"""The order: schedule, rule and direct invocation, and no field that is silently ignored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.rules.order import Order, Trigger
from prompt_cache_warmer.rules.uploads import Watched

ALLOWED = "allowed: targets, verify, dry_run, source, scheduled_time, execution_id"
SCHEDULED = "2026-11-22T12:00:00Z"


@pytest.mark.parametrize(
    ("event", "order"),
    [
        (None, Order()),
        ({}, Order()),
        (
            {"source": "schedule", "scheduled_time": SCHEDULED, "execution_id": "e-1"},
            Order(scheduled_time=SCHEDULED, execution_id="e-1"),
        ),
        ({"targets": ["b", "a", "b"], "dry_run": True}, Order(targets=("b", "a"), dry_run=True)),
        ({"dry_run": False}, Order()),
        (
            {
                "version": "0",
                "id": "e-2",
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": "123456789012",
                "time": SCHEDULED,
                "region": "eu-central-1",
                "resources": [],
                "detail": {},
            },
            Order(scheduled_time=SCHEDULED, execution_id="e-2"),
        ),
        ({"scheduled_time": 5, "execution_id": None}, Order()),
        ({"verify": ["b", "a", "b"]}, Order(verify=("b", "a"))),
        ({"verify": ["a"], "dry_run": False}, Order(verify=("a",))),
    ],
)
def test_the_three_events_are_understood(event: object, order: Order) -> None:
    """The schedule's input, a rule's envelope and a direct invocation say what to do."""
    assert Order.from_event(event) == order


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (
            {"dryrun": True},
            f"the event has an unknown field 'dryrun'; did you mean 'dry_run'?; {ALLOWED}",
        ),
        (
            {"Records": []},
            f"the event has an unknown field 'Records'; {ALLOWED}",
        ),
        ({"dry_run": "true"}, "the event's dry_run='true' is not allowed; allowed: true, false"),
        ({"dry_run": None}, "the event's dry_run=null is not allowed; allowed: true, false"),
        ({"dry_run": 1}, "the event's dry_run=1 is not allowed; allowed: true, false"),
        (
            {"scheduled_time": "tomorrow"},
            "the event's scheduled_time='tomorrow' is not allowed; allowed: a time such as '2026-11-22T12:00:00Z'",
        ),
        (
            {"scheduled_time": "0001-01-01T00:00:00+10:00"},
            (
                "the event's scheduled_time='0001-01-01T00:00:00+10:00' is not allowed; "
                "allowed: a time such as '2026-11-22T12:00:00Z'"
            ),
        ),
        ({"targets": "a"}, "the event's targets='a' is not allowed; allowed: a list of target names"),
        ({"targets": None}, "the event's targets=null is not allowed; allowed: a list of target names"),
        ({"verify": None}, "the event's verify=null is not allowed; allowed: a list of target names"),
        (
            {"verify": ["a"], "targets": None},
            "the event's targets=null is not allowed; allowed: a list of target names",
        ),
        ({"targets": []}, "the event's targets=a list of 0 is not allowed; allowed: a list of target names"),
        ({"targets": ["a", 5]}, "the event's targets=a list of 2 is not allowed; allowed: a list of target names"),
        ({"verify": "a"}, "the event's verify='a' is not allowed; allowed: a list of target names"),
        ({"verify": []}, "the event's verify=a list of 0 is not allowed; allowed: a list of target names"),
        ({"verify": [7]}, "the event's verify=a list of 1 is not allowed; allowed: a list of target names"),
        ({"verify": ["a"], "targets": ["a"]}, "the event has both verify and targets; allowed: one of them"),
        ({"verify": ["a"], "dry_run": True}, "the event has both verify and dry_run; allowed: one of them"),
        ({"verfy": ["a"]}, f"the event has an unknown field 'verfy'; did you mean 'verify'?; {ALLOWED}"),
        ([], "the event must be an object, not a list of 0"),
        ("warm", "the event must be an object, not 'warm'"),
    ],
)
def test_an_event_that_says_something_else_is_an_error(event: Any, message: str) -> None:
    """A misspelt dry_run would spend money, so nothing is ignored and the message says what is allowed."""
    with pytest.raises(EventError) as caught:
        Order.from_event(event)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "watched", "message"),
    [
        ("Object Created", None, "detail-type='Object Created' is not allowed; allowed: 'Scheduled Event'"),
        (
            "Object Tags Added",
            Watched("b", "targets/", "prompts/"),
            (
                "detail-type='Object Tags Added' is not allowed; "
                "allowed: 'Scheduled Event', 'Object Created', 'Object Deleted'"
            ),
        ),
        (["x"], None, "detail-type=a list of 1 is not allowed; allowed: 'Scheduled Event'"),
    ],
    ids=["an upload, where none is understood", "another of S3's", "no text"],
)
def test_an_envelope_of_something_else_is_refused(kind: object, watched: Watched | None, message: str) -> None:
    """An event this version does not act on must not start a whole run that spends money."""
    with pytest.raises(EventError) as caught:
        Order.from_event({"detail-type": kind, "detail": {"dry_run": True}}, watched=watched)
    assert str(caught.value) == f"the event's {message}"


@pytest.mark.parametrize(
    ("text", "hour"), [("2026-11-22T12:00:00Z", 12), ("2026-11-22T12:00:00+02:00", 10), ("2026-11-22T12:00:00", 12)]
)
def test_the_ticks_due_time_is_utc(text: str, hour: int) -> None:
    """Another offset is converted, and a time without one is taken for UTC, as the schedule writes it."""
    at = Order.from_event({"scheduled_time": text}).scheduled_at
    assert at is not None
    assert (at.hour, at.utcoffset()) == (hour, timedelta(0))


@pytest.mark.parametrize(
    ("order", "names"),
    [(Order(), None), (Order(targets=("a",)), ("a",)), (Order(verify=("b",)), ("b",))],
    ids=["all", "targets", "verify"],
)
def test_an_order_of_names_is_a_selection(order: Order, names: tuple[str, ...] | None) -> None:
    """Whether they are to be warmed or to be verified."""
    assert order.names == names
    assert order.is_selection is (names is not None)


@pytest.mark.parametrize(
    ("order", "trigger"),
    [
        (Order(), "direct"),
        (Order(targets=("a",), execution_id="e"), "direct"),
        (Order(scheduled_time=SCHEDULED), "schedule"),
        (Order(uploads=()), "upload"),
    ],
    ids=["nothing said", "by name", "scheduled", "uploads"],
)
def test_an_order_says_what_triggered_it(order: Order, trigger: str) -> None:
    """The log and the report name it."""
    assert order.trigger is Trigger(trigger)
