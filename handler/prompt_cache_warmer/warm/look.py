"""The look: how every entry of a deployment stands now, decided as a tick would and with nothing called or written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prompt_cache_warmer.rules.report import RunStanding
from prompt_cache_warmer.rules.situation import Tick
from prompt_cache_warmer.rules.status import EntryStatus, Warm, entry_status, rank
from prompt_cache_warmer.values.body import TTL_SECONDS
from prompt_cache_warmer.values.problems import Severity
from prompt_cache_warmer.values.targets import entries
from prompt_cache_warmer.warm.docket import asked_ttl, docket

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prompt_cache_warmer.ports import Index, StateStore, TargetIndex
    from prompt_cache_warmer.values.caps import Caps
    from prompt_cache_warmer.values.problems import Problem
    from prompt_cache_warmer.values.targets import TargetSummary

STILL_TICKS = 3  # so many without a call where one is due are no matter of a late schedule any more


@dataclass(frozen=True, slots=True)
class Look:
    """How a deployment stands now.

    Attributes:
        now: the moment.
        statuses: every entry, what should be warm and is not first.
        index: what there is to keep warm, and what is wrong with the documents.
        standing: the pause, the spending and the stopped credentials.
        tick_seconds: the interval of the ticks.
    """

    now: datetime
    statuses: tuple[EntryStatus, ...]
    index: Index
    standing: RunStanding
    tick_seconds: float

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Why documents are no targets."""
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
        return max((at for status in self.statuses if (at := status.called_at) is not None), default=None)

    @property
    def stands_still(self) -> bool:
        """Whether nothing was called for some ticks though something is due: they do not come, or do not get far."""
        is_due = any(status.is_wrong and status.decision.is_due for status in self.statuses)
        at = self.called_at
        return is_due and (at is None or (self.now - at).total_seconds() > STILL_TICKS * self.tick_seconds)

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
            "last_call_at": None if self.called_at is None else self.called_at.isoformat(timespec="seconds"),
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
    is_asked: Callable[[TargetSummary], bool] = lambda _: True,
) -> Look:
    """Look at a deployment, with nothing called or written.

    Args:
        targets: lists the targets.
        store: what is remembered.
        now: the time.
        tick_seconds: the interval of the ticks.
        caps: the stack's caps.
        is_asked: tells whether a target is to be looked at.

    Raises:
        RunError: when the bucket or the table cannot be read.
    """
    index = await targets.load()
    found = entries(tuple(target for target in index.targets if is_asked(target)))
    snapshot = await store.load([entry.key for entry in found], day=now.date())
    pause = snapshot.pause if snapshot.pause is not None and now < snapshot.pause.until else None
    tick = Tick(now=now, interval_seconds=tick_seconds)
    cases = docket(found, snapshot, tick, caps=caps)
    free = docket(found, replace(snapshot, pause=None), tick, caps=caps) if pause is not None else cases
    statuses = [
        entry_status(
            case.entry,
            case.state,
            case.decision,
            needed=unpaused.decision,
            asked_ttl_seconds=TTL_SECONDS[asked_ttl(case.entry)],
            is_readable=case.entry.key in snapshot.entries or not snapshot.unreadable,
        )
        for case, unpaused in zip(cases, free, strict=True)
    ]
    return Look(
        now=now,
        statuses=tuple(sorted(statuses, key=rank)),
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
    )
