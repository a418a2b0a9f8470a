"""The while a report speaks of, cut into buckets that fit CloudWatch's memory and a reader's eye."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

BucketWidth = Literal["1m", "1h", "1d"]

_MINUTE, _FIVE_MINUTES, _HOUR, _DAY = 60, 300, 3_600, 86_400

# CloudWatch keeps minutes for 15 days, five minutes for 63 and hours for 455. A window ends now, so with no more
# than 400 buckets each of them is asked for long before CloudWatch forgets it; and a plot shows no more.
MAX_BUCKETS = 400
_BUCKETS_SECONDS = (_MINUTE, _FIVE_MINUTES, _HOUR, _DAY)
MAX_AGE = timedelta(days=455)

# ListMetrics names what had data in the last two weeks: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_ListMetrics.html
LISTED_AGE = timedelta(days=14)

# The Usage API is about five minutes late, and answers at most so many buckets a page.
USAGE_DELAY = timedelta(minutes=5)
PAGE_BUCKETS: dict[BucketWidth, int] = {"1m": 1_440, "1h": 168, "1d": 31}
_WIDTHS_SECONDS: dict[BucketWidth, int] = {"1m": _MINUTE, "1h": _HOUR, "1d": _DAY}


@dataclass(frozen=True, slots=True)
class Window:
    """A while in whole buckets.

    Attributes:
        start: when it begins, in UTC.
        end: when it ends; this moment is no part of it.
        bucket_seconds: how long a bucket is; the window is a whole number of them.
    """

    start: datetime
    end: datetime
    bucket_seconds: int

    @property
    def span(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    @property
    def is_listed(self) -> bool:
        """Whether everything with data in it is still named by CloudWatch."""
        return self.span <= LISTED_AGE + timedelta(seconds=self.bucket_seconds)

    def starts(self) -> Iterator[datetime]:
        """Return when each bucket begins, in order."""
        step = timedelta(seconds=self.bucket_seconds)
        at = self.start
        while at < self.end:
            yield at
            at += step

    def holds(self, at: datetime) -> bool:
        """Tell whether a moment is in it."""
        return self.start <= at < self.end

    def as_json(self) -> dict[str, str | int]:
        """Return it as a report writes it."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat(), "bucket_seconds": self.bucket_seconds}


def window(since: datetime, *, now: datetime) -> Window:
    """Choose the window from ``since`` to ``now``: the finest buckets there is room for, begun and ended whole."""
    span_seconds = (now - since).total_seconds()
    fitting = (seconds for seconds in _BUCKETS_SECONDS if span_seconds <= seconds * MAX_BUCKETS)
    bucket_seconds = next(fitting, _DAY)
    return Window(_floor(since, bucket_seconds), _ceiling(now, bucket_seconds), bucket_seconds)


def settled(whole: Window, *, now: datetime) -> tuple[Window, BucketWidth] | None:
    """Cut a window to what the Usage API knows by now, in buckets of its own width.

    Returns:
        The window and the width, the finest that fits on one page; None where nothing of it is settled.
    """
    for width, seconds in _WIDTHS_SECONDS.items():
        step_seconds = max(seconds, whole.bucket_seconds)
        cut = Window(_ceiling(whole.start, step_seconds), _floor(now - USAGE_DELAY, step_seconds), seconds)
        if cut.end <= cut.start:
            return None
        if cut.span.total_seconds() <= seconds * PAGE_BUCKETS[width]:
            break
    return cut, width


def _floor(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def _ceiling(at: datetime, seconds: int) -> datetime:
    return datetime.fromtimestamp(-(-at.timestamp() // seconds) * seconds, UTC)
