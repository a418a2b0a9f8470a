"""The order: what one invocation asks for, read from its event.

Five events are understood: the schedule's own input, an EventBridge rule's envelope, a queue's messages with
envelopes of uploads or with due entries of a tick, and a direct invocation such as
``{"targets": ["support-agent"], "dry_run": true}`` or ``{"verify": ["support-agent"]}``. A field nobody knows is an
error and not ignored: a misspelt ``dry_run`` would spend money.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.rules.fan_out import DueMessage, is_due_body, read_due
from prompt_cache_warmer.rules.uploads import (
    CREATED,
    DELETED,
    Ignored,
    Upload,
    Watched,
    moment,
    read_batch,
    read_upload,
)
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_FIELDS = ("targets", "verify", "dry_run", "source", "scheduled_time", "execution_id")
_ENVELOPE_MARK = "detail-type"  # every EventBridge rule's event carries it
_SCHEDULED = "Scheduled Event"  # what a rule with a schedule sends
_MESSAGES = "Records"  # what Lambda brings from a queue has them and nothing else


class Trigger(StrEnum):
    """What made a run happen."""

    SCHEDULE = "schedule"
    UPLOAD = "upload"
    FAN_OUT = "fan-out"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Order:
    """What one run is asked to do.

    Attributes:
        targets: the names to look at; None means all of them.
        dry_run: decide and report, but call nothing.
        scheduled_time: the tick's due time as the schedule wrote it, None for a direct invocation; it is the
            tick's identity, because a tick that is delivered twice was due once.
        execution_id: the schedule's id of the delivery, None for a direct invocation.
        verify: the names to warm and to prove with a real request each; None for no such proof. Never together
            with ``targets`` or ``dry_run``.
        uploads: what was uploaded, and whose targets the run looks at; None where it was not made for uploads.
        due: what a tick found due and sent, and what the run looks at; None where it was not made by such messages.
        ignored: uploads and messages that are not acted on.
        is_batch: whether it came from a queue, which is told what goes back to it.
    """

    targets: tuple[str, ...] | None = None
    dry_run: bool = False
    scheduled_time: str | None = None
    execution_id: str | None = None
    verify: tuple[str, ...] | None = None
    uploads: tuple[Upload, ...] | None = None
    due: tuple[DueMessage, ...] | None = None
    ignored: tuple[Ignored, ...] = ()
    is_batch: bool = False

    @property
    def trigger(self) -> Trigger:
        """What made the run happen."""
        if self.uploads is not None:
            return Trigger.UPLOAD
        if self.due is not None:
            return Trigger.FAN_OUT
        return Trigger.DIRECT if self.scheduled_time is None else Trigger.SCHEDULE

    @property
    def is_selection(self) -> bool:
        """Whether it asks for some targets only, so that its run is no picture of the whole."""
        return self.is_requested or self.due is not None

    @property
    def is_requested(self) -> bool:
        """Whether somebody asks for its targets now, by name or by an upload, and no tick."""
        return self.names is not None or self.uploads is not None

    @property
    def documents(self) -> frozenset[str] | None:
        """The keys of the only documents it is about; None where that may be any of them."""
        if self.due is None:
            return None
        return frozenset(entry.document for message in self.due for entry in message.entries)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The targets that are asked for by name, for whatever; None for all of them."""
        return self.targets if self.verify is None else self.verify

    @property
    def scheduled_at(self) -> datetime | None:
        """The tick's due time."""
        return None if self.scheduled_time is None else moment(self.scheduled_time)

    @classmethod
    def from_event(cls, event: object, *, watched: Watched | None = None) -> Order:
        """Read the event of an invocation.

        Args:
            event: the event.
            watched: where this deployment reads; without it no upload is understood.

        Raises:
            EventError: naming the field, its value and what is allowed.
        """
        if event is None:
            return cls()
        if not isinstance(event, dict):
            raise EventError(f"the event must be an object, not {shown(event)}")
        if watched is not None and _MESSAGES in event:
            return _batch(event, watched)
        return _enveloped(event, watched) if _ENVELOPE_MARK in event else _direct(event)


def _direct(event: Mapping[str, Any]) -> Order:
    for field in event:
        if field not in _FIELDS:
            raise EventError(
                f"the event has an unknown field {shown(field)}{nearest(str(field), _FIELDS)}; "
                f"allowed: {', '.join(_FIELDS)}"
            )
    dry_run = event.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise EventError(f"the event's dry_run={shown(dry_run)} is not allowed; allowed: true, false")
    targets, verify = _names(event, "targets"), _names(event, "verify")
    for field, is_asked in (("targets", targets is not None), ("dry_run", dry_run)):
        if verify is not None and is_asked:
            raise EventError(f"the event has both verify and {field}; allowed: one of them")
    return Order(
        targets=targets,
        verify=verify,
        dry_run=dry_run,
        scheduled_time=_time(event, "scheduled_time"),
        execution_id=_text(event, "execution_id"),
    )


def _batch(event: Mapping[str, Any], watched: Watched) -> Order:
    for field in event:
        if field != _MESSAGES:
            raise EventError(f"the event has {shown(field)} beside {_MESSAGES}; allowed: {_MESSAGES} alone")
    found = read_batch(event[_MESSAGES], partial(_message, watched))
    uploads = tuple(one for one in found if isinstance(one, Upload))
    due = tuple(one for one in found if isinstance(one, DueMessage))
    if uploads and due:
        raise EventError(f"the event's {_MESSAGES} hold both uploads and due entries; allowed: one of them")
    return Order(
        uploads=None if due else uploads,
        due=due or None,
        ignored=tuple(one for one in found if isinstance(one, Ignored)),
        is_batch=True,
    )


def _message(watched: Watched, body: Mapping[str, Any], place: str, message_id: str) -> Upload | DueMessage | Ignored:
    if is_due_body(body):
        return read_due(body, message_id, place=place)
    return read_upload(body, watched, place=place)


def _enveloped(event: Mapping[str, Any], watched: Watched | None) -> Order:
    kind = event[_ENVELOPE_MARK]
    if kind == _SCHEDULED:
        return Order(scheduled_time=_time(event, "time"), execution_id=_text(event, "id"))
    if watched is None or kind not in (CREATED, DELETED):
        allowed = ", ".join(map(repr, (_SCHEDULED,) if watched is None else (_SCHEDULED, CREATED, DELETED)))
        raise EventError(f"the event's detail-type={shown(kind)} is not allowed; allowed: {allowed}")
    found = read_upload(event, watched)
    if isinstance(found, Upload):
        return Order(uploads=(found,), execution_id=_text(event, "id"))
    return Order(uploads=(), ignored=(found,), execution_id=_text(event, "id"))


def _names(event: Mapping[str, Any], field: str) -> tuple[str, ...] | None:
    if field not in event:
        return None
    value = event[field]  # null is a value: what a script's empty variable makes must not be a paid run of all
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value) or not value:
        raise EventError(f"the event's {field}={shown(value)} is not allowed; allowed: a list of target names")
    return tuple(dict.fromkeys(value))


def _text(event: Mapping[str, Any], field: str) -> str | None:
    value = event.get(field)
    return value if isinstance(value, str) else None


def _time(event: Mapping[str, Any], field: str) -> str | None:
    value = _text(event, field)
    if value is not None:
        try:
            moment(value)
        except (ValueError, OverflowError):
            raise EventError(
                f"the event's {field}={shown(value)} is not allowed; allowed: a time such as '2026-11-22T12:00:00Z'"
            ) from None
    return value
