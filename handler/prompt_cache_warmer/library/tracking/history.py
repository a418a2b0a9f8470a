"""The calls a tracker remembers: the last ones singly, all earlier ones as one sum."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import timedelta
from typing import TYPE_CHECKING

from prompt_cache_warmer.library.tracking.records import Aggregate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from prompt_cache_warmer.library.tracking.records import CallRecord


class History:
    """The last calls, and the sum of those before them.

    Args:
        limit: how many calls are kept singly.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: deque[CallRecord] = deque()
        self._forgotten = Aggregate()

    def add(self, record: CallRecord) -> None:
        """Remember one more call."""
        self._kept.append(record)
        if len(self._kept) > self._limit:
            self._forgotten += Aggregate.of((self._kept.popleft(),))

    def forgotten(self) -> Aggregate:
        """Return the sum of the calls that are not kept singly any more."""
        return self._forgotten

    def kept(self) -> tuple[CallRecord, ...]:
        """Return the calls that are kept singly, in the order of their ends."""
        return tuple(self._kept)


def chosen(
    records: Sequence[CallRecord], *, since: datetime | None, prefix_id: str | None = None
) -> tuple[CallRecord, ...]:
    """Choose calls by when they started and by their prefix; None chooses all."""
    return tuple(
        record
        for record in records
        if (since is None or record.started_at >= since) and prefix_id in (None, record.prefix_id)
    )


def by_prefix(records: Sequence[CallRecord]) -> dict[str, Aggregate]:
    """Sum calls up by prefix, in the order in which the prefixes first came."""
    grouped: defaultdict[str, list[CallRecord]] = defaultdict(list)
    for record in records:
        grouped[record.prefix_id].append(record)
    return {prefix_id: Aggregate.of(found) for prefix_id, found in grouped.items()}


def over_time(records: Sequence[CallRecord], *, bucket_seconds: float) -> list[tuple[datetime, Aggregate]]:
    """Sum calls up by stretches of time, counted from the first call; only stretches with calls are there."""
    first = min((record.started_at for record in records), default=None)
    if first is None:
        return []
    width = timedelta(seconds=bucket_seconds)
    grouped: defaultdict[int, list[CallRecord]] = defaultdict(list)
    for record in records:
        grouped[(record.started_at - first) // width].append(record)
    return [(first + index * width, Aggregate.of(found)) for index, found in sorted(grouped.items())]
