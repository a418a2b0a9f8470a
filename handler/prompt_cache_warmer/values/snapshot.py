"""What is remembered beside entries between runs: credentials, a pause, spending; and all of it at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prompt_cache_warmer.values.money import NOTHING
from prompt_cache_warmer.values.state import CLOSED, Breaker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from prompt_cache_warmer.values.money import Amount
    from prompt_cache_warmer.values.state import EntryKey, EntryState


@dataclass(frozen=True, slots=True)
class CredentialState:
    """What is remembered of one credential.

    Attributes:
        sequence: counts its changes; a change is made only by who has seen the last one.
        breaker: whether all its calls are kept back.
        resumed_at: when an operator let its calls go last: what was refused before then is tried again; None where
            nobody did.
    """

    sequence: int = 0
    breaker: Breaker = CLOSED
    resumed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """All warming is stopped for a while.

    Attributes:
        reason: why, in the operator's words.
        since: when it was asked for.
        until: when it ends by itself.
    """

    reason: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """A part of the stack's allowance that one run may spend.

    Attributes:
        day: the UTC day it is counted to; the month is the day's.
        amount: how much; what is not spent is returned.
        id: names it in the store, so that settling it twice counts once; empty where nothing was leased.
    """

    day: date
    amount: Amount
    id: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of everything at the start of a run.

    Attributes:
        entries: by entry; one nobody knows is missing.
        spent_by_target: what each target spent or reserved on the day, by name.
        spent_today: what the whole stack spent or reserved on the day.
        spent_this_month: what it spent or reserved in the month.
        credentials: by name; one nobody knows is missing.
        pause: the pause that was asked for last, over or not.
        unreadable: what is stored and counts as unknown, because this version cannot read it; one
            sentence each.
    """

    entries: Mapping[EntryKey, EntryState] = field(default_factory=dict)
    spent_by_target: Mapping[str, Amount] = field(default_factory=dict)
    spent_today: Amount = NOTHING
    spent_this_month: Amount = NOTHING
    credentials: Mapping[str, CredentialState] = field(default_factory=dict)
    pause: Pause | None = None
    unreadable: tuple[str, ...] = ()
