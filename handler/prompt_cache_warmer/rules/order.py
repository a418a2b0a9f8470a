"""The order: what one invocation asks for, read from its event.

Three events are understood: the schedule's own input, an EventBridge rule's envelope, and a direct
invocation such as ``{"targets": ["support-agent"], "dry_run": true}`` or ``{"verify": ["support-agent"]}``.
A field nobody knows is an error and not ignored: a misspelt ``dry_run`` would spend money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIELDS = ("targets", "verify", "dry_run", "source", "scheduled_time", "execution_id")
_ENVELOPE_MARK = "detail-type"  # every EventBridge rule's event carries it
_SCHEDULED = "Scheduled Event"  # what a rule with a schedule sends; others ask for something this does not do


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
    """

    targets: tuple[str, ...] | None = None
    dry_run: bool = False
    scheduled_time: str | None = None
    execution_id: str | None = None
    verify: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...] | None:
        """The targets that are asked for by name, for whatever; None for all of them."""
        return self.targets if self.verify is None else self.verify

    @property
    def scheduled_at(self) -> datetime | None:
        """The tick's due time."""
        return None if self.scheduled_time is None else _moment(self.scheduled_time)

    @classmethod
    def from_event(cls, event: object) -> Order:
        """Read the event of an invocation.

        Raises:
            EventError: naming the field, its value and what is allowed.
        """
        if event is None:
            return cls()
        if not isinstance(event, dict):
            raise EventError(f"the event must be an object, not {shown(event)}")
        if _ENVELOPE_MARK in event:
            kind = event[_ENVELOPE_MARK]
            if kind != _SCHEDULED:
                raise EventError(f"the event's detail-type={shown(kind)} is not allowed; allowed: {_SCHEDULED!r}")
            return cls(scheduled_time=_time(event, "time"), execution_id=_text(event, "id"))
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
        return cls(
            targets=targets,
            verify=verify,
            dry_run=dry_run,
            scheduled_time=_time(event, "scheduled_time"),
            execution_id=_text(event, "execution_id"),
        )


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
            _moment(value)
        except (ValueError, OverflowError):
            raise EventError(
                f"the event's {field}={shown(value)} is not allowed; allowed: a time such as '2026-11-22T12:00:00Z'"
            ) from None
    return value


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
