"""Due entries on their way to the workers: what a tick writes into a queue's messages, and what a worker reads there.

A message names entries and never holds a prompt. Which tick it was that found them due goes with them: an entry that
was called since is not called again, however often and however late its message is delivered.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.errors import EventError
from prompt_cache_warmer.rules.uploads import not_allowed, number_in, text_in, time_in
from prompt_cache_warmer.values.problems import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

SOURCE = "prompt-cache-warmer.due"  # an upload's is aws.s3
VERSION = 1  # another one is another shape, which only its own release can read

_FIELDS = ("source", "version", "scheduled_time", "decided_at", "targets", "entries")
_ENTRY_FIELDS = ("document", "target", "model")


@dataclass(frozen=True, slots=True)
class DueEntry:
    """One entry that a tick found due.

    Attributes:
        document: the key of its target's document.
        target: its target's name.
        model: its model.
    """

    document: str
    target: str
    model: str


@dataclass(frozen=True, slots=True)
class DueMessage:
    """What one message says.

    Attributes:
        entries: the entries.
        scheduled_at: when the tick was due that sent it.
        decided_at: when that tick found them due; what had lapsed by then, it has counted.
        targets: how many targets that tick saw; a worker sees those of its message only.
        message_id: the queue's id of it.
    """

    entries: tuple[DueEntry, ...]
    scheduled_at: datetime
    decided_at: datetime
    targets: int
    message_id: str


def due_body(entries: Iterable[DueEntry], *, scheduled_at: datetime, decided_at: datetime, targets: int) -> str:
    """Write a message's body."""
    body = {
        "source": SOURCE,
        "version": VERSION,
        "scheduled_time": scheduled_at.isoformat(),
        "decided_at": decided_at.isoformat(),
        "targets": targets,
        "entries": [{name: getattr(entry, name) for name in _ENTRY_FIELDS} for entry in entries],
    }
    return json.dumps(body, separators=(",", ":"))


def is_due_body(body: Mapping[str, Any]) -> bool:
    """Whether a message's body is one of ours."""
    return body.get("source") == SOURCE


def read_due(body: Mapping[str, Any], message_id: str, *, place: str) -> DueMessage:
    """Read a message's body.

    Args:
        body: the body.
        message_id: the queue's id of the message.
        place: where the body stands in the invocation's event, with a dot at its end.

    Raises:
        EventError: naming the place, its value and what is allowed.
    """
    version = body.get("version")
    if version is True or version != VERSION:
        raise not_allowed(f"{place}version", version, str(VERSION))
    _check_fields(body, _FIELDS, place)
    entries = body.get("entries")
    if not isinstance(entries, list) or not entries:
        raise not_allowed(f"{place}entries", entries, "a list of entries")
    return DueMessage(
        entries=tuple(_entry(one, f"{place}entries[{number}]") for number, one in enumerate(entries)),
        scheduled_at=time_in(body, "scheduled_time", place),
        decided_at=time_in(body, "decided_at", place),
        targets=number_in(body, "targets", place),
        message_id=message_id,
    )


def _entry(value: object, place: str) -> DueEntry:
    if not isinstance(value, dict):
        raise not_allowed(place, value, "an object")
    _check_fields(value, _ENTRY_FIELDS, f"{place}.")
    return DueEntry(*(text_in(value, name, f"{place}.") for name in _ENTRY_FIELDS))


def _check_fields(value: Mapping[str, Any], allowed: tuple[str, ...], place: str) -> None:
    for name in value:
        if name not in allowed:
            raise EventError(
                f"the event's {place}{shown(name)} is an unknown field{nearest(name, allowed)}; "
                f"allowed: {', '.join(allowed)}"
            )
