"""The fan-out: due entries go to a queue instead of being called here, and workers look at them a second time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from prompt_cache_warmer.rules.fan_out import DueEntry, due_body
from prompt_cache_warmer.warm.results import failed, sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from prompt_cache_warmer.rules.entry_result import EntryResult
    from prompt_cache_warmer.warm.claims import Twins
    from prompt_cache_warmer.warm.docket import Case

# One wave of the calls that MAX_CONCURRENCY lets a worker have in flight at once: its run is as long as its slowest
# call, and one that dies takes no more than a wave with it.
ENTRIES_PER_MESSAGE = 32
# Entries of the same bytes go together, or each message would call them; an entry's key, name and model are 3.5 KB
# at the very most, and a message is 1 MiB.
TWINS_PER_MESSAGE = 256


class DueQueue(Protocol):
    """The port to the workers' queue."""

    async def send(self, bodies: Sequence[str]) -> Mapping[int, str]:
        """Send messages.

        Returns:
            Why, by its place among them, for each that the queue did not take.
        """


async def fan_out(
    ordered: Iterable[Twins], queue: DueQueue, *, scheduled_at: datetime, decided_at: datetime, targets: int
) -> list[EntryResult]:
    """Send due entries to the workers, those of the same bytes together.

    Args:
        ordered: the entries, the most urgent first.
        queue: the workers' queue.
        scheduled_at: when the tick was due.
        decided_at: when it found them due.
        targets: how many targets it saw.
    """
    loads = list(_loads(ordered))
    bodies = [
        due_body(
            (DueEntry(case.entry.target.source, case.entry.target.name, case.entry.model) for case in load),
            scheduled_at=scheduled_at,
            decided_at=decided_at,
            targets=targets,
        )
        for load in loads
    ]
    refused = await queue.send(bodies)
    results: list[EntryResult] = []
    for place, load in enumerate(loads):
        if place in refused:
            advice = "Look at the queue and the role; the next tick sends it again."
            results += failed(load, "not-sent", f"it could not be sent to the workers: {refused[place]}", advice)
        else:
            results += map(sent, load)
    return results


def second_look(cases: Iterable[Case], decided_at: Mapping[str, datetime]) -> list[Case]:
    """Return a worker's cases without the lapses that the tick has counted, which sent them.

    Args:
        cases: the cases.
        decided_at: when that tick decided, by the target's name.
    """
    return [
        replace(case, decision=replace(case.decision, is_lapse=False))
        if case.decision.lapses_at is not None and case.decision.lapses_at <= decided_at[case.entry.target.name]
        else case
        for case in cases
    ]


def _loads(ordered: Iterable[Twins]) -> Iterator[list[Case]]:
    load: list[Case] = []
    for twins in ordered:
        for start in range(0, len(twins), TWINS_PER_MESSAGE):
            part = twins[start : start + TWINS_PER_MESSAGE]
            if load and len(load) + len(part) > ENTRIES_PER_MESSAGE:
                yield load
                load = []
            load += part
    if load:
        yield load
