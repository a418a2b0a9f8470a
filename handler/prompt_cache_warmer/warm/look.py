"""The look: how every entry of a deployment stands now, decided as a tick would and with nothing called or written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.entry_result import time_json
from prompt_cache_warmer.rules.report import RunStanding
from prompt_cache_warmer.rules.situation import Tick
from prompt_cache_warmer.rules.status import EntryStatus, Warm, entry_status, rank, since_due
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.problems import Severity
from prompt_cache_warmer.values.targets import entries
from prompt_cache_warmer.warm.docket import asked_ttl, docket

if TYPE_CHECKING:
    from datetime import datetime

    from prompt_cache_warmer.ports import Index, StateStore, TargetIndex
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.problems import Problem
    from prompt_cache_warmer.values.snapshot import Pause
    from prompt_cache_warmer.values.targets import TargetSummary
    from prompt_cache_warmer.warm.docket import Case

STILL_TICKS = 3  # so many without a call where one is due are no matter of a late schedule any more


@dataclass(frozen=True, slots=True)
class Look:
    """How a deployment stands now.

    Attributes:
        now: the moment.
        statuses: every entry that was asked for, what should be warm and is not first.
        index: what there is to keep warm, and what is wrong with the documents.
        standing: the pause, the spending and the stopped credentials.
        tick_seconds: the interval of the ticks.
        names: the targets that were asked for; all of them, and every document, where there are none.
        others: the entries that were not asked for.
    """

    now: datetime
    statuses: tuple[EntryStatus, ...]
    index: Index
    standing: RunStanding
    tick_seconds: float
    names: frozenset[str] = frozenset()
    others: tuple[EntryStatus, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Why documents that were asked for are no targets; who has a target's name has a valid one."""
        if self.names:
            return ()
        return tuple(problem for problem in self.index.problems if problem.severity is Severity.ERROR)

    @property
    def wrong(self) -> tuple[EntryStatus, ...]:
        """The entries that should be warm and are not, or are kept back."""
        return tuple(status for status in self.statuses if status.is_wrong)

    @property
    def is_well(self) -> bool:
        """Whether everything that should be warm is, and every document is a target."""
        return not self.wrong and not self.errors

    @property
    def called_at(self) -> datetime | None:
        """When the last warm call of all was made; None where there was none."""
        every = (*self.statuses, *self.others)
        return max((at for status in every if (at := status.called_at) is not None), default=None)

    @property
    def overdue_since(self) -> datetime | None:
        """Since when something has waited for some ticks to be called: they do not come, or do not get far.

        None where nothing has. It is not the age of the last call: where all is warm nobody needs one for long.
        """
        every = (*self.statuses, *self.others)
        since = min((at for status in every if (at := status.due_since) is not None), default=None)
        is_overdue = since is not None and (self.now - since).total_seconds() > STILL_TICKS * self.tick_seconds
        return since if is_overdue else None

    def count(self, warm: Warm) -> int:
        """Count the entries in a state."""
        return sum(status.warm is warm for status in self.statuses)

    def as_json(self) -> dict[str, Any]:
        """Return it as ``status --json`` prints it."""
        return {
            "at": self.now.isoformat(timespec="seconds"),
            "is_well": self.is_well,
            "totals": {
                "targets": len(self.index.targets),
                "targets_invalid": len(self.index.invalid_sources),
                "entries": len(self.statuses),
                "entries_wrong": len(self.wrong),
                **{f"entries_{warm.value}": self.count(warm) for warm in Warm},
            },
            "last_call_at": time_json(self.called_at),
            "overdue_since": time_json(self.overdue_since),
            **self.standing.as_json(),
            "notices": list(self.standing.troubles),
            "entries": [status.as_json(self.now) for status in self.statuses],
            "problems": [problem.as_json() for problem in self.errors],
        }


async def look(
    targets: TargetIndex,
    store: StateStore,
    *,
    now: datetime,
    tick_seconds: float,
    caps: Caps,
    names: frozenset[str] = frozenset(),
) -> Look:
    """Look at a deployment, with nothing called or written.

    Args:
        targets: lists the targets.
        store: what is remembered.
        now: the time.
        tick_seconds: the interval of the ticks.
        caps: the stack's caps.
        names: the targets that are asked for, all where there are none. Decided are all in any case, as a tick does:
            what is known of an entry may be the call of another with the same bytes.

    Raises:
        RunError: when the bucket or the table cannot be read.
    """
    index = await targets.load()
    found = entries(index.targets)
    snapshot = await store.load([entry.key for entry in found], day=now.date())
    pause = snapshot.pause if snapshot.pause is not None and now < snapshot.pause.until else None
    tick = Tick(now=now, interval_seconds=tick_seconds)
    cases = docket(found, snapshot, tick, caps=caps)
    free = docket(found, replace(snapshot, pause=None), tick, caps=caps) if pause is not None else cases
    statuses = [
        since_due(
            entry_status(
                case.entry,
                case.state,
                case.decision,
                needed=unpaused.decision,
                asked_ttl_seconds=TTL_SECONDS[asked_ttl(case.entry)],
                is_readable=case.entry.key in snapshot.entries or not snapshot.unreadable,
            ),
            modified_at=_modified_at(index, case.entry.target),
            free_since=_free_since(case, snapshot.pause),
        )
        for case, unpaused in zip(cases, free, strict=True)
    ]
    return Look(
        now=now,
        statuses=tuple(sorted((status for status in statuses if _is_asked(status, names)), key=rank)),
        index=index,
        standing=RunStanding(
            pause=pause,
            spent_today=snapshot.spent_today,
            spent_this_month=snapshot.spent_this_month,
            caps=caps,
            stopped_credentials=tuple(
                name for name, state in sorted(snapshot.credentials.items()) if state.breaker.is_open(now)
            ),
            troubles=snapshot.unreadable,
        ),
        tick_seconds=tick_seconds,
        names=names,
        others=tuple(status for status in statuses if not _is_asked(status, names)),
    )


def _is_asked(status: EntryStatus, names: frozenset[str]) -> bool:
    return not names or status.entry.target.name in names


def _modified_at(index: Index, target: TargetSummary) -> datetime | None:
    """Say when a target's document, or what it refers to, was put last."""
    keys = (target.source, *target.references)
    return max((index.modified_at[key] for key in keys if key in index.modified_at), default=None)


def _free_since(case: Case, pause: Pause | None) -> datetime | None:
    """Say since when none of what is over now kept a case back: a pause, a stopped credential, yesterday's cap."""
    now = case.decision.tick.now
    over = (
        None if pause is None else pause.until,
        case.credential.breaker.open_until,
        case.credential.resumed_at,
        now.replace(hour=0, minute=0, second=0, microsecond=0) if case.allowances else None,  # days are of UTC
    )
    return max((at for at in over if at is not None), default=None)
